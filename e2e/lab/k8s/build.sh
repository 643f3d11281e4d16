#!/bin/bash
# Builds etcd, kube-apiserver, kube-controller-manager and kubectl from Go modules,
# once per version, into $K8SLAB_BIN.
#
# `go install k8s.io/kubernetes/cmd/...@version` cannot work: its go.mod replaces the
# staging modules by folders that its module zip leaves out. So a wrapper module takes
# Kubernetes' own go.mod and go.sum, and points those replacements at the modules that
# are published as v0.x.y with the release: the same dependencies as the release.
set -euo pipefail
. "$(dirname "$0")/env.sh"

complete() { local b; for b in etcd kube-apiserver kube-controller-manager kubectl; do [ -x "$K8SLAB_BIN/$b" ] || return 1; done; }
complete && exit 0
command -v go >/dev/null || die "Go is needed to build Kubernetes"
lock "$DRAWBRIDGE_CACHE/k8s/build.lock"
complete && exit 0

work="$DRAWBRIDGE_CACHE/k8s/build/$KUBE_VERSION"
mkdir -p "$work/out" "$K8SLAB_BIN"
cd "$work"
export GOWORK=off GOFLAGS="-mod=mod -trimpath -buildvcs=false" CGO_ENABLED=0

SECONDS=0
[ -e go.mod ] || go mod init k8slab 2>/dev/null
src=$(go mod download -json "k8s.io/kubernetes@$KUBE_VERSION" | sed -n 's/^\t"Dir": "\(.*\)",*$/\1/p')
[ -d "$src" ] || die "module k8s.io/kubernetes $KUBE_VERSION"
sed -e 's,^module .*,module k8slab,' \
  -e "s,=> \./staging/src/\(.*\),=> \1 v0.${KUBE_VERSION#v1.}," "$src/go.mod" >go.mod
go mod edit -require "k8s.io/kubernetes@$KUBE_VERSION"
cat "$src/go.sum" >go.sum

minor=${KUBE_VERSION#v1.} minor=${minor%%.*}
stamp="-s -w"
for p in k8s.io/client-go/pkg/version k8s.io/component-base/version; do
  stamp+=" -X $p.gitVersion=$KUBE_VERSION -X $p.gitMajor=1 -X $p.gitMinor=$minor -X $p.gitTreeState=clean"
done
build() { # NAME PACKAGE; moved into place when complete
  local t=$SECONDS
  [ -x "$K8SLAB_BIN/$1" ] && return
  nice -n 10 go build -ldflags "$stamp" -o "out/$1" "$2"
  mv "out/$1" "$K8SLAB_BIN/$1"
  say "built $1 in $((SECONDS - t)) s, $(($(stat -c %s "$K8SLAB_BIN/$1") >> 20)) MiB"
}
build etcd go.etcd.io/etcd/server/v3
for b in kubectl kube-apiserver kube-controller-manager; do build "$b" "k8s.io/kubernetes/cmd/$b"; done
say "Kubernetes $KUBE_VERSION built in $SECONDS s"
