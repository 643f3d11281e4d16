#!/bin/bash
# Makes the amphora lab reachable from outside of its network namespace, on loopback:
#   gateway.sh start|stop                 the API endpoints, same ports on both sides
#   gateway.sh expose PORT ADDR:PORT      127.0.0.1:PORT -> ADDR:PORT in the lab (a VIP, a floating IP); replaces
#   gateway.sh unexpose PORT
#   gateway.sh list
# One HAProxy process which listens outside and connects inside (its "namespace" server keyword).
set -u
export OSLAB_MODE=amphora
. "$(dirname "$0")/../env.sh"
ports
L="$OSLAB_STATE/gateway.list"
touch "$L" 2>/dev/null
render() {
  echo "global
  maxconn 4096
  pidfile $OSLAB_STATE/gateway.pid
defaults
  mode tcp
  timeout connect 5s
  timeout client 10m
  timeout server 10m"
  { for p in $PORT_KEYSTONE $PORT_NEUTRON $PORT_OCTAVIA $PORT_BARBICAN; do echo "$p $OSLAB_ADDR:$p"; done; cat "$L"; } |
  while read -r p t; do
    echo "listen l$p
  bind $OSLAB_ADDR:$p
  server s $t namespace $OSLAB_NS"
  done
}
reload() {
  render >"$ETC/gateway.cfg"
  stop gateway; start gateway haproxy -db -f "$ETC/gateway.cfg"
  wait_for gateway 5 listens "$PORT_OCTAVIA"
}
case ${1:-} in
start) reload ;;
stop) stop gateway ;;
expose) sed -i "/^$2 /d" "$L"; echo "$2 $3" >>"$L"; reload ;;
unexpose) sed -i "/^$2 /d" "$L"; reload ;;
list) cat "$L" ;;
*) sed -n 2,8p "$0"; exit 2 ;;
esac
