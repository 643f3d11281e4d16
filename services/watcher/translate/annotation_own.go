package translate

// Our own annotations of Services and Ingresses.
const (
	AnnotationInternal       = Prefix + "internal"
	AnnotationCloud          = Prefix + "cloud"
	AnnotationFlavor         = Prefix + "flavor"
	AnnotationAllowedSources = Prefix + "allowed-sources"
	AnnotationGroup          = Prefix + "group"
	AnnotationTags           = Prefix + "tags"
	AnnotationProtection     = Prefix + "deletion-protection"
	AnnotationReplace        = Prefix + "replace"
	AnnotationLoadBalancer   = Prefix + "load-balancer"
	AnnotationHostname       = Prefix + "hostname"

	AnnotationClass             = Prefix + "class"
	AnnotationAvailabilityZone  = Prefix + "availability-zone"
	AnnotationNetwork           = Prefix + "network"
	AnnotationSubnet            = Prefix + "subnet"
	AnnotationPort              = Prefix + "port"
	AnnotationAddress           = Prefix + "address"
	AnnotationAdditionalSubnets = Prefix + "additional-subnets"
	AnnotationIPFamilies        = Prefix + "ip-families"
	AnnotationMemberSubnet      = Prefix + "member-subnet"

	AnnotationFloatingIP         = Prefix + "floating-ip"
	AnnotationKeepFloatingIP     = Prefix + "keep-floating-ip"
	AnnotationFloatingNetwork    = Prefix + "floating-network"
	AnnotationFloatingSubnet     = Prefix + "floating-subnet"
	AnnotationFloatingSubnetTags = Prefix + "floating-subnet-tags"

	AnnotationConnectionLimit      = Prefix + "connection-limit"
	AnnotationTimeoutClientData    = Prefix + "timeout-client-data"
	AnnotationTimeoutMemberConnect = Prefix + "timeout-member-connect"
	AnnotationTimeoutMemberData    = Prefix + "timeout-member-data"
	AnnotationTimeoutTCPInspect    = Prefix + "timeout-tcp-inspect"
	AnnotationTLSVersions          = Prefix + "tls-versions"
	AnnotationTLSCiphers           = Prefix + "tls-ciphers"

	AnnotationAlgorithm       = Prefix + "algorithm"
	AnnotationSessionAffinity = Prefix + "session-affinity"
	AnnotationMembers         = Prefix + "members"
	AnnotationNodeSelector    = Prefix + "node-selector"
	AnnotationDrainDelay      = Prefix + "drain-delay"

	AnnotationHealthMonitor  = Prefix + "health-monitor"
	AnnotationMonitorType    = Prefix + "health-monitor-type"
	AnnotationMonitorDelay   = Prefix + "health-monitor-delay"
	AnnotationMonitorTimeout = Prefix + "health-monitor-timeout"
	AnnotationMonitorRetries = Prefix + "health-monitor-max-retries"
	AnnotationMonitorDown    = Prefix + "health-monitor-max-retries-down"
	AnnotationMonitorMethod  = Prefix + "health-monitor-method"
	AnnotationMonitorPath    = Prefix + "health-monitor-path"
	AnnotationMonitorCodes   = Prefix + "health-monitor-codes"
	AnnotationMonitorHost    = Prefix + "health-monitor-host"
)

// What several annotations allow.
const (
	yesOrNo      = `"true" or "false"`
	cidrs        = "CIDRs, separated by commas"
	milliseconds = "milliseconds, 0 to 2073600000 (24 days)"
	cloudsOwn    = "the cloud's"
	executors    = "the executor's configuration"
)

