#!/bin/bash
# Amphorae as containers: what Nova does in a real cloud.  Called by the lab compute driver and by
# hand.  Everything happens inside the lab's network namespace ($OSLAB_NS, see up.sh).
#   boot ID NAME MGMT_IP | plug ID PORT_ID MAC NET_ID | unplug ID PORT_ID | destroy ID
#   host-up | host-down | list
#   shell ID [CMD...]      run a command inside the amphora (default: bash)
#   vrrp ID                state of the VIP interface inside the amphora
#   kill ID                power the amphora off (like a dead hypervisor)
#   freeze ID | thaw ID    SIGSTOP / SIGCONT to all its processes
#   exec CMD...            run a command in the lab's network namespace (curl http://VIP/)
set -u
export OSLAB_MODE=amphora
. "$(dirname "$0")/../env.sh"
ROOT="$OSLAB_STATE/amphorae"
FS="$OSLAB_STATE/amphora-fs"
inlab() { nsenter --net="/run/netns/$OSLAB_NS" "$@"; }
# run again inside the lab's namespace, unless already there
if [ "${1:-}" != exec ] && [ -e "/run/netns/$OSLAB_NS" ] &&
   [ "$(stat -Lc %i /proc/self/ns/net)" != "$(stat -Lc %i "/run/netns/$OSLAB_NS")" ]; then
  exec nsenter --net="/run/netns/$OSLAB_NS" "$0" "$@"
fi
br() { echo "ob${1:0:11}"; }                 # bridge of a Neutron network
ns() { echo "oslab-${1:0:8}"; }              # network namespace of an amphora
veth() { echo "ov${1:0:11}"; }               # host side of a port
pid1() { # the first process of an amphora
  local p b
  { read -r p b <"$ROOT/$1/unshare.pid"; } 2>/dev/null && [ "$(born "$p")" = "$b" ] && pgrep -P "$p" | head -n 1
}
ensure_bridge() {
  local b; b=$(br "$1")
  [ -e "/sys/class/net/$b" ] || ip link show "$b" >/dev/null 2>&1 && return 0
  ip link add "$b" type bridge forward_delay 0 mcast_snooping 0 2>/dev/null || ip link show "$b" >/dev/null || return 1
  ip link set "$b" up
}

case ${1:-} in
host-up)
  . "$OSLAB_STATE/mgmt.env"
  ensure_bridge "$MGMT_NET_ID"
  ip addr replace "$OSLAB_HM_IP/22" dev "$(br "$MGMT_NET_ID")"
  sysctl -qw net.ipv4.ip_forward=1 net.ipv4.conf.all.rp_filter=0 net.ipv4.conf.default.rp_filter=0 2>/dev/null
  # amphorae which were running when the lab was stopped
  for m in "$ROOT"/*/meta.json; do
    [ -e "$m" ] || continue
    id=$(basename "$(dirname "$m")")
    [ -n "$(pid1 "$id")" ] || say "amphora $id is recorded but not running: health-manager will replace it"
  done
  ;;
host-down)
  for d in "$ROOT"/*/; do
    [ -d "$d" ] || continue
    id=$(basename "$d"); p=$(pid1 "$id"); [ -n "$p" ] && kill -KILL "$p"
    ip netns del "$(ns "$id")" 2>/dev/null
  done
  for f in "$RUN"/backend-*.pid; do
    [ -e "$f" ] || continue
    b=$(basename "$f" .pid); stop "$b"; ip netns del "oslabbe-${b#backend-}" 2>/dev/null
  done
  exit 0 ;;
boot)
  id=$2 name=$3 mgmt=$4
  n=$(ns "$id")
  mkdir -p "$ROOT/$id"
  ip netns add "$n" || exit 1
  ip -n "$n" link set lo up
  setsid nsenter --net="/run/netns/$n" unshare --mount --uts --ipc --pid --cgroup --fork --kill-child \
    "$LAB_DIR/amphora/init.sh" "$ROOT/$id" "$name" "${mgmt:-}" >"$ROOT/$id/console.log" 2>&1 </dev/null &
  echo "$! $(born $!)" >"$ROOT/$id/unshare.pid"
  for i in $(seq 100); do [ -n "$(pid1 "$id")" ] && break; sleep 0.02; done
  [ -n "$(pid1 "$id")" ] || { cat "$ROOT/$id/console.log"; exit 1; }
  ;;
plug)
  id=$2 port=$3 mac=$4 net=$5
  n=$(ns "$id"); v=$(veth "$port")
  ensure_bridge "$net" || exit 1
  ip link show "$v" >/dev/null 2>&1 && exit 0
  p="op${port:0:11}"
  ip link add "$v" type veth peer name "$p" || exit 1
  ip link set "$p" address "$mac"
  ip link set "$v" master "$(br "$net")"
  ip link set "$v" up
  ip link set "$p" netns "$n"
  # the management interface gets its address by DHCP in a real cloud
  . "$OSLAB_STATE/mgmt.env"
  if [ "$net" = "$MGMT_NET_ID" ]; then
    ip -n "$n" link set "$p" name eth0
    ip -n "$n" addr add "$(python3 -c 'import json,sys; print(json.load(open(sys.argv[1]))["mgmt_ip"])' "$ROOT/$id/meta.json")/22" dev eth0
    ip -n "$n" link set eth0 up
  fi
  ;;
unplug)
  ip link del "$(veth "$3")" 2>/dev/null; exit 0 ;;
destroy)
  id=$2; p=$(pid1 "$id")
  [ -n "$p" ] && kill -KILL "$p"
  for i in $(seq 50); do [ -n "$(pid1 "$id")" ] || break; sleep 0.05; done
  ip netns del "$(ns "$id")" 2>/dev/null
  mkdir -p "$LOG/amphorae" && cp "$ROOT/$id/console.log" "$LOG/amphorae/$id.console.log" 2>/dev/null
  exit 0 ;;
kill)
  p=$(pid1 "$2"); [ -n "$p" ] || die "amphora $2 is not running"
  kill -KILL "$p" ;;
freeze|thaw)
  s=STOP; [ "$1" = thaw ] && s=CONT
  # every process of the amphora's PID namespace, init excepted
  want=$(readlink "/proc/$(pid1 "$2")/ns/pid")
  for p in /proc/[0-9]*; do
    [ "$(readlink "$p/ns/pid" 2>/dev/null)" = "$want" ] && [ "${p#/proc/}" != "$(pid1 "$2")" ] && kill -$s "${p#/proc/}"
  done; exit 0 ;;
shell)
  id=$2; shift 2; [ $# = 0 ] && set -- bash
  exec nsenter --target "$(pid1 "$id")" --mount --uts --ipc --net --pid --cgroup --root --wd -- env -i \
    PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin TERM="${TERM:-dumb}" HOME=/root "$@" ;;
vrrp)
  exec "$0" shell "$2" ip netns exec amphora-haproxy ip -br addr ;;
list)
  for d in "$ROOT"/*/; do
    [ -d "$d" ] || continue
    id=$(basename "$d")
    printf '%s pid=%s %s\n' "$id" "$(pid1 "$id")" "$(cat "$d/meta.json")"
  done ;;
exec)
  shift; inlab "$@" ;;
*) sed -n 2,15p "$0"; exit 2 ;;
esac
