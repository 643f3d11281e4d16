// Package translate turns one Kubernetes object, with what it refers to, into
// the whole wish for its exposure. It is pure: the caller gathers the objects,
// and equal objects give an equal wish.
//
// # What is refused whole, and what in part
//
// What is written wrong in the object itself refuses it as a whole, as an API
// server would: an illegal host name or path, a port there twice, a value that
// an annotation does not have, two that contradict each other. There is no wish
// then, and the last one stays as it is.
//
// What is only missing beside the object is reported, and the rest of it is
// exposed: an Ingress may name a Service that is not there yet, or one without
// a nodePort. The route of that Service keeps its place and gets a backend
// without members, so that its requests are refused (503) and do not fall
// through to a wider route. A field that is understood and has no effect, such
// as the time-out of a session affinity of TCP, is reported in the same way.
//
// # TLS
//
// What asks for TLS does not end up in the clear. A certificate is checked before
// anything is asked for: that its Secret is there, of type kubernetes.io/tls, and
// can be read; that the key belongs to it; that it is valid at this time, and for
// every host of its entry in spec.tls. Where one of that is not so, what the last
// wish of the object has of that Secret stays in use, so that everything else
// about the object is followed, and the fault is told; where the last wish has
// none, the object is refused. That a certificate ends soon is told. A certificate
// of an entry without hosts, or of the class of the octavia-ingress-controller,
// may be of other hosts: that is told. Which port serves what is said at [edge].
//
// # What Kubernetes leaves open
//
//   - pathType ImplementationSpecific is Prefix; an empty path is "/". Of the class
//     of the octavia-ingress-controller every path is a prefix of characters.
//   - Of two equal (host, path, pathType) with different backends the first
//     counts, and the second is reported.
//   - A rule without paths sends its host to the default backend.
//   - externalTrafficPolicy Local works by the health monitor: it asks the
//     healthCheckNodePort, or, where a folder of manifests has none, the port
//     itself, at which kube-proxy drops connections of a node without a local pod.
//     UDP and SCTP need the former. Without a monitor it is refused, unless
//     EndpointSlices say which nodes have a pod (drawbridge.dev/members).
//   - An HTTP backend is checked by a TCP connection: an HTTP check would need a
//     path that answers 200, which an annotation may name.
//
// # Members
//
// Members are nodes, by NodePort, or pods. A node takes part if it is ready, not
// being deleted, not excluded by label, and has the labels of the node-selector.
// A cordoned one is left out, which drains it, while another can take its part;
// of a Service with externalTrafficPolicy Local it stays, because its pods serve
// until they are moved, which the check finds out. Of pods those take part that
// are ready; one that ends and still serves gets no new connections. A Service
// with no member at all is exposed with empty backends, and follows every other
// change.
//
// # Two profiles
//
// A Service without a class has what the OpenStack cloud controller manager gives
// it: no monitor but for Local, one family, and what the settings of that name
// say; one of our class has a monitor, and both of its families.
package translate

import (
	"fmt"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"drawbridge.dev/events"
)

// Names that objects refer to us by.
const (
	LoadBalancerClass  = "drawbridge.dev/octavia" // Service spec.loadBalancerClass
	IngressController  = "drawbridge.dev/ingress" // IngressClass spec.controller
	IngressClass       = "drawbridge"             // Ingress spec.ingressClassName, unless configured
	LegacyIngressClass = "openstack"              // kubernetes.io/ingress.class of the octavia-ingress-controller
)

// Settings are what holds for every object of a cluster.
type Settings struct {
	Cluster             string
	Cloud               string // where an object goes that names no cloud
	DefaultServiceClass bool   // take Services without a loadBalancerClass too
	IngressClass        string // name of the class that needs no IngressClass object
	// SealedFor are the clouds that keys of certificates can be sealed for; nil: all.
	SealedFor []string
	// DefaultTLSSecret is the Secret, as namespace/name, of an entry of an Ingress'
	// spec.tls that names none; empty: there is none.
	DefaultTLSSecret string
	NodeSelector     string // of the nodes that are members, as in drawbridge.dev/node-selector; empty: all
	KeepCordoned     bool   // cordoned nodes stay members; else they are drained
	Services         ServiceDefaults
}

