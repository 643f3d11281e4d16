#!/bin/bash
# Stops what up.sh started, by recorded pid. --wipe also forgets the state: databases,
# certificates, logs (the snapshot of the empty database schemas stays).
set -u
. "$(dirname "$0")/env.sh"
lock "$OSLAB_STATE.lock"
[ -d "$OSLAB_STATE" ] || exit 0
forget_strangers
ports
rm -f "$OSLAB_STATE/ready"
[ "$OSLAB_MODE" = amphora ] && "$LAB_DIR/amphora/gateway.sh" stop
# the services first, all at once; what they stand on after them
for f in "$RUN"/*.pid; do
  n=$(basename "$f" .pid)
  case $n in \* | epmd | rabbit | mariadb | ovn-* | backend-*) ;; *) stop "$n" 4 & ;; esac
done
wait
[ "$OSLAB_MODE" = amphora ] && "$LAB_DIR/amphora/ctl.sh" host-down
for n in rabbit epmd ovn-northd ovn-sb ovn-nb; do stop $n; done
stop mariadb 20
[ "$OSLAB_MODE" = amphora ] && ip netns del "$OSLAB_NS" 2>/dev/null
[ "${1:-}" = --wipe ] && rm -rf "$OSLAB_STATE"
say "OpenStack lab $OSLAB_NAME stopped"
