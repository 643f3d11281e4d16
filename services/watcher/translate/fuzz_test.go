package translate

import (
	"net/netip"
	"strings"
	"testing"
	"unicode/utf8"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Whatever stands in an annotation: it is taken, and the wish is valid, or it
// is refused by a message that names the annotation and shows the value.
func FuzzAnnotations(f *testing.F) {
	for _, seed := range []string{"", "true", "False", "1", "10.0.0.0/8", "10.0.0.0/8,::/0", " 192.0.2.1/24 , fe80::%eth0/64", "default", "a/b", "\x00", "ü", strings.Repeat("9", 300), "::ffff:10.0.0.0/104"} {
		for i := range Annotations {
			f.Add(i, seed)
		}
	}
	f.Fuzz(func(t *testing.T, i int, value string) {
		if i < 0 {
			return
		}
		name := Annotations[i%len(Annotations)].Name
		class := LoadBalancerClass
		svc := &corev1.Service{ObjectMeta: metav1.ObjectMeta{Namespace: "a", Name: "b", UID: "u", Annotations: map[string]string{name: value}},
			Spec: corev1.ServiceSpec{Type: corev1.ServiceTypeLoadBalancer, LoadBalancerClass: &class, Ports: []corev1.ServicePort{{Port: 80, NodePort: 30080}}}}
		r := Service(svc, References{Nodes: []Node{{Name: "n", IPv4: "10.0.0.1"}}}, Settings{Cluster: "c", Cloud: "default"})
		if r.Wish != nil {
			if err := r.Wish.Exposure.Validate(); err != nil {
				t.Fatalf("%s=%q gives a wish that is not valid: %v", name, value, err)
			}
			return
		}
		if len(r.Problems) == 0 || r.Problems[0].Field != field(name) {
			t.Fatalf("%s=%q is refused by %v", name, value, r.Problems)
		}
	})
}

func FuzzSources(f *testing.F) {
	for _, seed := range []string{"10.0.0.0/8", "0.0.0.0/0,::/0", ",", "1.2.3.4", "10.0.0.0/33", " 10.1.2.3/8 "} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, s string) {
		got, err := parseSources(s)
		if err != nil {
			return
		}
		if len(got) == 0 {
			t.Fatalf("%q lets everyone in without saying so", s)
		}
		for _, c := range got {
			if p, err := netip.ParsePrefix(c); err != nil || p != p.Masked() {
				t.Fatalf("%q gives %q", s, c)
			}
		}
	})
}

func FuzzHostAndPath(f *testing.F) {
	for _, seed := range []string{"a.example.org", "*.a", "a..b", "-", "a_b", "/", "/a/../b", "/\u2028", "*"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if checkHost(s) == nil && strings.Trim(strings.TrimPrefix(s, "*."), "abcdefghijklmnopqrstuvwxyz0123456789-.") != "" {
			t.Fatalf("%q passes as a host name", s)
		}
		if checkPath(s) == nil && (s[0] != '/' || strings.ContainsAny(s, " \t\r\n\x00") || !utf8.ValidString(s)) {
			t.Fatalf("%q passes as a path", s)
		}
	})
}
