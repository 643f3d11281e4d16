#!/bin/bash
# Starts etcd, kube-apiserver and kube-controller-manager on loopback and writes a
# kubeconfig. Idempotent: what runs is left alone. Settings: env.sh.
set -euo pipefail
. "$(dirname "$0")/env.sh"
packages openssl curl
"$K8SLAB_SRC/build.sh"
lock "$K8SLAB_DIR.lock"
forget_strangers
choose_offset "$K8SLAB_DIR/offset" "${BASE_PORTS[@]}"
ports
api="https://127.0.0.1:$PORT_APISERVER"
SECONDS=0

# --- certificates -------------------------------------------------------------
key() { openssl ecparam -name prime256v1 -genkey -noout -out "$pki/$1.key"; }
cert() { # NAME SUBJECT USAGE [SAN]
  key "$1"
  openssl req -new -key "$pki/$1.key" -subj "$2" -out "$pki/$1.csr"
  openssl x509 -req -in "$pki/$1.csr" -CA "$pki/ca.crt" -CAkey "$pki/ca.key" -CAcreateserial -days 3650 \
    -out "$pki/$1.crt" -extfile <(printf 'keyUsage=critical,digitalSignature,keyEncipherment\nextendedKeyUsage=%s\n%s\n' \
      "$3" "${4:+subjectAltName=$4}") 2>/dev/null
}
kubeconfig() { # USER FILE
  (umask 077 && cat >"$2.new" <<Y && mv "$2.new" "$2"
apiVersion: v1
kind: Config
current-context: lab
clusters: [{name: lab, cluster: {server: "$api", certificate-authority-data: $(base64 -w0 "$pki/ca.crt")}}]
users: [{name: $1, user: {client-certificate-data: $(base64 -w0 "$pki/$1.crt"), client-key-data: $(base64 -w0 "$pki/$1.key")}}]
contexts: [{name: lab, context: {cluster: lab, user: $1}}]
Y
  )
}
if [ ! -s "$pki/done" ]; then
  mkdir -p "$pki"
  chmod 700 "$pki"
  key ca
  openssl req -x509 -new -key "$pki/ca.key" -subj "/CN=drawbridge lab $K8SLAB_NAME" -days 3650 -out "$pki/ca.crt" \
    -addext keyUsage=critical,keyCertSign,cRLSign,digitalSignature
  cert apiserver /CN=kube-apiserver serverAuth \
    "IP:127.0.0.1,IP:${SERVICE_CIDR%.*}.1,DNS:localhost,DNS:kubernetes,DNS:kubernetes.default,DNS:kubernetes.default.svc"
  cert admin /O=system:masters/CN=admin clientAuth
  cert kube-controller-manager /CN=system:kube-controller-manager clientAuth
  openssl genrsa -out "$pki/sa.key" 2048 2>/dev/null
  openssl rsa -in "$pki/sa.key" -pubout -out "$pki/sa.pub" 2>/dev/null
  echo done >"$pki/done"
fi
kubeconfig admin "$KUBECONFIG"
kubeconfig kube-controller-manager "$RUN/kcm.kubeconfig"

# --- processes ----------------------------------------------------------------
etcd="http://127.0.0.1:$PORT_ETCD" peer="http://127.0.0.1:$PORT_ETCD_PEER"
start etcd "$K8SLAB_BIN/etcd" --data-dir="$K8SLAB_DIR/etcd" --name=lab --unsafe-no-fsync --log-level=warn \
  --listen-client-urls="$etcd" --advertise-client-urls="$etcd" \
  --listen-peer-urls="$peer" --initial-advertise-peer-urls="$peer" --initial-cluster="lab=$peer"
wait_for etcd 60 curl -fsS -m 2 "$etcd/health"

extra=()
if [ "$AUDIT" = 1 ]; then
  printf 'apiVersion: audit.k8s.io/v1\nkind: Policy\nomitStages: [RequestReceived]\nrules:\n- level: Metadata\n' >"$RUN/audit.yaml"
  extra+=(--audit-policy-file="$RUN/audit.yaml" --audit-log-path="$LOG/audit.log")
fi
# A loopback address can be advertised only when no endpoints are written for it.
start kube-apiserver "$K8SLAB_BIN/kube-apiserver" --etcd-servers="$etcd" \
  --bind-address=127.0.0.1 --advertise-address=127.0.0.1 --secure-port="$PORT_APISERVER" --endpoint-reconciler-type=none \
  --tls-cert-file="$pki/apiserver.crt" --tls-private-key-file="$pki/apiserver.key" --client-ca-file="$pki/ca.crt" \
  --service-account-issuer=https://kubernetes.default.svc --service-account-key-file="$pki/sa.pub" \
  --service-account-signing-key-file="$pki/sa.key" --service-cluster-ip-range="$SERVICE_CIDR" \
  --authorization-mode=Node,RBAC --allow-privileged "${extra[@]}"
wait_for kube-apiserver 180 curl -fsS -m 2 --cacert "$pki/ca.crt" --cert "$pki/admin.crt" --key "$pki/admin.key" "$api/readyz"

# No kubelet renews a lease here: the node lifecycle controller would turn nodes that
# are made by hand to NotReady, and evict what is on them.
start kube-controller-manager "$K8SLAB_BIN/kube-controller-manager" --kubeconfig="$RUN/kcm.kubeconfig" \
  --controllers='*,-node-lifecycle-controller,-taint-eviction-controller,-device-taint-eviction-controller' \
  --leader-elect=false --bind-address=127.0.0.1 --secure-port="$PORT_KCM" --use-service-account-credentials \
  --service-account-private-key-file="$pki/sa.key" --root-ca-file="$pki/ca.crt" \
  --cluster-signing-cert-file="$pki/ca.crt" --cluster-signing-key-file="$pki/ca.key" \
  --authentication-skip-lookup --flex-volume-plugin-dir="$RUN/flex"
wait_for kube-controller-manager 90 kubectl -n default get serviceaccount default
say "Kubernetes lab $K8SLAB_NAME up after $SECONDS s: $api ($KUBE_VERSION), $(rss) MiB resident"
