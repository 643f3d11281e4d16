package translate

// peerOption is a setting of a peer, and what it is here.
type peerOption struct {
	name, otherwise string // there, and its default there
	here            string // our setting, or what takes its place
}

// occmOptions are the section [LoadBalancer] of OCCM 1.36.
var occmOptions = []peerOption{
	{"enabled", "true", "`watcher.default-service-class` takes Services without a class"},
	{"lb-version", "v2", "Octavia is all there is"},
	{"lb-provider", "amphora", "`executor.provider`"},
	{"lb-method", "ROUND_ROBIN", "`watcher.services.lb-method`; empty is the driver's first, which is ROUND_ROBIN, or SOURCE_IP_PORT of OVN"},
	{"subnet-id, network-id", "none", "`executor.vip-subnet`, `executor.vip-network`"},
	{"member-subnet-id", "subnet-id", "`executor.member-subnet`"},
	{"floating-network-id", "the external network", "`executor.floating-network`"},
	{"floating-subnet, -id, -tags", "none", "`executor.floating-subnet` (id, name or pattern), `executor.floating-subnet-tags`"},
	{"[LoadBalancerClass \"x\"]", "none", "`executor.classes`"},
	{"create-monitor", "false", "`watcher.services.create-monitor`"},
	{"monitor-delay, monitor-timeout", "5s, 3s", "`watcher.services.monitor-delay`, `watcher.services.monitor-timeout`"},
	{"monitor-max-retries, monitor-max-retries-down", "1, 3", "`watcher.services.monitor-max-retries`, `watcher.services.monitor-max-retries-down`"},
	{"internal-lb", "false", "`watcher.services.internal-lb`"},
	{"node-selector", "none", "`watcher.node-selector`"},
	{"flavor-id, availability-zone", "none", "`executor.flavor`, `executor.availability-zone`"},
	{"default-tls-container-ref", "none", "`watcher.services.default-tls-container-ref`"},
	{"enable-ingress-hostname, ingress-hostname-suffix", "false, nip.io", "`watcher.services.enable-ingress-hostname`, `watcher.services.ingress-hostname-suffix`"},
	{"manage-security-groups", "false", "`executor.manage-security-groups`"},
	{"provider-requires-serial-api-calls", "false", "`executor.create`: stepwise; auto finds out by itself"},
	{"cascade-delete", "true", "always so"},
	{"max-shared-lb", "2", "groups (`" + AnnotationGroup + "`) have no such limit; policy says who may join"},
	{"container-store", "barbican", "the cloud's key manager"},
	{"--cluster-name", "kubernetes", "`watcher.cluster`; for load balancers that OCCM made, `executor.peer-clusters`"},
}

// oicOptions are the configuration of OIC 1.36, but for how it reaches
// Kubernetes and the cloud.
var oicOptions = []peerOption{
	{"cluster-name", "must be set", "`watcher.cluster`; for load balancers that OIC made, `executor.peer-clusters`"},
	{"octavia.provider", "the cloud's", "`executor.provider`"},
	{"octavia.subnet-id", "must be set", "`executor.vip-subnet`, `executor.member-subnet`"},
	{"octavia.floating-network-id", "none: no floating IP", "`executor.floating-network`"},
	{"octavia.manage-security-groups", "false", "`executor.manage-security-groups`"},
	{"octavia.flavor-id", "none", "`executor.flavor`"},
	{"octavia.provider-requires-serial-api-calls", "false", "`executor.create`: stepwise; auto finds out by itself"},
}
