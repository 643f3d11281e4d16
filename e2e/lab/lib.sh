# Sourced by both labs: cache folder, messages, processes by pid file, ports.
# A lab sets RUN (pid files) and LOG (one log per process), and calls lock first.
: "${DRAWBRIDGE_CACHE:=${XDG_CACHE_HOME:-$HOME/.cache}/drawbridge}"
export DRAWBRIDGE_CACHE

say() { printf '%s %s\n' "$(date +%T)" "$*" >&2; }
die() { say "ERROR: $*"; exit 1; }

# lock FILE: one script at a time works on a lab; another one waits for it
lock() {
  [ "${LAB_LOCKED:-}" = "$1" ] && return # by our caller
  export LAB_LOCKED=$1
  mkdir -p "$(dirname "$1")"
  exec 9>"$1"
  flock -n 9 || { say "waiting for another script that holds $1"; flock -w 1800 9 || die "$1 is still held"; }
}

# --- processes ----------------------------------------------------------------
# A pid file holds the pid and the start time of a process, so a number that the
# kernel has given to somebody else since never passes for ours.

born() { # PID: its start time; nothing for a dead process or a zombie
  local s
  { s=$(<"/proc/$1/stat"); } 2>/dev/null || return 1
  # shellcheck disable=SC2086
  set -- ${s##*) }
  case $1 in Z | X) return 1 ;; esac
  echo "${20}"
}

alive() { # NAME
  local p b
  { read -r p b <"$RUN/$1.pid"; } 2>/dev/null && [ -n "$b" ] && [ "$(born "$p")" = "$b" ]
}

pid() { local p b; read -r p b <"$RUN/$1.pid" && echo "$p"; } # NAME

# forget_strangers: pid files of an earlier boot or of another container say nothing here
forget_strangers() {
  local here
  here="$(cat /proc/sys/kernel/random/boot_id) $(readlink /proc/self/ns/pid)"
  mkdir -p "$RUN" "$LOG"
  [ "$(cat "$RUN/machine" 2>/dev/null)" = "$here" ] || rm -f "$RUN"/*.pid
  echo "$here" >"$RUN/machine"
}

start() { # NAME COMMAND...: in a session of its own; the last log is kept as NAME.log.1
  local n=$1
  shift
  alive "$n" && return 0
  stop "$n" # what a dead leader left behind
  [ -e "$LOG/$n.log" ] && mv -f "$LOG/$n.log" "$LOG/$n.log.1"
  setsid "$@" >"$LOG/$n.log" 2>&1 </dev/null 9>&- &
  echo "$! $(born $!)" >"$RUN/$n.pid"
}

stop() { # NAME [SECONDS]: TERM to the process and its group, KILL after SECONDS (10)
  local n=$1 p b i
  { read -r p b <"$RUN/$n.pid"; } 2>/dev/null || return 0
  [ -n "$b" ] || return 0
  rm -f "$RUN/$n.pid"
  if [ "$(born "$p")" = "$b" ]; then
    kill -TERM -- "-$p" 2>/dev/null || true
    for ((i = 0; i < ${2:-10} * 10; i++)); do born "$p" >/dev/null || break; sleep 0.1; done
  elif born "$p" >/dev/null; then
    return 0 # the number belongs to somebody else, so our group is gone
  fi
  kill -KILL -- "-$p" 2>/dev/null || true
  return 0
}

wait_for() { # NAME SECONDS COMMAND...: until COMMAND succeeds; dies when process NAME does
  local n=$1 end=$((SECONDS + $2))
  shift 2
  until "$@" >/dev/null 2>&1; do
    alive "$n" || { tail -n 5 "$LOG/$n.log" >&2; die "$n ended, see $LOG/$n.log"; }
    [ $SECONDS -lt $end ] || die "$n is not ready, see $LOG/$n.log"
    sleep 0.1
  done
}

rss() { # MiB of resident memory of everything started here, children included
  local d s mine=" "
  for d in "$RUN"/*.pid; do mine+="$(pid "$(basename "$d" .pid)") "; done
  for d in /proc/[0-9]*; do
    { s=$(<"$d/stat"); } 2>/dev/null || continue
    # shellcheck disable=SC2086
    set -- ${s##*) } # state, parent, group, session
    case $mine in *" $4 "*) cat "$d/status" 2>/dev/null || true ;; esac
  done | awk '/^VmRSS/ { s += $2 } END { print int(s / 1024) }'
}

# packages NAME...: installs what is missing, without letting any of them start a daemon
packages() {
  local p log="$DRAWBRIDGE_CACHE/apt.log" policy=/usr/sbin/policy-rc.d t=$SECONDS missing=""
  for p; do
    dpkg-query -W -f='${Status}' "$p" 2>/dev/null | grep -q 'ok installed' || missing="$missing $p"
  done
  [ -n "$missing" ] || return 0
  [ "$(id -u)" = 0 ] || die "missing packages, run as root:$missing"
  say "installing, log in $log:$missing"
  (
    lock "$DRAWBRIDGE_CACHE/apt.lock"
    # maintainer scripts ask policy-rc.d before they start a service
    if [ ! -e $policy ]; then
      trap 'rm -f $policy' EXIT
      printf '#!/bin/sh\nexit 101\n' >$policy
      chmod 755 $policy
    fi
    export DEBIAN_FRONTEND=noninteractive
    apt="apt-get -q -o DPkg::Lock::Timeout=600 -o Acquire::Retries=3"
    $apt update >"$log" 2>&1 9>&- || say "apt-get update failed, trying with what is known"
    # shellcheck disable=SC2086
    $apt install -y --no-install-recommends -o Dpkg::Use-Pty=0 -o Dpkg::Options::=--force-confold \
      $missing >>"$log" 2>&1 </dev/null 9>&-
  ) || { tail -n 20 "$log" >&2; die "apt-get, see $log"; }
  say "installed in $((SECONDS - t)) s"
}

# --- ports ----------------------------------------------------------------------
busy() { (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; } # PORT

# choose_offset FILE PORT...: the number that is added to the default ports. A lab
# keeps its own (FILE) while it runs, and looks for free ports before it starts.
choose_offset() {
  local f=$1 off p
  shift
  for p in "$RUN"/*.pid; do alive "$(basename "$p" .pid)" && return 0; done
  for off in $(seq 0 10 150); do
    for p in "$@"; do busy $((p + off)) && continue 2; done
    echo "$off" >"$f"
    [ "$off" = 0 ] || say "the default ports are taken: using them + $off"
    return 0
  done
  die "no free ports"
}