// ownAnnotations are ours, of every kind.
var ownAnnotations = []Annotation{
	{Name: AnnotationInternal, Peer: Ours, Kinds: both, Values: yesOrNo, Default: `false; true for an Ingress of the class "openstack" of kubernetes.io/ingress.class`, Means: "Reachable at the load balancer's own address only: no floating IP."},
	{Name: AnnotationCloud, Peer: Ours, Kinds: both, Values: "the name of a configured cloud: letters, digits, '.', '_', '-'", Default: "the cloud configured for the cluster", Means: "The entry of clouds.yaml that carries the load balancer. A move builds at the new place before the old one is taken down."},
	{Name: AnnotationGroup, Peer: Ours, Kinds: both, Values: "lower case letters, digits, '-' and '.', at most 63", Default: "a load balancer of its own", Means: "Exposures of one cloud and group, of any namespace, share one load balancer and one floating IP. Policy must allow it; of two that claim the same port, or host and path, the older one has it. Time-outs, limits, headers, TLS settings and HSTS that only one of them names hold for all of its port; of several namespaces only the oldest exposure may name them (headers all may)."},
	{Name: AnnotationTags, Peer: Ours, Kinds: both, Values: "tags, separated by commas", Default: "none", Means: "Tags on the load balancer, for whoever pays.", API: "2.5"},
	{Name: AnnotationProtection, Peer: Ours, Kinds: both, Values: yesOrNo, Default: "false", Means: "What stands is kept when the object goes, until an operator removes it.", API: "2.5"},
	{Name: AnnotationReplace, Peer: Ours, Kinds: both, Values: yesOrNo, Default: "false", Means: "What Octavia cannot change (flavor, VIP, availability zone) is changed by a new load balancer beside the old one, to which the floating IP moves. Without it the change is told as \"needs recreate\"."},
	{Name: AnnotationLoadBalancer, Peer: Ours, Kinds: both, Values: "id of a load balancer", Default: "one is made", Means: "A load balancer that stands, which another made: only listeners and pools of ours are changed on it, and it is never deleted."},
	{Name: AnnotationHostname, Peer: Ours, Kinds: both, Values: "a host name", Default: "none", Means: "Published in status.loadBalancer instead of the address."},

	{Name: AnnotationClass, Peer: Ours, Kinds: both, Values: "name of a class of the executor's configuration", Default: "none", Means: "Fills what the annotations of networks and subnets leave open."},
	{Name: AnnotationFlavor, Peer: Ours, Kinds: both, Values: "name or id of an Octavia flavor", Default: "the executor's choice", Means: "The flavor of the load balancer, which sets its topology and size.", API: "2.6"},
	{Name: AnnotationAvailabilityZone, Peer: Ours, Kinds: both, Values: "name of an availability zone of Octavia", Default: executors, Means: "Where the load balancer runs.", API: "2.14"},
	{Name: AnnotationNetwork, Peer: Ours, Kinds: both, Values: "name or id", Default: executors, Means: "The network of the VIP."},
	{Name: AnnotationSubnet, Peer: Ours, Kinds: both, Values: "name or id", Default: executors, Means: "The subnet of the VIP; goes before the network."},
	{Name: AnnotationPort, Peer: Ours, Kinds: both, Values: "name or id", Default: "one is made", Means: "The Neutron port of the VIP; goes before the subnet."},
	{Name: AnnotationAddress, Peer: Ours, Kinds: both, Values: "an IP address", Default: "one is assigned", Means: "The address of the VIP."},
	{Name: AnnotationAdditionalSubnets, Peer: Ours, Kinds: both, Values: "names or ids, separated by commas", Default: "none", Means: "Subnets of further VIPs.", API: "2.26"},
	{Name: AnnotationIPFamilies, Peer: Ours, Kinds: both, Values: `"IPv4", "IPv6", "IPv4,IPv6" or "IPv6,IPv4"`, Default: "spec.ipFamilies of a Service of our class if it has two; otherwise what the subnet gives", Means: "The families of the VIP and of the additional one. Two need the API version.", API: "2.26"},
	{Name: AnnotationMemberSubnet, Peer: Ours, Kinds: both, Values: "name or id", Default: executors, Means: "The subnet through which members are reached."},

	{Name: AnnotationFloatingIP, Peer: Ours, Kinds: both, Values: "an IP address", Default: "one is made", Means: "A floating IP that stands and is bound to nothing. It is never deleted."},
	{Name: AnnotationKeepFloatingIP, Peer: Ours, Kinds: both, Values: yesOrNo, Default: "false", Means: "The floating IP stays when the exposure goes."},
	{Name: AnnotationFloatingNetwork, Peer: Ours, Kinds: both, Values: "name or id", Default: executors, Means: "The external network that the floating IP is taken from."},
	{Name: AnnotationFloatingSubnet, Peer: Ours, Kinds: both, Values: "id or name; a glob; \"~\" and a regular expression; \"!\" before either negates it", Default: executors, Means: "The subnet of the external network that the floating IP is taken from."},
	{Name: AnnotationFloatingSubnetTags, Peer: Ours, Kinds: both, Values: "tags, separated by commas: any of them; \"&\" before: all of them; \"!\" before: none of them", Default: executors, Means: "Tags of the subnet that the floating IP is taken from."},

	{Name: AnnotationAllowedSources, Peer: Ours, Kinds: both, Values: cidrs, Default: "everywhere", Means: "Who may connect. A Service whose spec.loadBalancerSourceRanges says otherwise is refused.", API: "2.12"},
	{Name: AnnotationConnectionLimit, Peer: Ours, Kinds: both, Values: "a number, -1 for none", Default: cloudsOwn, Means: "Connections that a listener has at a time."},
	{Name: AnnotationTimeoutClientData, Peer: Ours, Kinds: both, Values: milliseconds, Default: cloudsOwn, Means: "Inactivity of a client. To take it away restores the cloud's.", API: "2.1"},
	{Name: AnnotationTimeoutMemberConnect, Peer: Ours, Kinds: both, Values: milliseconds, Default: cloudsOwn, Means: "Connecting to a member.", API: "2.1"},
	{Name: AnnotationTimeoutMemberData, Peer: Ours, Kinds: both, Values: milliseconds, Default: cloudsOwn, Means: "Inactivity of a member.", API: "2.1"},
	{Name: AnnotationTimeoutTCPInspect, Peer: Ours, Kinds: both, Values: milliseconds, Default: cloudsOwn, Means: "Waiting for more of a connection to look at.", API: "2.1"},
	{Name: AnnotationTLSVersions, Peer: Ours, Kinds: both, Values: "TLSv1, TLSv1.1, TLSv1.2, TLSv1.3, separated by commas", Default: cloudsOwn, Means: "Versions of TLS that clients may speak.", API: "2.17"},
	{Name: AnnotationTLSCiphers, Peer: Ours, Kinds: both, Values: "OpenSSL's names, separated by colons", Default: cloudsOwn, Means: "Ciphers of TLS.", API: "2.15"},

	{Name: AnnotationAlgorithm, Peer: Ours, Kinds: both, Values: "ROUND_ROBIN, LEAST_CONNECTIONS, SOURCE_IP or SOURCE_IP_PORT", Default: "for a Service the watcher's services.lb-method; else the driver's first", Means: "How a member is chosen. SOURCE_IP_PORT is OVN's, and needs API 2.13."},
	{Name: AnnotationSessionAffinity, Peer: Ours, Kinds: both, Values: `"none", "source-ip", "http-cookie" or "app-cookie:" and the cookie's name; on a Service also by port, such as "443=http-cookie,53=none"`, Default: "spec.sessionAffinity of a Service, else none", Means: "A client goes to the member that served it before. Cookies need ports of HTTP or TERMINATED_HTTPS."},
	{Name: AnnotationMembers, Peer: Ours, Kinds: both, Values: `"nodes", "nodes-with-pods" or "pods"`, Default: "nodes; pods for a Service with spec.allocateLoadBalancerNodePorts false", Means: "What the load balancer sends to: every node by its NodePort; only nodes that have a ready pod; or the pods' own addresses, which must be routed. Pods that end take no new connections."},
	{Name: AnnotationNodeSelector, Peer: Ours, Kinds: both, Values: `labels, such as "pool=edge,public", separated by commas`, Default: "the watcher's node-selector", Means: "Only nodes with all of these labels are members."},
	{Name: AnnotationDrainDelay, Peer: Ours, Kinds: both, Values: `seconds, 0 to 86400, or a duration such as "90s"`, Default: "the executor's drain-delay", Means: "A member that goes gets no new connections for so long, and is then removed."},

	{Name: AnnotationHealthMonitor, Peer: Ours, Kinds: both, Values: yesOrNo, Default: "true for our class; false for a Service without a class, unless it has externalTrafficPolicy Local, and for the Ingress class \"openstack\"", Means: "Health checks of every member."},
	{Name: AnnotationMonitorType, Peer: Ours, Kinds: both, Values: "TCP, HTTP, HTTPS, TLS-HELLO, PING, SCTP or UDP-CONNECT; on a Service also by port, such as \"80=HTTP,53/UDP=UDP-CONNECT\"", Default: "HTTP where a path, codes, a method or a host is given; HTTP at the healthCheckNodePort for externalTrafficPolicy Local; else UDP-CONNECT for UDP, SCTP for SCTP, TCP", Means: "Kind of the checks. HTTP and TCP for UDP ports need API 2.16."},
	{Name: AnnotationMonitorDelay, Peer: Ours, Kinds: both, Values: "seconds, 1 to 86400", Default: "5", Means: "Between two checks."},
	{Name: AnnotationMonitorTimeout, Peer: Ours, Kinds: both, Values: "seconds, less than the delay", Default: "3", Means: "For one check."},
	{Name: AnnotationMonitorRetries, Peer: Ours, Kinds: both, Values: "1 to 10", Default: "1", Means: "Good checks until a member is up."},
	{Name: AnnotationMonitorDown, Peer: Ours, Kinds: both, Values: "1 to 10", Default: "3", Means: "Failed checks until a member is down."},
	{Name: AnnotationMonitorMethod, Peer: Ours, Kinds: both, Values: "a method of HTTP", Default: "GET", Means: "Method of HTTP checks."},
	{Name: AnnotationMonitorPath, Peer: Ours, Kinds: both, Values: "an absolute path", Default: "/", Means: "Path of HTTP checks."},
	{Name: AnnotationMonitorCodes, Peer: Ours, Kinds: both, Values: "of the forms 200, 200,204 and 200-299", Default: "200", Means: "Answers to HTTP checks that are good."},
	{Name: AnnotationMonitorHost, Peer: Ours, Kinds: both, Values: "a host name", Default: "none", Means: "Header Host of HTTP checks.", API: "2.10"},
}

