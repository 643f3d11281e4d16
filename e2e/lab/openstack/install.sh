#!/bin/bash
# Installs the Debian packages of the lab.
set -eu
. "$(dirname "$0")/env.sh"
grep -qs '^VERSION_ID="12"' /etc/os-release || die "the lab needs the OpenStack packages of Debian 12"
# shellcheck disable=SC2086
packages $PKGS
