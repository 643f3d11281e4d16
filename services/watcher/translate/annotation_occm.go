package translate

// Names of the OpenStack cloud controller manager, read on Services.
const (
	annotationServiceInternal = "service.beta.kubernetes.io/openstack-internal-load-balancer"
	annotationServiceSources  = "service.beta.kubernetes.io/load-balancer-source-ranges"

	occmPrefix             = "loadbalancer.openstack.org/"
	occmFloatingNetwork    = occmPrefix + "floating-network-id"
	occmFloatingSubnet     = occmPrefix + "floating-subnet"
	occmFloatingSubnetID   = occmPrefix + "floating-subnet-id"
	occmFloatingSubnetTags = occmPrefix + "floating-subnet-tags"
	occmClass              = occmPrefix + "class"
	occmSubnet             = occmPrefix + "subnet-id"
	occmNetwork            = occmPrefix + "network-id"
	occmPort               = occmPrefix + "port-id"
	occmMemberSubnet       = occmPrefix + "member-subnet-id"
	occmConnectionLimit    = occmPrefix + "connection-limit"
	occmKeepFloatingIP     = occmPrefix + "keep-floatingip"
	occmProxyProtocol      = occmPrefix + "proxy-protocol"
	occmForwardedFor       = occmPrefix + "x-forwarded-for"
	occmAlgorithm          = occmPrefix + "lb-method"
	occmClientData         = occmPrefix + "timeout-client-data"
	occmMemberConnect      = occmPrefix + "timeout-member-connect"
	occmMemberData         = occmPrefix + "timeout-member-data"
	occmTCPInspect         = occmPrefix + "timeout-tcp-inspect"
	occmMonitor            = occmPrefix + "enable-health-monitor"
	occmMonitorDelay       = occmPrefix + "health-monitor-delay"
	occmMonitorTimeout     = occmPrefix + "health-monitor-timeout"
	occmMonitorRetries     = occmPrefix + "health-monitor-max-retries"
	occmMonitorDown        = occmPrefix + "health-monitor-max-retries-down"
	occmFlavor             = occmPrefix + "flavor-id"
	occmAvailabilityZone   = occmPrefix + "availability-zone"
	occmTLSContainer       = occmPrefix + "default-tls-container-ref"
	occmLoadBalancer       = occmPrefix + "load-balancer-id"
	occmAddress            = occmPrefix + "load-balancer-address"
	occmHostname           = occmPrefix + "hostname"
	occmNodeSelector       = occmPrefix + "node-selector"
)

