# Settings of the OpenStack lab; sourced. Every value can be set from outside.
LAB_DIR=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
export LAB_DIR
. "$LAB_DIR/../lib.sh"

export OSLAB_MODE="${OSLAB_MODE:-logical}"      # logical | amphora (real HAProxy amphorae as containers)
export OSLAB_MQ="${OSLAB_MQ:-rabbit}"           # rabbit | inproc (the worker inside octavia-api)
export OSLAB_BARBICAN="${OSLAB_BARBICAN:-1}"
export OSLAB_HEALTH="${OSLAB_HEALTH:-1}"        # health-manager (+ synthetic heartbeats in logical mode)
export OSLAB_OVN="${OSLAB_OVN:-0}"              # 1: Neutron ML2/OVN, and Octavia's OVN provider beside amphora (logical mode)
export OSLAB_FIXES="${OSLAB_FIXES:-1}"          # 0: Octavia 11.0.0 as released, with its fault in whole creates
export OSLAB_TOPOLOGY="${OSLAB_TOPOLOGY:-SINGLE}"
export OSLAB_DEBUG="${OSLAB_DEBUG:-False}"
export OSLAB_ADDR="${OSLAB_ADDR:-127.0.0.1}"
export LAB_PASSWORD="${LAB_PASSWORD:-oslab}"    # of every user; the lab listens on loopback only
export REGION="${REGION:-RegionOne}"

# The name tells labs side by side apart. A state folder fits one mode only.
name=$OSLAB_MODE
[ "$OSLAB_OVN" = 1 ] && name=$name-ovn
export OSLAB_NAME="${OSLAB_NAME:-$name}"
export OSLAB_STATE="${OSLAB_STATE:-$DRAWBRIDGE_CACHE/openstack/$OSLAB_NAME}"
export OSLAB_NS="${OSLAB_NS:-oslab}"            # network namespace of the amphora mode
[ "$OSLAB_MODE" = amphora ] && export OSLAB_HM_IP="${OSLAB_HM_IP:-172.30.3.254}"   # controller on the management network
RUN="$OSLAB_STATE/run" ETC="$OSLAB_STATE/etc" LOG="$OSLAB_STATE/log"

# The packaged Python must be used, not one from a version manager.
export PATH=/usr/local/sbin:/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C.UTF-8 PYTHONWARNINGS=ignore
unset PYTHONHOME PYTHONDONTWRITEBYTECODE PYTHONUNBUFFERED
unset http_proxy https_proxy HTTP_PROXY HTTPS_PROXY all_proxy ALL_PROXY
export HOME="$OSLAB_STATE/home"                 # Erlang cookie, ~/.barbican
export PYTHONPATH="$LAB_DIR/plugin" PYTHONPYCACHEPREFIX="$OSLAB_STATE/pycache"   # no files beside the sources
PY=/usr/bin/python3

PKGS="python3-keystone python3-neutron python3-octavia python3-barbican
 uwsgi-core uwsgi-plugin-python3 rabbitmq-server mariadb-server mariadb-client
 haproxy keepalived openssl curl iproute2 procps util-linux"
[ "$OSLAB_MODE" = amphora ] && PKGS="$PKGS systemd nftables iputils-ping socat"
[ "$OSLAB_OVN" = 1 ] && PKGS="$PKGS ovn-central python3-ovn-octavia-provider"

# NAME=default port; UDP: PORT_HEALTH
PORTS="PORT_KEYSTONE=5000 PORT_HEALTH=5555 PORT_BARBICAN=9311 PORT_NEUTRON=9696 PORT_OCTAVIA=9876
 PORT_DB=13306 PORT_EPMD=14369 PORT_MQ=15673 PORT_MQDIST=15674 PORT_OVNNB=16641 PORT_OVNSB=16642"
shift_ports=0
[ "$OSLAB_MODE" = amphora ] && shift_ports=10000   # both modes can run side by side
default_ports() { local p; for p in $PORTS; do echo $((${p#*=} + shift_ports)); done; }
ports() { # sets and exports the ports, after choose_offset
  local p v off
  off=$(cat "$OSLAB_STATE/offset" 2>/dev/null || echo 0)
  for p in $PORTS; do
    v=${p%%=*}
    [ -n "${!v:-}" ] || export "${p%%=*}=$((${p#*=} + shift_ports + off))"
  done
  KS="http://$OSLAB_ADDR:$PORT_KEYSTONE/v3"
}

answers() { curl -s -o /dev/null --max-time 2 "$1"; }        # URL
listens() { (exec 3<>"/dev/tcp/$OSLAB_ADDR/$1") 2>/dev/null; } # PORT
