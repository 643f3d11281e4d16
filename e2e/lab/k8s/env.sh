# Settings of the Kubernetes lab; sourced. Every value can be set from outside.
K8SLAB_SRC=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
. "$K8SLAB_SRC/../lib.sh"
: "${K8SLAB_NAME:=lab}"             # a second cluster beside: another name
: "${KUBE_VERSION:=v1.37.2}"        # k8s.io/kubernetes; etcd comes in the version it requires
: "${K8SLAB_DIR:=$DRAWBRIDGE_CACHE/k8s/$K8SLAB_NAME}"             # state of this cluster
: "${K8SLAB_BIN:=$DRAWBRIDGE_CACHE/k8s/bin/$KUBE_VERSION}"        # built once for all clusters
: "${SERVICE_CIDR:=10.96.0.0/16}"
: "${AUDIT:=0}"                     # 1: audit log of every API call (log/audit.log)

RUN="$K8SLAB_DIR/run" LOG="$K8SLAB_DIR/log" pki="$K8SLAB_DIR/pki"
export PATH="$K8SLAB_BIN:$PATH" KUBECONFIG="$K8SLAB_DIR/kubeconfig"

BASE_PORTS=(26443 22379 22380 26257)
ports() { # after choose_offset
  local off
  off=$(cat "$K8SLAB_DIR/offset" 2>/dev/null || echo 0)
  : "${PORT_APISERVER:=$((26443 + off))}" "${PORT_ETCD:=$((22379 + off))}"
  : "${PORT_ETCD_PEER:=$((22380 + off))}" "${PORT_KCM:=$((26257 + off))}"
}
