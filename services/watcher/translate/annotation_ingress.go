package translate

// Names of the octavia-ingress-controller and of Kubernetes, read on Ingresses
// and their classes.
const (
	annotationIngressInternal = "octavia.ingress.kubernetes.io/internal"
	annotationIngressSources  = "octavia.ingress.kubernetes.io/whitelist-source-range"
	annotationIngressClass    = "kubernetes.io/ingress.class"
	annotationDefaultClass    = "ingressclass.kubernetes.io/is-default-class"
)

// ownIngressAnnotations are ours, read on Ingresses alone.
var ownIngressAnnotations = []Annotation{}

// oicAnnotations are those of the octavia-ingress-controller 1.36.
var oicAnnotations = []Annotation{
	{Name: annotationIngressInternal, Peer: OIC, Kinds: onlyIngress, Values: yesOrNo, Default: `true for the class "openstack" of kubernetes.io/ingress.class, else false`, Means: "Internal only.", Own: AnnotationInternal},
	{Name: annotationIngressSources, Peer: OIC, Kinds: onlyIngress, Values: cidrs, Default: "everywhere", Means: "Who may connect.", Own: AnnotationAllowedSources, API: "2.12"},
}

// kubernetesAnnotations are those of Kubernetes.
var kubernetesAnnotations = []Annotation{
	{Name: annotationIngressClass, Peer: Kubernetes, Kinds: onlyIngress, Values: `"openstack", or the name of our class`, Default: "none", Means: "Chooses us for an Ingress without spec.ingressClassName."},
	{Name: annotationDefaultClass, Peer: Kubernetes, Kinds: []string{"IngressClass"}, Values: yesOrNo, Default: "false", Means: "Makes the class that of every Ingress that names none."},
}
