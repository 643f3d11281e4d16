package translate

import (
	"fmt"
	"reflect"
	"slices"
	"strings"

	"drawbridge.dev/events"
)

// Prefix begins our own annotations.
const Prefix = "drawbridge.dev/"

// Peer is whose name an annotation is.
type Peer string

// Peers. OCCM is the OpenStack cloud controller manager, OIC the
// octavia-ingress-controller.
const (
	Ours       Peer = "drawbridge"
	OCCM       Peer = "OCCM"
	OIC        Peer = "OIC"
	Kubernetes Peer = "Kubernetes"
)

// olderPrefixes begin the annotations of the controllers that our users come
// from. One that is not in the table below is reported, as it has no effect.
var olderPrefixes = []string{"loadbalancer.openstack.org/", "octavia.ingress.kubernetes.io/"}

// Annotation documents one annotation. One of a peer with a blank value counts
// as not there, but for those that say who may connect.
type Annotation struct {
	Name    string
	Peer    Peer
	Kinds   []string // of the objects that it is read on
	Values  string   // what is allowed
	Default string   // what holds without it
	Means   string
	Own     string // our name of the same setting, for one of a peer; empty: there is none. Two names with different values refuse the object
	API     string // first minor version of Octavia's API that it needs; empty: any
}

var (
	both        = []string{events.KindService, events.KindIngress}
	onlyService = []string{events.KindService}
	onlyIngress = []string{events.KindIngress}
)

// Annotations is the table of all that are understood, for the documentation
// and for messages.
var Annotations = slices.Concat(ownAnnotations, ownServiceAnnotations, ownIngressAnnotations, occmAnnotations, oicAnnotations, kubernetesAnnotations)

// documented are the annotations by name.
var documented = func() map[string]Annotation {
	out := make(map[string]Annotation, len(Annotations))
	for _, a := range Annotations {
		out[a.Name] = a
	}
	return out
}()

// Understood says whether an annotation is read, or reported as unknown. The
// others need not be kept.
func Understood(name string) bool {
	_, known := documented[name]
	return known || strings.HasPrefix(name, Prefix) || older(name)
}

func older(name string) bool {
	return slices.ContainsFunc(olderPrefixes, func(p string) bool { return strings.HasPrefix(name, p) })
}

// annotated reads the annotations of one object.
type annotated struct {
	kind   string
	values map[string]string
	found  *findings
}

func field(annotation string) string { return "metadata.annotations[" + annotation + "]" }

// unknown reports what looks like an annotation for us and is none. One with
// our own prefix refuses the object: a slip in drawbridge.dev/internal must not
// make it public.
func (a annotated) unknown() {
	for _, name := range sortedKeys(a.values) {
		known, there := documented[name]
		switch {
		case there && slices.Contains(known.Kinds, a.kind):
		case strings.HasPrefix(name, Prefix):
			a.found.refuse(field(name), "is not known for this kind, %s; nearest is %s; deploy/annotations.md has all", a.kind, nearest(name, a.kind))
		case older(name):
			a.found.note(field(name), "has no effect on this kind, %s: remove it, or keep it for the controller that reads it", a.kind)
		}
	}
}

// nearest is the one of our annotations of a kind that is written most alike.
func nearest(name, kind string) (best string) {
	least := 0
	for _, k := range Annotations {
		if k.Peer != Ours || !slices.Contains(k.Kinds, kind) {
			continue
		}
		if d := distance(name, k.Name); best == "" || d < least {
			best, least = k.Name, d
		}
	}
	return best
}

// distance is how many bytes must be put in, left out or changed to make b of a
// (Levenshtein).
func distance(a, b string) int {
	const most = 100 // of a name that is longer the beginning is enough
	a, b = a[:min(len(a), most)], b[:min(len(b), most)]
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		before := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := before
			if a[i] != b[j] {
				cost = 1 + min(before, row[j], row[j+1])
			}
			before, row[j+1] = row[j+1], cost
		}
	}
	return row[len(b)]
}

// read gives what the annotations of one setting say, which are its names, our
// own first: parse reads each that is there, and what it refuses is reported.
// Two that say different things refuse the object, both named. The name is that
// of the first that is there; empty: none is, and otherwise holds.
func read[T any](a annotated, otherwise T, parse func(string) (T, error), names ...string) (T, string) {
	out, by := otherwise, ""
	for _, name := range names {
		s, there := a.values[name]
		if !there || blank(name, s) {
			continue
		}
		v, err := parse(s)
		switch {
		case err != nil:
			a.found.refuse(field(name), "%v", err)
		case by == "":
			out, by = v, name
		case !reflect.DeepEqual(out, v):
			a.contradict(by, name)
		}
	}
	return out, by
}

// blank says whether a peer's annotation says nothing, as templates leave it.
// Who may connect is never left open like this.
func blank(name, value string) bool {
	a := documented[name]
	return a.Peer != Ours && a.Own != AnnotationAllowedSources && a.Own != AnnotationInternal && strings.TrimSpace(value) == ""
}

// contradict refuses an object that says one thing twice, in two ways.
func (a annotated) contradict(one, other string) {
	a.found.refuse(field(other), "says %q, and %s says %q: keep one of them", shown(a.values[other]), one, shown(a.values[one]))
}

// shown cuts a value for a message.
func shown(s string) string {
	const most = 80
	if len(s) <= most {
		return s
	}
	return strings.ToValidUTF8(s[:most], "") + "..."
}

// quoted lists what is allowed, for a message.
func quoted(allowed []string) string {
	out := make([]string, len(allowed))
	for i, s := range allowed {
		out[i] = fmt.Sprintf("%q", s)
	}
	return strings.Join(out, ", ")
}