// Our own annotations of Services alone.
const (
	AnnotationPortProtocols    = Prefix + "port-protocols"
	AnnotationProxyProtocol    = Prefix + "proxy-protocol"
	AnnotationForwardedHeaders = Prefix + "forwarded-headers"
	AnnotationTLSSecrets       = Prefix + "tls-secrets"
	AnnotationTLSContainer     = Prefix + "tls-container"
)

// ownServiceAnnotations are ours, read on Services, except for
// forwarded-headers, which is read on both.
var ownServiceAnnotations = []Annotation{
	{Name: AnnotationPortProtocols, Peer: Ours, Kinds: onlyService, Values: `by port, such as "443=TERMINATED_HTTPS,80=HTTP,53/UDP=UDP": a port is a name or a number of spec.ports, with its protocol if it is there in several; TCP, HTTP, TERMINATED_HTTPS, UDP, SCTP`, Default: "the port's own protocol; HTTP and TERMINATED_HTTPS where forwarded-headers, tls-secrets or tls-container name the port", Means: "What the load balancer speaks at a port."},
	{Name: AnnotationProxyProtocol, Peer: Ours, Kinds: onlyService, Values: `"v1", "v2" or "none"; also by port, such as "443=v2"`, Default: "none", Means: "Members hear the client's address by the PROXY protocol. Ports of UDP and SCTP have none. v2 needs the API version.", API: "2.22"},
	{Name: AnnotationForwardedHeaders, Peer: Ours, Kinds: both, Values: `"X-Forwarded-For", "X-Forwarded-Port", "X-Forwarded-Proto", separated by commas, or "none"; on a Service also by port, such as "80=X-Forwarded-For"`, Default: "none for a Service and for the Ingress class \"openstack\", all three for an Ingress of our class", Means: "Headers that are added to requests; the ports are of HTTP or TERMINATED_HTTPS then."},
	{Name: AnnotationTLSSecrets, Peer: Ours, Kinds: onlyService, Values: `names of Secrets of the namespace, separated by commas, the first for clients that name no host; also by port, such as "443=web,443=api,8443=admin"`, Default: "none", Means: "Certificates of the ports that end TLS: those named, or those of TERMINATED_HTTPS, or where there are none those with appProtocol https, or port 443."},
	{Name: AnnotationTLSContainer, Peer: Ours, Kinds: onlyService, Values: `URL of a container or secret of the key manager; also by port, such as "443=https://..."`, Default: "none", Means: "As tls-secrets, of a certificate that another put into the key manager."},
}
