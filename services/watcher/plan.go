package watcher

import (
	"fmt"
	"maps"
	"slices"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	networkingv1 "k8s.io/api/networking/v1"

	"drawbridge.dev/events"
	"drawbridge.dev/services/watcher/source"
	"drawbridge.dev/services/watcher/translate"
)

// Translation is what the manifests of a folder ask for.
type Translation struct {
	Wishes   []Wish
	Problems []Problem
}

// PathMatching is the annotation that says how an Ingress matches paths:
// kubernetes or raw-prefix.
const PathMatching = translate.AnnotationPathMatching

// Wish is what one object asks for, sealed as it would be published.
type Wish struct {
	Key       events.Key
	Cloud     string
	Where     string // file:line, the file relative to the folder
	Requested events.Requested
}

// Problem is one thing that is wrong in the folder.
type Problem struct {
	Key     events.Key // zero: the file cannot be read, see Message
	Where   string     // file:line; empty where Message has it
	Field   string     // of the object
	Message string
	// Refused: the object is not exposed at all because of its problems. A file
	// that cannot be read refuses all that it holds.
	Refused bool
}

// String is one line for people.
func (p Problem) String() string {
	if p.Where == "" {
		return p.Message
	}
	return fmt.Sprintf("%s: %s %s/%s: %s: %s", p.Where, p.Key.Kind, p.Key.Namespace, p.Key.Name, p.Field, p.Message)
}

// Translate reads a folder of manifests once and says what they ask for, in the
// order of the files. Only the cluster, cloud and class settings of cfg count.
// The error is that of a folder that cannot be read, or of cfg.
func Translate(folder string, cfg Config) (Translation, error) { return TranslateAs(folder, cfg, nil) }

// TranslateAs does it as if every object had these annotations too.
func TranslateAs(folder string, cfg Config, annotations map[string]string) (Translation, error) {
	cfg = cfg.Defaults()
	if err := cfg.Validate(); err != nil {
		return Translation{}, err
	}
	manifests, faults, err := source.ReadFolder(folder)
	if err != nil {
		return Translation{}, fmt.Errorf("translate: %w", err)
	}
	var out Translation
	for _, f := range faults {
		out.Problems = append(out.Problems, Problem{Message: f.Error(), Refused: true})
	}
	for i := range manifests {
		all := maps.Clone(manifests[i].Object.GetAnnotations())
		for k, v := range annotations {
			if all == nil {
				all = map[string]string{}
			}
			all[k] = v
		}
		manifests[i].Object.SetAnnotations(all)
	}
	known := inMemory(manifests)
	settings := cfg.settings()
	settings.SealedFor = nil // a plan needs no key
	for _, m := range manifests {
		k := events.Key{Cluster: cfg.Cluster, Kind: m.Kind, Namespace: m.Object.GetNamespace(), Name: m.Object.GetName()}
		r, there := known.translate(k, settings)
		if !there || !r.Asks {
			continue
		}
		if r.Wish != nil {
			out.Wishes = append(out.Wishes, Wish{Key: k, Cloud: r.Cloud, Where: m.Where(), Requested: *r.Wish})
		}
		for _, p := range r.Problems {
			out.Problems = append(out.Problems, Problem{Key: k, Where: m.Where(), Field: p.Field, Message: p.Message, Refused: r.Refused()})
		}
	}
	return out, nil
}

// inMemory are the objects of manifests.
func inMemory(manifests []source.Manifest) objects {
	byID := map[string]source.Object{}
	var nodes []*corev1.Node
	var classes []*networkingv1.IngressClass
	pods := map[string][]*discoveryv1.EndpointSlice{}
	for _, m := range manifests {
		byID[m.ID()] = m.Object
		switch o := m.Object.(type) {
		case *corev1.Node:
			nodes = append(nodes, o)
		case *networkingv1.IngressClass:
			classes = append(classes, o)
		case *discoveryv1.EndpointSlice:
			service := o.Namespace + "/" + o.Labels[discoveryv1.LabelServiceName]
			pods[service] = append(pods[service], o)
		}
	}
	ready := translate.Nodes(nodes)
	return objects{
		service: func(namespace, name string) *corev1.Service {
			o, _ := byID["Service/"+namespace+"/"+name].(*corev1.Service)
			return o
		},
		ingress: func(namespace, name string) *networkingv1.Ingress {
			o, _ := byID["Ingress/"+namespace+"/"+name].(*networkingv1.Ingress)
			return o
		},
		namespace: func(name string) *corev1.Namespace {
			o, _ := byID["Namespace//"+name].(*corev1.Namespace)
			return o
		},
		classes: func() []*networkingv1.IngressClass { return classes },
		nodes:   func() []translate.Node { return ready },
		endpoints: func(namespace, service string) ([]*discoveryv1.EndpointSlice, bool) {
			return pods[namespace+"/"+service], true
		},
		pairs: func(names map[string]string) map[string]translate.Pair {
			out := map[string]translate.Pair{}
			for by, n := range names {
				if s, there := byID["Secret/"+n].(*corev1.Secret); there && source.Certified(s) != nil {
					out[by] = pairOf(s)
				}
			}
			return out
		},
		standing: func(events.Key, string) []events.Certificate { return nil },
	}
}

// Annotations are all that are understood, for the documentation.
func Annotations() []translate.Annotation { return slices.Clone(translate.Annotations) }
