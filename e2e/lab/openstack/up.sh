#!/bin/bash
# Starts Keystone, Neutron, Barbican and Octavia from Debian 12 packages on loopback.
#   up.sh [--reset]     --reset forgets the state of this lab first
# Idempotent: a healthy lab with the same settings is left alone, any other one is
# stopped and started again on its state. Settings: env.sh.
set -u
. "$(dirname "$0")/env.sh"
[ ${#OSLAB_STATE} -le 80 ] || die "OSLAB_STATE is too long for the sockets in it: $OSLAB_STATE"

if [ -z "${OSLAB_INNS:-}" ]; then
  lock "$OSLAB_STATE.lock"
  [ "${1:-}" = --reset ] && { "$LAB_DIR/down.sh" --wipe || exit 1; }
  "$LAB_DIR/install.sh" || exit 1
  forget_strangers
  settings() { ports; echo "$OSLAB_MODE $OSLAB_MQ $OSLAB_BARBICAN $OSLAB_HEALTH $OSLAB_OVN $OSLAB_FIXES $OSLAB_TOPOLOGY $KS $PORT_NEUTRON $PORT_OCTAVIA"; }
  healthy() {
    local p
    [ "$(cat "$OSLAB_STATE/ready" 2>/dev/null)" = "$(settings)" ] || return 1
    for p in "$RUN"/*.pid; do alive "$(basename "$p" .pid)" || return 1; done
    ports
    for p in "$PORT_KEYSTONE" "$PORT_NEUTRON" "$PORT_OCTAVIA"; do answers "http://$OSLAB_ADDR:$p/" || return 1; done
  }
  healthy && { say "OpenStack lab $OSLAB_NAME is running"; exit 0; }
  "$LAB_DIR/down.sh" 2>/dev/null
  forget_strangers
  choose_offset "$OSLAB_STATE/offset" $(default_ports)
  ports
  # The services run from a copy, so they outlive the folder they were started from.
  rm -rf "$OSLAB_STATE/lab"
  mkdir -p "$OSLAB_STATE/lab" "$HOME"
  cp -r "$LAB_DIR" "$LAB_DIR/../lib.sh" "$OSLAB_STATE/lab/"
fi
export LAB_DIR="$OSLAB_STATE/lab/openstack" PYTHONPATH="$OSLAB_STATE/lab/openstack/plugin"

if [ "$OSLAB_MODE" = amphora ] && [ -z "${OSLAB_INNS:-}" ]; then
  # the whole lab runs in a network namespace; gateway.sh makes its APIs reachable from outside
  [ "$(id -u)" = 0 ] || die "OSLAB_MODE=amphora needs root"
  [ -e "/run/netns/$OSLAB_NS" ] || ip netns add "$OSLAB_NS" || die "network namespace"
  ip -n "$OSLAB_NS" link set lo up
  OSLAB_INNS=1 nsenter --net="/run/netns/$OSLAB_NS" "$LAB_DIR/up.sh" || exit 1
  "$LAB_DIR/amphora/gateway.sh" start || exit 1
  settings >"$OSLAB_STATE/ready"
  exit 0
fi

ports
. "$LAB_DIR/conf.sh"
cd "$OSLAB_STATE" || exit 1
SECONDS=0
write_conf
write_certs

# ---- message queue (slowest to boot, so first); Erlang's port mapper as a process of ours
if [ "$OSLAB_MQ" = rabbit ]; then
  mkdir -p "$OSLAB_STATE/rabbit"
  export ERL_EPMD_PORT=$PORT_EPMD ERL_EPMD_ADDRESS=$OSLAB_ADDR
  start epmd epmd
  wait_for epmd 10 listens "$PORT_EPMD"
  start rabbit env \
    RABBITMQ_CONF_ENV_FILE=/dev/null RABBITMQ_NODENAME=oslab@localhost \
    RABBITMQ_CONFIG_FILE="$ETC/rabbitmq.conf" RABBITMQ_ENABLED_PLUGINS_FILE="$ETC/rabbit_plugins" \
    RABBITMQ_MNESIA_BASE="$OSLAB_STATE/rabbit" RABBITMQ_LOG_BASE="$LOG" RABBITMQ_LOGS=- \
    RABBITMQ_DIST_PORT="$PORT_MQDIST" RABBITMQ_PID_FILE="$OSLAB_STATE/rabbit/pid" \
    RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS="-start_epmd false +S 1:1 +sbwt none +sbwtdcpu none +sbwtdio none -kernel inet_dist_use_interface {127,0,0,1}" \
    /usr/lib/rabbitmq/bin/rabbitmq-server
fi

# ---- OVN databases: the logical network only, no chassis
if [ "$OSLAB_OVN" = 1 ]; then
  mkdir -p "$OSLAB_STATE/ovn"
  for d in nb sb; do
    p=$PORT_OVNNB
    [ $d = sb ] && p=$PORT_OVNSB
    [ -s "$OSLAB_STATE/ovn/$d.db" ] || ovsdb-tool create "$OSLAB_STATE/ovn/$d.db" "/usr/share/ovn/ovn-$d.ovsschema"
    start ovn-$d ovsdb-server "$OSLAB_STATE/ovn/$d.db" --remote="ptcp:$p:$OSLAB_ADDR" --unixctl="$RUN/ovn-$d.ctl" -vsyslog:off
    wait_for ovn-$d 10 listens "$p"
  done
  start ovn-northd ovn-northd --ovnnb-db="tcp:$OSLAB_ADDR:$PORT_OVNNB" --ovnsb-db="tcp:$OSLAB_ADDR:$PORT_OVNSB" \
    --unixctl="$RUN/ovn-northd.ctl" -vsyslog:off
fi

# ---- databases
sql() { mariadb --defaults-file="$ETC/my.cnf" --socket="$RUN/mysql.sock" -uroot "$@"; }
if [ ! -e "$OSLAB_STATE/mysql.done" ]; then
  rm -rf "$OSLAB_STATE/mysql"
  mariadb-install-db --defaults-file="$ETC/my.cnf" --auth-root-authentication-method=normal \
    --skip-test-db >"$LOG/mariadb-install.log" 2>&1 || die "mariadb-install-db, see $LOG/mariadb-install.log"
  touch "$OSLAB_STATE/mysql.done"
fi
start mariadb mariadbd --defaults-file="$ETC/my.cnf"
wait_for mariadb 60 listens "$PORT_DB"
for d in keystone neutron octavia barbican; do
  echo "CREATE DATABASE IF NOT EXISTS $d; CREATE USER IF NOT EXISTS '$d'@'$OSLAB_ADDR' IDENTIFIED BY '$LAB_PASSWORD'; GRANT ALL ON $d.* TO '$d'@'$OSLAB_ADDR';"
done | sql || die "database creation"
say "database up after $SECONDS s"

# ---- services
wsgi() { # NAME PORT THREADS
  start "$1" env OS_KEYSTONE_CONFIG_FILES="$ETC/keystone.conf" \
    uwsgi-core --plugin python3 --http-socket "$OSLAB_ADDR:$2" --wsgi-file "$LAB_DIR/wsgi/$1_app.py" \
    --master --need-app --enable-threads --lazy-apps --die-on-term --processes "${OSLAB_API_PROCS:-1}" --threads "$3" \
    --buffer-size 65535 --listen 100 --add-header "Connection: close" --procname-prefix "oslab-$1 " \
    --log-date --worker-reload-mercy 2
}
service() { # NAME
  case $1 in
  keystone) wsgi keystone "$PORT_KEYSTONE" 8 ;;
  neutron) start neutron $PY "$LAB_DIR/bin/neutron-server.py" --config-file "$ETC/neutron.conf" --config-file "$ETC/ml2.ini" ;;
  # the OVN provider needs the driver agent, which needs the networks: then octavia-api starts last
  octavia) [ "$OSLAB_OVN" = 1 ] || wsgi octavia "$PORT_OCTAVIA" 8 ;;
  barbican) [ "$OSLAB_BARBICAN" = 0 ] || wsgi barbican "$PORT_BARBICAN" 4 ;;
  esac
}
[ -s "$ETC/octavia.conf" ] || write_octavia_conf none none

# ---- schemas; a snapshot of them, still empty, is kept for the next lab with the same packages
key=$({ dpkg-query -W python3-keystone python3-neutron python3-octavia python3-barbican mariadb-server
        echo "$LAB_PASSWORD $REGION"; } | sha256sum | cut -c1-10)
snapshot="$DRAWBRIDGE_CACHE/openstack/schema-$key.sql"
if [ ! -e "$OSLAB_STATE/schema.done" ] && [ -s "$snapshot" ]; then
  sql <"$snapshot" || die "loading $snapshot"
  say "schemas loaded from $snapshot after $SECONDS s"
elif [ ! -e "$OSLAB_STATE/schema.done" ]; then
  step() { # NAME COMMAND...
    local n=$1
    shift
    "$@" >"$LOG/db-$n.log" 2>&1 || { tail -n 5 "$LOG/db-$n.log" >&2; die "$n, see $LOG/db-$n.log"; }
    say "  $n done after $SECONDS s"
  }
  pids=()
  { step neutron-schema $PY "$LAB_DIR/bin/neutron-db-manage.py" --config-file "$ETC/neutron.conf" --config-file "$ETC/ml2.ini" upgrade heads; } &
  pids+=($!)
  { step keystone-schema keystone-manage --config-file "$ETC/keystone.conf" db_sync
    step keystone-bootstrap keystone-manage --config-file "$ETC/keystone.conf" bootstrap \
      --bootstrap-password "$LAB_PASSWORD" --bootstrap-username admin --bootstrap-project-name admin \
      --bootstrap-role-name admin --bootstrap-service-name keystone --bootstrap-region-id "$REGION" \
      --bootstrap-public-url "$KS" --bootstrap-internal-url "$KS" --bootstrap-admin-url "$KS"; } &
  pids+=($!)
  { step octavia-schema octavia-db-manage --config-file "$ETC/octavia.conf" upgrade head
    step barbican-schema $PY "$LAB_DIR/bin/barbican-manage.py" db upgrade; } &
  pids+=($!)
  for p in "${pids[@]}"; do wait "$p" || exit 1; done
  mariadb-dump --defaults-file="$ETC/my.cnf" --socket="$RUN/mysql.sock" -uroot --databases \
    keystone neutron octavia barbican >"$snapshot.$$" && mv "$snapshot.$$" "$snapshot"
fi
touch "$OSLAB_STATE/schema.done"
for s in keystone neutron octavia barbican; do service $s; done
wait_for keystone 90 answers "$KS"
wait_for neutron 120 answers "http://$OSLAB_ADDR:$PORT_NEUTRON/"
say "keystone and neutron up after $SECONDS s"

# ---- users, catalogue, networks; writes $OSLAB_STATE/{mgmt.env,lab.json,lab.env,clouds.yaml,openrc}
rm -f "$OSLAB_STATE/mgmt.env"
$PY "$LAB_DIR/bin/bootstrap.py" >"$LOG/bootstrap.log" 2>&1 9>&- &
boot=$!
bootstrap_failed() { tail -n 5 "$LOG/bootstrap.log" >&2; die "bootstrap, see $LOG/bootstrap.log"; }
while [ ! -e "$OSLAB_STATE/mgmt.env" ]; do
  kill -0 $boot 2>/dev/null || bootstrap_failed
  sleep 0.1
done
. "$OSLAB_STATE/mgmt.env"
[ "$OSLAB_MODE" = amphora ] && { "$LAB_DIR/amphora/ctl.sh" host-up || die "amphora host set-up"; }
write_octavia_conf "$MGMT_NET_ID" "$MGMT_SG_ID"
if [ "$OSLAB_MQ" = rabbit ]; then
  wait_for rabbit 90 listens "$PORT_MQ"
  start octavia-worker $PY "$LAB_DIR/bin/octavia-worker.py" --config-file "$ETC/octavia.conf"
else
  stop octavia
  service octavia # it embeds the worker: restart with the final settings
fi
if [ "$OSLAB_HEALTH" = 1 ]; then
  start octavia-health-manager octavia-health-manager --config-file "$ETC/octavia.conf"
  [ "$OSLAB_MODE" = logical ] && start heartbeats $PY "$LAB_DIR/bin/heartbeats.py" "$ETC/octavia.conf"
fi
[ "$OSLAB_MODE" = amphora ] && start l3 $PY "$LAB_DIR/amphora/l3.py"
start octavia-driver-agent $PY "$LAB_DIR/bin/octavia-driver-agent.py" --config-file "$ETC/octavia.conf"
[ "$OSLAB_OVN" = 1 ] && wsgi octavia "$PORT_OCTAVIA" 8
wait $boot || bootstrap_failed
say "identities and networks ready after $SECONDS s"
[ "$OSLAB_BARBICAN" = 1 ] && wait_for barbican 60 answers "http://$OSLAB_ADDR:$PORT_BARBICAN/"
wait_for octavia 60 answers "http://$OSLAB_ADDR:$PORT_OCTAVIA/"
$PY "$LAB_DIR/bin/bootstrap.py" --octavia >>"$LOG/bootstrap.log" 2>&1 || bootstrap_failed
# the worker is ready once it consumes its queue
[ "$OSLAB_MQ" = rabbit ] && wait_for octavia-worker 60 grep -q 'Starting V2 consumer' "$LOG/octavia-worker.log"
[ -n "${OSLAB_INNS:-}" ] || settings >"$OSLAB_STATE/ready"
say "OpenStack lab $OSLAB_NAME up after $SECONDS s: Keystone $KS, Octavia http://$OSLAB_ADDR:$PORT_OCTAVIA, $(rss) MiB resident"
