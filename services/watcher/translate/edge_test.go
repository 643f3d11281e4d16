package translate

import (
	"slices"
	"strings"
	"testing"

	networkingv1 "k8s.io/api/networking/v1"
	"pgregory.net/rapid"

	"drawbridge.dev/events"
)

var edgeHosts = []string{"a.example.org", "b.example.org", "example.org", "x.a.example.org", "c.test"}

// What spec.tls covers is never served in the clear, unless ssl-redirect says
// so; what it does not cover is served there as at 443, where all routes are.
func TestNothingThatTLSCoversIsServedInTheClear(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		ing, refs := oicWorld(IngressClass)
		ing.Annotations = map[string]string{}
		fillRules(t, ing)
		for i := range ing.Spec.Rules {
			for j := range ing.Spec.Rules[i].HTTP.Paths {
				ing.Spec.Rules[i].HTTP.Paths[j].Backend.Service = &networkingv1.IngressServiceBackend{Name: "app", Port: networkingv1.ServiceBackendPort{Number: 80}}
			}
		}
		if rapid.Bool().Draw(t, "default backend") {
			ing.Spec.DefaultBackend = &networkingv1.IngressBackend{Service: &networkingv1.IngressServiceBackend{Name: "app", Port: networkingv1.ServiceBackendPort{Number: 80}}}
		}
		raw := rapid.Bool().Draw(t, "raw")
		if raw {
			ing.Annotations[AnnotationPathMatching] = "raw-prefix"
		}
		names := append([]string{"*.example.org"}, edgeHosts...)
		for range rapid.IntRange(1, 2).Draw(t, "entries") {
			hosts := rapid.SliceOfN(rapid.SampledFrom(names), 0, 2).Draw(t, "hosts")
			ing.Spec.TLS = append(ing.Spec.TLS, networkingv1.IngressTLS{Hosts: hosts, SecretName: "cert"})
		}
		pair := refs.Secrets.Pairs["cert"]
		pair.Certificate.Hosts = names
		refs.Secrets.Pairs["cert"] = pair

		listeners := wantedBy(t, ing, refs).Listeners
		secure := listeners[len(listeners)-1]
		if secure.Port != 443 {
			t.Fatalf("there is no port 443: %+v", listeners)
		}
		for _, host := range edgeHosts {
			plain, over := "", chosen(secure, host)
			if len(listeners) == 2 {
				plain = chosen(listeners[0], host)
			}
			covered := slices.ContainsFunc(ing.Spec.TLS, func(e networkingv1.IngressTLS) bool {
				_, domain, _ := strings.Cut(host, ".")
				return len(e.Hosts) == 0 || slices.Contains(e.Hosts, host) || slices.Contains(e.Hosts, "*."+domain)
			})
			switch {
			case covered && plain != "" && plain != "redirect" && plain != "refused":
				t.Fatalf("%s is covered by TLS and answered in the clear: %s", host, plain)
			case !covered && plain != over:
				t.Fatalf("%s is not covered by TLS and is answered %q in the clear, %q at 443", host, plain, over)
			}
		}
	})
}

func wantedBy(t *rapid.T, ing *networkingv1.Ingress, refs References) events.Exposure {
	r := Ingress(ing, refs, Settings{Cluster: "c1", Cloud: "default"})
	if r.Wish == nil {
		t.Fatalf("refused: %v", r.Problems)
	}
	return *r.Wish.Exposure
}

// chosen says what the most specific host of a listener that is that of a
// request does with it, whatever its path.
func chosen(l events.Listener, host string) string {
	_, domain, _ := strings.Cut(host, ".")
	for _, h := range []string{host, "*." + domain, ""} {
		var does []string
		for _, r := range l.Routes {
			if r.Host != h {
				continue
			}
			switch {
			case r.Redirect != nil:
				does = append(does, "redirect")
			case strings.HasSuffix(r.Backend, ":0"):
				does = append(does, "refused")
			default:
				does = append(does, r.Path+" "+r.Backend)
			}
		}
		if len(does) > 0 {
			return strings.Join(does, ", ")
		}
	}
	return l.Backend
}

// FuzzHSTS: what is taken is valid for the contract and means what it says.
func FuzzHSTS(f *testing.F) {
	for _, s := range []string{"max-age=1", "max-age=31536000; includeSubDomains; preload", "", ";", "max-age", "max-age=\"5\"", "MAX-AGE = 5 ;preload", "max-age=2147483648"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		h, err := parseHSTS(s)
		if err != nil {
			if h != nil || !strings.Contains(err.Error(), "max-age=31536000") {
				t.Fatalf("%q: %+v, %v; an error says what is allowed", s, h, err)
			}
			return
		}
		if h.MaxAge < 1 || h.Preload && !strings.Contains(strings.ToLower(s), "preload") {
			t.Fatalf("%q: %+v", s, h)
		}
	})
}
