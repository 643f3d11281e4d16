#!/bin/bash
# Stops what up.sh started, by recorded pid. --wipe also forgets the cluster: its data,
# certificates and logs (the binaries stay).
set -u
. "$(dirname "$0")/env.sh"
lock "$K8SLAB_DIR.lock"
[ -d "$K8SLAB_DIR" ] || exit 0
forget_strangers
for n in kube-controller-manager kube-apiserver etcd; do stop $n; done
[ "${1:-}" = --wipe ] && rm -rf "$K8SLAB_DIR"
say "Kubernetes lab $K8SLAB_NAME stopped"