// occmAnnotations are those of the OpenStack cloud controller manager 1.36.
// What that reads only when it creates a load balancer may change later too.
var occmAnnotations = []Annotation{
	{Name: annotationServiceInternal, Peer: OCCM, Kinds: onlyService, Values: yesOrNo, Default: "false", Means: "Internal only.", Own: AnnotationInternal},
	{Name: annotationServiceSources, Peer: OCCM, Kinds: onlyService, Values: cidrs, Default: "everywhere", Means: "Who may connect. spec.loadBalancerSourceRanges goes before it.", Own: AnnotationAllowedSources, API: "2.12"},
	{Name: occmFloatingNetwork, Peer: OCCM, Kinds: onlyService, Values: "id or name", Default: executors, Means: "The external network of the floating IP.", Own: AnnotationFloatingNetwork},
	{Name: occmFloatingSubnet, Peer: OCCM, Kinds: onlyService, Values: "name, glob, \"~\" and a regular expression; \"!\" before either negates it", Default: executors, Means: "The subnet of the floating IP; has no effect beside floating-subnet-id.", Own: AnnotationFloatingSubnet},
	{Name: occmFloatingSubnetID, Peer: OCCM, Kinds: onlyService, Values: "id", Default: executors, Means: "The subnet of the floating IP; goes before floating-subnet and floating-subnet-tags.", Own: AnnotationFloatingSubnet},
	{Name: occmFloatingSubnetTags, Peer: OCCM, Kinds: onlyService, Values: "tags, separated by commas: any of them; \"&\" before: all of them; \"!\" before: none of them", Default: executors, Means: "Tags of the subnet of the floating IP.", Own: AnnotationFloatingSubnetTags},
	{Name: occmClass, Peer: OCCM, Kinds: onlyService, Values: "name of a class of the executor's configuration", Default: "none", Means: "Networks and subnets by name of a class.", Own: AnnotationClass},
	{Name: occmSubnet, Peer: OCCM, Kinds: onlyService, Values: "id or name", Default: executors, Means: "The subnet of the VIP.", Own: AnnotationSubnet},
	{Name: occmNetwork, Peer: OCCM, Kinds: onlyService, Values: "id or name", Default: executors, Means: "The network of the VIP.", Own: AnnotationNetwork},
	{Name: occmPort, Peer: OCCM, Kinds: onlyService, Values: "id or name", Default: "one is made", Means: "The port of the VIP.", Own: AnnotationPort},
	{Name: occmMemberSubnet, Peer: OCCM, Kinds: onlyService, Values: "id or name", Default: executors, Means: "The subnet through which members are reached.", Own: AnnotationMemberSubnet},
	{Name: occmConnectionLimit, Peer: OCCM, Kinds: onlyService, Values: "a number, -1 for none", Default: "the cloud's, which is -1", Means: "Connections of a listener at a time.", Own: AnnotationConnectionLimit},
	{Name: occmKeepFloatingIP, Peer: OCCM, Kinds: onlyService, Values: yesOrNo, Default: "false", Means: "The floating IP stays when the Service goes.", Own: AnnotationKeepFloatingIP},
	{Name: occmProxyProtocol, Peer: OCCM, Kinds: onlyService, Values: `"true" or "v1", "v2", "false"`, Default: "false", Means: "The PROXY protocol, on every TCP port; not together with x-forwarded-for.", Own: AnnotationProxyProtocol},
	{Name: occmForwardedFor, Peer: OCCM, Kinds: onlyService, Values: yesOrNo, Default: "false", Means: "X-Forwarded-For on every TCP port, which is one of HTTP then, unless drawbridge.dev/port-protocols says otherwise.", Own: AnnotationForwardedHeaders},
	{Name: occmAlgorithm, Peer: OCCM, Kinds: onlyService, Values: "ROUND_ROBIN, LEAST_CONNECTIONS, SOURCE_IP or SOURCE_IP_PORT", Default: "the watcher's services.lb-method", Means: "How a member is chosen.", Own: AnnotationAlgorithm},
	{Name: occmClientData, Peer: OCCM, Kinds: onlyService, Values: milliseconds, Default: cloudsOwn, Means: "Inactivity of a client.", Own: AnnotationTimeoutClientData, API: "2.1"},
	{Name: occmMemberConnect, Peer: OCCM, Kinds: onlyService, Values: milliseconds, Default: cloudsOwn, Means: "Connecting to a member.", Own: AnnotationTimeoutMemberConnect, API: "2.1"},
	{Name: occmMemberData, Peer: OCCM, Kinds: onlyService, Values: milliseconds, Default: cloudsOwn, Means: "Inactivity of a member.", Own: AnnotationTimeoutMemberData, API: "2.1"},
	{Name: occmTCPInspect, Peer: OCCM, Kinds: onlyService, Values: milliseconds, Default: cloudsOwn, Means: "Waiting for more of a connection to look at.", Own: AnnotationTimeoutTCPInspect, API: "2.1"},
	{Name: occmMonitor, Peer: OCCM, Kinds: onlyService, Values: yesOrNo, Default: "the watcher's services.create-monitor; true for externalTrafficPolicy Local", Means: "Health checks.", Own: AnnotationHealthMonitor},
	{Name: occmMonitorDelay, Peer: OCCM, Kinds: onlyService, Values: "seconds, 1 to 86400", Default: "5", Means: "Between two checks.", Own: AnnotationMonitorDelay},
	{Name: occmMonitorTimeout, Peer: OCCM, Kinds: onlyService, Values: "seconds, less than the delay", Default: "3", Means: "For one check.", Own: AnnotationMonitorTimeout},
	{Name: occmMonitorRetries, Peer: OCCM, Kinds: onlyService, Values: "1 to 10", Default: "1", Means: "Good checks until a member is up.", Own: AnnotationMonitorRetries},
	{Name: occmMonitorDown, Peer: OCCM, Kinds: onlyService, Values: "1 to 10", Default: "3", Means: "Failed checks until a member is down.", Own: AnnotationMonitorDown},
	{Name: occmFlavor, Peer: OCCM, Kinds: onlyService, Values: "id or name", Default: executors, Means: "The flavor of the load balancer.", Own: AnnotationFlavor, API: "2.6"},
	{Name: occmAvailabilityZone, Peer: OCCM, Kinds: onlyService, Values: "a name", Default: executors, Means: "Where the load balancer runs.", Own: AnnotationAvailabilityZone, API: "2.14"},
	{Name: occmTLSContainer, Peer: OCCM, Kinds: onlyService, Values: "URL of a container or secret of the key manager", Default: "the watcher's services.default-tls-container-ref", Means: "Every TCP port ends TLS with it, unless drawbridge.dev/port-protocols says otherwise.", Own: AnnotationTLSContainer},
	{Name: occmLoadBalancer, Peer: OCCM, Kinds: onlyService, Values: "id of a load balancer", Default: "one is made", Means: "A load balancer that stands, to be shared. Beside load-balancer-address it has no effect: OCCM writes both to every Service that it serves, for people to read. To go on sharing one, write drawbridge.dev/load-balancer.", Own: AnnotationLoadBalancer},
	{Name: occmAddress, Peer: OCCM, Kinds: onlyService, Values: "an IP address", Default: "one is assigned", Means: "A given address, as spec.loadBalancerIP. Beside load-balancer-id it has no effect."},
	{Name: occmHostname, Peer: OCCM, Kinds: onlyService, Values: "a host name", Default: "none", Means: "Published instead of the address.", Own: AnnotationHostname},
	{Name: occmNodeSelector, Peer: OCCM, Kinds: onlyService, Values: `labels, such as "pool=edge,public"`, Default: "the watcher's node-selector", Means: "Only nodes with all of these labels are members.", Own: AnnotationNodeSelector},
}