// References is what an object may refer to.
type References struct {
	Nodes           []Node // see [Nodes]
	NamespaceLabels map[string]string
	Services        map[string]*corev1.Service   // of the object's namespace, by name; see [ServiceNames]
	IngressClasses  []*networkingv1.IngressClass // of the whole cluster
	Secrets         Secrets
	// Endpoints are the EndpointSlices of those of the Services that need them
	// ([NeedsEndpoints]), by the Service's name.
	Endpoints map[string][]*discoveryv1.EndpointSlice
}

// Result is the translation of one object.
type Result struct {
	Key   events.Key
	UID   string
	Cloud string // the place that the object asks for
	// Asks says whether the object asks us for exposure. Where it is false,
	// nothing of the object may stand.
	Asks bool
	// Wish is sealed. It is nil if the object does not ask, or if Problems
	// refuse it as a whole; the last wish stays then.
	Wish *events.Requested
	// Problems, at most [MaxProblems] and one that counts the rest.
	Problems []events.Problem
	// Again is when the result may become another one by time alone; zero: never.
	Again time.Time
}

// Refused says whether the problems refuse the object as a whole.
func (r Result) Refused() bool { return r.Asks && r.Wish == nil }

// MaxProblems is how many problems of one object are told one by one.
const MaxProblems = 20

// findings collects the problems of one object.
type findings struct {
	list    []events.Problem
	untold  int
	refused bool
	again   time.Time // see [Result.Again]
}

// note tells a problem, once.
func (f *findings) note(field, format string, args ...any) {
	if len(f.list) == MaxProblems {
		f.untold++
		return
	}
	if p := (events.Problem{Field: field, Message: fmt.Sprintf(format, args...)}); !slices.Contains(f.list, p) {
		f.list = append(f.list, p)
	}
}

// refuse notes a problem that leaves no wish.
func (f *findings) refuse(field, format string, args ...any) {
	f.refused = true
	f.note(field, format, args...)
}

func (f *findings) told() []events.Problem {
	if f.untold == 0 {
		return f.list
	}
	return append(slices.Clip(f.list), events.Problem{Field: "metadata.name",
		Message: fmt.Sprintf("%d problems more are not told one by one", f.untold)})
}

// begin fills what every result of an object that asks has.
func begin(kind string, m *metav1.ObjectMeta, s Settings) Result {
	return Result{Cloud: s.Cloud, UID: string(m.UID), Key: events.Key{Cluster: s.Cluster, Kind: kind, Namespace: m.Namespace, Name: m.Name}}
}

// finish seals the wish, unless something refuses it.
func finish(r Result, x events.Exposure, m *metav1.ObjectMeta, refs References, f *findings) Result {
	if !f.refused {
		x.Key, x.UID, x.Cloud = r.Key, r.UID, r.Cloud
		if err := x.Validate(); err != nil {
			f.refuse("exposure", "%v", err)
		} else {
			wish := events.Requested{Exposure: &x, Object: object(m, refs)}.Seal()
			r.Wish = &wish
		}
	}
	r.Problems, r.Again = f.told(), f.again
	return r
}

// Tombstone is the wish of an object that is gone or asks no more.
func Tombstone() events.Requested { return events.Requested{}.Seal() }

func object(m *metav1.ObjectMeta, refs References) events.Object {
	o := events.Object{Labels: m.Labels, NamespaceLabels: refs.NamespaceLabels}
	for name, value := range m.Annotations {
		if !Understood(name) {
			continue
		}
		if o.Annotations == nil {
			o.Annotations = map[string]string{}
		}
		o.Annotations[name] = value
	}
	return o
}
