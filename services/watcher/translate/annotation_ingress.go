package translate

// Our own annotations of Ingresses alone.
const (
	AnnotationSSLRedirect     = Prefix + "ssl-redirect"
	AnnotationSSLRedirectCode = Prefix + "ssl-redirect-code"
	AnnotationHSTS            = Prefix + "hsts"
	AnnotationBackendProtocol = Prefix + "backend-protocol"
	AnnotationPathMatching    = Prefix + "path-matching"
)

// Names of the octavia-ingress-controller and of Kubernetes, read on Ingresses
// and their classes.
const (
	oicInternal             = "octavia.ingress.kubernetes.io/internal"
	oicKeepFloatingIP       = "octavia.ingress.kubernetes.io/keep-floatingip"
	oicFloatingIP           = "octavia.ingress.kubernetes.io/floatingip"
	oicSources              = "octavia.ingress.kubernetes.io/whitelist-source-range"
	oicTimeoutClientData    = "octavia.ingress.kubernetes.io/timeout-client-data"
	oicTimeoutMemberData    = "octavia.ingress.kubernetes.io/timeout-member-data"
	oicTimeoutMemberConnect = "octavia.ingress.kubernetes.io/timeout-member-connect"
	oicTimeoutTCPInspect    = "octavia.ingress.kubernetes.io/timeout-tcp-inspect"
	annotationIngressClass  = "kubernetes.io/ingress.class"
	annotationDefaultClass  = "ingressclass.kubernetes.io/is-default-class"
)

// ownIngressAnnotations are ours, read on Ingresses alone.
var ownIngressAnnotations = []Annotation{
	{Name: AnnotationSSLRedirect, Peer: Ours, Kinds: onlyIngress, Values: yesOrNo, Default: `true where spec.tls is; for the class "openstack" spec.tls is port 443 alone`, Means: "Requests at port 80 of the hosts that spec.tls covers are redirected to https. A wildcard, or every host, cannot be: its requests are refused there. With \"false\" port 80 serves what 443 serves."},
	{Name: AnnotationSSLRedirectCode, Peer: Ours, Kinds: onlyIngress, Values: "301, 302, 303, 307 or 308", Default: "308", Means: "Status of these redirects.", API: "2.9"},
	{Name: AnnotationHSTS, Peer: Ours, Kinds: onlyIngress, Values: `as the header has it: "max-age=31536000; includeSubDomains; preload", max-age in seconds`, Default: "none", Means: "The header Strict-Transport-Security of answers at port 443. Needs spec.tls.", API: "2.27"},
	{Name: AnnotationBackendProtocol, Peer: Ours, Kinds: onlyIngress, Values: "HTTP, HTTPS, PROXY or PROXYV2", Default: "HTTP; HTTPS for a port with appProtocol https, unless the class is \"openstack\"", Means: "What the members speak. HTTPS is without a look at their certificates, and needs API 2.8; PROXYV2 needs API 2.22."},
	{Name: AnnotationPathMatching, Peer: Ours, Kinds: onlyIngress, Values: `"kubernetes" or "raw-prefix"`, Default: `kubernetes; raw-prefix for the class "openstack"`, Means: "With raw-prefix every path, whatever its pathType, is a prefix of characters: /foo takes /foobar too, as the octavia-ingress-controller has it."},
}

// oicAnnotations are those of the octavia-ingress-controller 1.36.
var oicAnnotations = []Annotation{
	{Name: oicInternal, Peer: OIC, Kinds: onlyIngress, Values: yesOrNo, Default: `true for the class "openstack" of kubernetes.io/ingress.class, else false`, Means: "Internal only.", Own: AnnotationInternal},
	{Name: oicKeepFloatingIP, Peer: OIC, Kinds: onlyIngress, Values: yesOrNo, Default: "false", Means: "The floating IP stays when the Ingress goes.", Own: AnnotationKeepFloatingIP},
	{Name: oicFloatingIP, Peer: OIC, Kinds: onlyIngress, Values: "an IP address", Default: "one is made", Means: "A floating IP that stands. It is never deleted.", Own: AnnotationFloatingIP},
	{Name: oicSources, Peer: OIC, Kinds: onlyIngress, Values: cidrs, Default: "everywhere", Means: "Who may connect. Blanks do not matter.", Own: AnnotationAllowedSources, API: "2.12"},
	{Name: oicTimeoutClientData, Peer: OIC, Kinds: onlyIngress, Values: milliseconds, Default: cloudsOwn, Means: "Inactivity of a client. To take it away restores the cloud's.", Own: AnnotationTimeoutClientData, API: "2.1"},
	{Name: oicTimeoutMemberData, Peer: OIC, Kinds: onlyIngress, Values: milliseconds, Default: cloudsOwn, Means: "Inactivity of a member.", Own: AnnotationTimeoutMemberData, API: "2.1"},
	{Name: oicTimeoutMemberConnect, Peer: OIC, Kinds: onlyIngress, Values: milliseconds, Default: cloudsOwn, Means: "Connecting to a member.", Own: AnnotationTimeoutMemberConnect, API: "2.1"},
	{Name: oicTimeoutTCPInspect, Peer: OIC, Kinds: onlyIngress, Values: milliseconds, Default: cloudsOwn, Means: "Waiting for more of a connection to look at.", Own: AnnotationTimeoutTCPInspect, API: "2.1"},
}

// kubernetesAnnotations are those of Kubernetes.
var kubernetesAnnotations = []Annotation{
	{Name: annotationIngressClass, Peer: Kubernetes, Kinds: onlyIngress, Values: `"openstack", or the name of our class`, Default: "none", Means: "Chooses us for an Ingress without spec.ingressClassName."},
	{Name: annotationDefaultClass, Peer: Kubernetes, Kinds: []string{"IngressClass"}, Values: yesOrNo, Default: "false", Means: "Makes the class that of every Ingress that names none."},
}
