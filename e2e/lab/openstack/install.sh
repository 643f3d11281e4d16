#!/bin/bash
# Installs the Debian packages of the lab, without letting any of them start a daemon.
set -eu
. "$(dirname "$0")/env.sh"
missing=""
for p in $PKGS; do
  dpkg-query -W -f='${Status}' "$p" 2>/dev/null | grep -q 'ok installed' || missing="$missing $p"
done
[ -n "$missing" ] || exit 0
grep -qs '^VERSION_ID="12"' /etc/os-release || die "the lab needs the OpenStack packages of Debian 12"
[ "$(id -u)" = 0 ] || die "missing packages, run as root:$missing"
lock "$DRAWBRIDGE_CACHE/openstack/install.lock"
log="$DRAWBRIDGE_CACHE/openstack/apt.log"
say "installing, log in $log:" $missing

# Maintainer scripts ask policy-rc.d before they start a service.
policy=/usr/sbin/policy-rc.d
if [ ! -e $policy ]; then
  trap 'rm -f $policy' EXIT
  printf '#!/bin/sh\nexit 101\n' >$policy
  chmod 755 $policy
fi
export DEBIAN_FRONTEND=noninteractive
SECONDS=0
apt="apt-get -q -o DPkg::Lock::Timeout=600 -o Acquire::Retries=3"
$apt update >"$log" 2>&1 9>&- || say "apt-get update failed, trying with what is known"
# shellcheck disable=SC2086
$apt install -y --no-install-recommends -o Dpkg::Use-Pty=0 -o Dpkg::Options::=--force-confold \
  $missing >>"$log" 2>&1 </dev/null 9>&- || { tail -n 20 "$log" >&2; die "apt-get install"; }
say "installed in $SECONDS s"
