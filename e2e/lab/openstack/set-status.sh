#!/bin/bash
# Forces a status in Octavia's database, for tests of stuck or broken objects:
#   set-status.sh load_balancer|listener|pool|member|health_monitor|l7policy|l7rule ID \
#     provisioning_status|operating_status VALUE
set -eu
. "$(dirname "$0")/env.sh"
[ $# = 4 ] || { sed -n 2,4p "$0" >&2; exit 2; }
case $1 in load_balancer | listener | pool | member | health_monitor | l7policy | l7rule) ;; *) die "unknown table $1" ;; esac
case $3 in provisioning_status | operating_status) ;; *) die "unknown field $3" ;; esac
mariadb --defaults-file="$ETC/my.cnf" --socket="$RUN/mysql.sock" -uroot octavia \
  -e "UPDATE $1 SET $3='${4//[^A-Z_]/}' WHERE id='${2//[^0-9a-f-]/}';"
