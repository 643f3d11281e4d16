package policy

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"drawbridge.dev/events"
)

// TestShippedRules asks the built-in bundle with its own settings.
func TestShippedRules(t *testing.T) {
	engine := engineOf(t, "")
	web := ingressKey("shop", "web")
	const internalSources = "allowedSources=10.0.0.0/8,100.64.0.0/10,127.0.0.0/8,172.16.0.0/12,192.168.0.0/16"
	labelled := func(label, value string) events.Object {
		return events.Object{NamespaceLabels: map[string]string{"drawbridge.dev/public": "true", label: value}}
	}
	inside := func(sources ...string) events.Exposure {
		e := site(web, "www.example.org")
		e.Internal = true
		e.Listeners[0].AllowedSources = sources
		return e.Normalize()
	}
	port := func(n int) events.Exposure {
		e := site(web)
		e.Listeners[0].Port = n
		return e
	}
	full := NewInventory()
	for i := range 20 {
		k := ingressKey("shop", fmt.Sprint("other-", i))
		e := site(k, fmt.Sprintf("o%d.example.org", i))
		full.Hold("default", k, &e, uint64(i+1))
	}
	claimed := NewInventory()
	blog := ingressKey("blog", "front")
	held := site(blog, "blog.example.org", "*.wild.example.org")
	claimed.Hold("default", blog, &held, 7)

	for name, c := range map[string]struct {
		wish        events.Exposure
		object      events.Object
		inventory   *Inventory
		verdict     events.Verdict
		rules       []string
		reason      string
		obligations []string
	}{
		"public site":            {wish: site(web, "www.example.org"), object: publicNamespace, verdict: events.Approved},
		"host of nobody":         {wish: site(web, "www.bank.com"), object: publicNamespace, verdict: events.Denied, rules: []string{"hosts"}, reason: "host www.bank.com is not allowed"},
		"many hosts of nobody":   {wish: site(web, "a.com", "b.com", "c.com", "d.com", "e.com", "f.com", "g.com"), object: publicNamespace, verdict: events.Denied, rules: []string{"hosts"}, reason: "e.com and 2 more"},
		"public without a label": {wish: site(web, "www.example.org"), verdict: events.Denied, rules: []string{"public"}, reason: "drawbridge.dev/public=true"},
		"internal":               {wish: inside(), verdict: events.Approved, rules: []string{"sources"}, obligations: []string{internalSources}},
		"internal, some sources": {wish: inside("10.1.0.0/16"), verdict: events.Approved, rules: []string{"sources"}, obligations: []string{internalSources}},
		"internal to the world":  {wish: inside("0.0.0.0/0"), verdict: events.Denied, rules: []string{"sources"}, reason: "source 0.0.0.0/0"},
		"ssh":                    {wish: port(22), object: publicNamespace, verdict: events.Denied, rules: []string{"ports"}, reason: "port 22"},
		"another port":           {wish: port(8443), object: publicNamespace, verdict: events.Approved},
		"claimed host":           {wish: site(web, "blog.example.org"), object: publicNamespace, inventory: claimed, verdict: events.Denied, rules: []string{"claims"}, reason: "claimed by Ingress blog/front of cluster c1"},
		"below a wildcard":       {wish: site(web, "a.wild.example.org"), object: publicNamespace, inventory: claimed, verdict: events.Denied, rules: []string{"claims"}, reason: "*.wild.example.org is claimed"},
		"above a claim":          {wish: site(web, "*.example.org"), object: publicNamespace, inventory: claimed, verdict: events.Denied, rules: []string{"claims"}, reason: "blog.example.org is claimed"},
		"two below a wildcard":   {wish: site(web, "a.b.wild.example.org"), object: publicNamespace, inventory: claimed, verdict: events.Approved},
		"beside a wildcard":      {wish: site(web, "wild.example.org"), object: publicNamespace, inventory: claimed, verdict: events.Approved},
		"claimed by its own":     {wish: site(ingressKey("blog", "second"), "blog.example.org"), object: publicNamespace, inventory: claimed, verdict: events.Approved},
		"limit reached":          {wish: site(web, "www.example.org"), object: publicNamespace, inventory: full, verdict: events.Denied, rules: []string{"limit"}, reason: "has 20 load balancers, its limit is 20"},
		"limit elsewhere":        {wish: site(ingressKey("blog", "web"), "www.example.org"), object: publicNamespace, inventory: full, verdict: events.Approved},
		"waived by itself":       {wish: waiving(site(web, "www.example.org")), object: publicNamespace, verdict: events.Approved},
		"group of another":       {wish: grouped("blog", site(web)), object: publicNamespace, verdict: events.Denied, rules: []string{"group"}, reason: "namespace shop may not join group blog"},
		"group of its own":       {wish: grouped("shop.eu", site(web)), object: publicNamespace, verdict: events.Approved},
		"load balancer given":    {wish: bound("id", site(web)), object: publicNamespace, verdict: events.Denied, rules: []string{"placement"}, reason: "may not ask for loadBalancer id"},
		"floating IP given":      {wish: atAddress("203.0.113.1", site(web)), object: publicNamespace, verdict: events.Approved},
		"certificate":            {wish: serviceOf(events.TerminatedHTTPS, 443, "web"), object: publicNamespace, verdict: events.Approved},
		"expired certificate":    {wish: expired(), object: publicNamespace, verdict: events.Denied, rules: []string{"certificates"}, reason: "certificate shop/cert on 2026-01-01T00:00:00Z expired"},
		"needs a person":         {wish: site(web, "www.example.org"), object: labelled("drawbridge.dev/approval", "required"), verdict: events.Held, rules: []string{"approval"}, reason: "a person has to agree first"},
	} {
		t.Run(name, func(t *testing.T) {
			q := ask(c.wish, c.object)
			if c.inventory != nil {
				q.Holdings = c.inventory.For(q.Cloud, q.Key)
			}
			d := engine.Decide(t.Context(), q)
			if d.Verdict != c.verdict || !cmp.Equal(d.Rules, c.rules, cmp.Transformer("nil", func(s []string) string { return strings.Join(s, " ") })) {
				t.Fatalf("got %s by %q (%q), want %s by %q", d.Verdict, d.Rules, d.Reasons, c.verdict, c.rules)
			}
			if (d.Exposure != nil) != (c.verdict == events.Approved) {
				t.Errorf("exposure %v after %s of a wish of which nothing stood", d.Exposure, c.verdict)
			}
			if c.reason != "" && (len(d.Reasons) != 1 || !strings.Contains(d.Reasons[0], c.reason)) {
				t.Errorf("reasons %q, want one with %q", d.Reasons, c.reason)
			}
			if d.Exposure != nil && len(d.Exposure.Waived) > 0 {
				t.Errorf("a wish waives %v by itself", d.Exposure.Waived)
			}
			if diff := cmp.Diff(c.obligations, d.Obligations); diff != "" {
				t.Errorf("obligations: %s", diff)
			}
			if d.Wish != q.Wish.Digest || d.Policy != engine.Policy() || d.Digest != d.Seal(q.Key).Digest {
				t.Errorf("the decision %+v names another wish, policy or digest", d)
			}
		})
	}
}

// waiving is a wish that says what only policy may.
func waiving(e events.Exposure) events.Exposure {
	e.Waived = []events.Feature{events.FeatureAllowedSources}
	return e
}

// expired is a wish whose certificate was no good at wishTime.
func expired() events.Exposure {
	e := serviceOf(events.TerminatedHTTPS, 443, "web")
	e.Listeners[0].TLS.Certificates[0] = certificate("2026-01-01T00:00:00Z")
	return e
}

// TestExpiryKeepsWhatStands: that a certificate expired keeps neither a change of
// members from the load balancer nor the exposure from standing.
func TestExpiryKeepsWhatStands(t *testing.T) {
	engine, standing := engineOf(t, ""), expired()
	fresh := standing.Normalize()
	fresh.Backends[0].Members[0].Address = "10.0.0.2"
	q := ask(fresh, publicNamespace)
	q.Standing = &standing
	if d := engine.Decide(t.Context(), q); d.Verdict != events.Approved {
		t.Errorf("a change of members: %q", d.Reasons)
	}
	denied := standing.Normalize()
	denied.Listeners[0].Port = 22
	q.Wish = wish(denied, publicNamespace)
	if d := engine.Decide(t.Context(), q); d.Verdict != events.Denied || !cmp.Equal(d.Exposure, &standing) {
		t.Errorf("a change that is denied leaves %+v (%q)", d.Exposure, d.Reasons)
	}
}

// TestWaived: what is waived is for the bundle to say; that it says so no longer
// takes down what was let in by it, that it says more takes down nothing.
func TestWaived(t *testing.T) {
	engine := engineOf(t, `package drawbridge

decision := {"verdict": "denied", "reasons": ["no"]} if input.wish.flavor == "denied"
decision := {"verdict": "approved", "obligations": {"waived": ["timeouts", "headers"]}} if input.wish.flavor == "approved"
`)
	of := func(flavor string, waived ...events.Feature) events.Exposure {
		e := site(ingressKey("shop", "web"))
		e.Flavor, e.Waived = flavor, waived
		return e
	}
	d := engine.Decide(t.Context(), ask(of("approved", events.FeatureAllowedSources), publicNamespace))
	if d.Exposure == nil || !slices.Equal(d.Exposure.Waived, []events.Feature{events.FeatureHeaders, events.FeatureTimeouts}) ||
		!slices.Equal(d.Obligations, []string{"waived=headers,timeouts"}) {
		t.Errorf("got %+v", d)
	}
	for _, c := range []struct {
		standing events.Exposure
		stays    bool
	}{
		{of("approved"), true},
		{of("approved", events.FeatureHeaders), true},
		{of("approved", events.FeatureHeaders, events.FeatureTimeouts), true},
		{of("approved", events.FeatureAllowedSources), false},
	} {
		q := ask(of("denied"), publicNamespace)
		q.Standing = &c.standing
		if d := engine.Decide(t.Context(), q); (d.Exposure != nil) != c.stays {
			t.Errorf("what waived %v stays: %t, want %t (%q)", c.standing.Waived, d.Exposure != nil, c.stays, d.Reasons)
		}
	}
}

func TestTombstoneIsApproved(t *testing.T) {
	e := site(ingressKey("shop", "web"), "www.example.org")
	for name, engine := range map[string]*Engine{"good": engineOf(t, ""), "broken": brokenEngine(Config{})} {
		q := ask(e, publicNamespace)
		q.Wish, q.Standing = events.Requested{}.Seal(), &e
		if d := engine.Decide(t.Context(), q); d.Verdict != events.Approved || d.Exposure != nil {
			t.Errorf("%s: got %+v", name, d)
		}
	}
}

func TestApplyObligations(t *testing.T) {
	e := site(ingressKey("shop", "web"), "www.example.org")
	from := func(sources ...string) events.Exposure {
		x := e.Normalize()
		x.Listeners[0].AllowedSources = sources
		return x
	}
	https := func(versions ...string) events.Exposure {
		x := serviceOf(events.TerminatedHTTPS, 443, "web")
		x.Listeners[0].TLS.Versions = versions
		return x
	}
	for name, c := range map[string]struct {
		wish events.Exposure
		o    obligations
		want func(*events.Exposure)
		err  string
	}{
		"none":                    {wish: e, want: func(*events.Exposure) {}},
		"internal":                {wish: e, o: obligations{internal: true}, want: func(x *events.Exposure) { x.Internal = true }},
		"internal, address given": {wish: atAddress("203.0.113.1", e), o: obligations{internal: true}, want: func(x *events.Exposure) { x.Internal, x.FloatingIP.Address = true, "" }},
		"flavor":                  {wish: e, o: obligations{flavor: "ha"}, want: func(x *events.Exposure) { x.Flavor = "ha" }},
		"open is closed":          {wish: e, o: obligations{allowedSources: []string{"10.0.0.0/8"}}, want: func(x *events.Exposure) { x.Listeners[0].AllowedSources = []string{"10.0.0.0/8"} }},
		"wider is cut":            {wish: from("0.0.0.0/0"), o: obligations{allowedSources: []string{"10.0.0.0/8"}}, want: func(x *events.Exposure) { x.Listeners[0].AllowedSources = []string{"10.0.0.0/8"} }},
		"narrower is kept":        {wish: from("10.1.0.0/16", "11.0.0.0/8"), o: obligations{allowedSources: []string{"10.0.0.0/8"}}, want: func(x *events.Exposure) { x.Listeners[0].AllowedSources = []string{"10.1.0.0/16"} }},
		"TLS versions":            {wish: https(), o: obligations{tlsVersions: []string{"TLSv1.2", "TLSv1.3"}}, want: func(x *events.Exposure) { x.Listeners[0].TLS.Versions = []string{"TLSv1.2", "TLSv1.3"} }},
		"fewer versions":          {wish: https("TLSv1.1", "TLSv1.3"), o: obligations{tlsVersions: []string{"TLSv1.2", "TLSv1.3"}}, want: func(x *events.Exposure) { x.Listeners[0].TLS.Versions = []string{"TLSv1.3"} }},
		"no version left":         {wish: https("TLSv1.1"), o: obligations{tlsVersions: []string{"TLSv1.3"}}, err: "policy allows none of its TLS versions TLSv1.1: use TLSv1.3"},
		"nothing to offer":        {wish: e, o: obligations{tlsVersions: []string{"TLSv1.3"}}, want: func(*events.Exposure) {}},
		"waived":                  {wish: e, o: obligations{waived: []events.Feature{events.FeatureHSTS}}, want: func(x *events.Exposure) { x.Waived = []events.Feature{events.FeatureHSTS} }},
		"nothing waived":          {wish: waiving(e), want: func(x *events.Exposure) { x.Waived = nil }},
		"nothing in both":         {wish: from("11.0.0.0/8", "::/0"), o: obligations{allowedSources: []string{"10.0.0.0/8"}}, err: "listener HTTP/80: none of its sources"},
	} {
		t.Run(name, func(t *testing.T) {
			before := events.Digest(c.wish)
			got, err := c.o.apply(c.wish)
			if events.Digest(c.wish) != before {
				t.Error("the wish was changed")
			}
			if c.err != "" {
				if err == nil || !strings.Contains(err.Error(), c.err) {
					t.Errorf("got %v, want %q", err, c.err)
				}
				return
			}
			want := c.wish.Normalize()
			c.want(&want)
			if diff := cmp.Diff(want, got); err != nil || diff != "" {
				t.Errorf("%v %s", err, diff)
			}
		})
	}
}

// TestWhatStands tells what becomes of an earlier approval by the answer to the
// newest wish. The bundle answers by the flavor that is wished for.
func TestWhatStands(t *testing.T) {
	const rego = `package drawbridge

decision := {"verdict": "denied", "reasons": ["not this"]} if input.wish.flavor == "denied"
decision := {"verdict": "held", "reasons": ["wait"]} if input.wish.flavor == "held"
decision := {"verdict": "approved", "obligations": {"internal": true}} if input.wish.flavor == "internal"
decision := {"verdict": "approved", "obligations": {"flavor": "other"}} if input.wish.flavor == "flavored"
decision := {"verdict": "approved"} if input.wish.flavor == "approved"
`
	engine := engineOf(t, rego)
	of := func(flavor string) *events.Exposure {
		e := site(ingressKey("shop", "web"), "www.example.org")
		e.Flavor = flavor
		return &e
	}
	for _, c := range []struct {
		wish, standing string
		verdict        events.Verdict
		stays          bool
		reason         string
	}{
		{"denied", "approved", events.Denied, true, "not this"},
		{"denied", "denied", events.Denied, false, "what was exposed before is removed: not this"},
		{"denied", "held", events.Denied, true, "not this"},
		{"denied", "internal", events.Denied, false, "open to more than policy allows (internal=true)"},
		{"denied", "flavored", events.Denied, true, "not this"},
		{"denied", "undefined", events.Denied, true, "not this"},
		{"held", "approved", events.Held, true, "wait"},
		{"held", "held", events.Held, true, "wait"},
		{"held", "denied", events.Held, false, "what was exposed before is removed: not this"},
		{"undefined", "approved", events.Denied, true, "policy failed: data.drawbridge.decision is undefined"},
		{"undefined", "denied", events.Denied, true, "policy failed"},
	} {
		t.Run(c.wish+" after "+c.standing, func(t *testing.T) {
			q := ask(*of(c.wish), publicNamespace)
			q.Standing = of(c.standing)
			d := engine.Decide(t.Context(), q)
			if d.Verdict != c.verdict || !strings.Contains(strings.Join(d.Reasons, "\n"), c.reason) {
				t.Errorf("got %s %q, want %s with %q", d.Verdict, d.Reasons, c.verdict, c.reason)
			}
			if !c.stays && d.Exposure != nil || c.stays && !cmp.Equal(d.Exposure, q.Standing) {
				t.Errorf("stands: %+v, want it to stay: %t", d.Exposure, c.stays)
			}
		})
	}
	t.Run("of an earlier object", func(t *testing.T) {
		q := ask(*of("denied"), publicNamespace)
		q.Standing = of("approved")
		q.Standing.UID = "earlier"
		if d := engine.Decide(t.Context(), q); d.Exposure != nil || len(d.Reasons) != 2 {
			t.Errorf("got %+v", d)
		}
	})
}

func TestBrokenEngineDeniesAndKeeps(t *testing.T) {
	e := site(ingressKey("shop", "web"), "www.example.org")
	q := ask(e, publicNamespace)
	q.Standing = &e
	d := brokenEngine(Config{Bundle: "/some/where"}).Decide(t.Context(), q)
	if d.Verdict != events.Denied || d.Exposure == nil || !strings.HasPrefix(d.Reasons[0], "policy failed: no usable bundle") {
		t.Errorf("got %+v", d)
	}
}

// TestFailuresDeny: a bundle that compiles and gives no usable answer.
func TestFailuresDeny(t *testing.T) {
	for name, c := range map[string]struct{ rego, want string }{
		"undefined": {"decision := {} if input.wish.flavor", "is undefined for this wish"},
		"ill-typed": {"decision := {\"verdict\": 1}", "verdict: 1 is none of"},
		"conflict": {"decision := {\"verdict\": \"approved\"} if input.wish\n\ndecision := {\"verdict\": \"denied\", \"reasons\": [\"r\"]} if input.wish",
			"eval_conflict_error"},
		"nonsense obligation":     {`decision := {"verdict": "approved", "obligations": {"flavor": "a\u0000b"}}`, "flavor: "},
		"built-in function fails": {"decision := {\"verdict\": \"approved\"} if not bad\n\nbad if net.cidr_contains(\"nonsense\", \"10.0.0.1\")", "net.cidr_contains"},
	} {
		t.Run(name, func(t *testing.T) {
			d := engineOf(t, "package drawbridge\n\n"+c.rego+"\n").Decide(t.Context(), ask(site(ingressKey("a", "b")), publicNamespace))
			if d.Verdict != events.Denied || !strings.HasPrefix(d.Reasons[0], "policy failed: ") || !strings.Contains(d.Reasons[0], c.want) {
				t.Errorf("got %s %q, want policy failed with %q", d.Verdict, d.Reasons, c.want)
			}
		})
	}
}

// TestTimeout: a rule that would take hours is broken off.
func TestTimeout(t *testing.T) {
	const rego = `package drawbridge

decision := {"verdict": "approved"} if {
	some a in numbers.range(1, 100000)
	some b in numbers.range(1, 100000)
	a * b == -1
}
`
	engine := engineOf(t, rego)
	engine.timeout = 20 * time.Millisecond
	q := ask(site(ingressKey("a", "b")), publicNamespace)
	d := engine.Decide(t.Context(), q)
	if d.Verdict != events.Denied || !strings.Contains(d.Reasons[0], "policy failed: no answer within 20ms") {
		t.Errorf("got %s %q", d.Verdict, d.Reasons)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	engine.timeout = time.Hour
	if _, err := engine.evaluate(ctx, q.input(*q.Wish.Exposure)); err == nil {
		t.Error("a cancelled evaluation gave an answer")
	}
}

func TestClusterLabelsComeFromTheConfiguration(t *testing.T) {
	engine := engineOf(t, `package drawbridge

decision := {"verdict": "denied", "reasons": [sprintf("%s %s %s", [input.cluster.name, input.cluster.labels.tier, input.time])]}
`)
	q := ask(site(ingressKey("a", "b")), publicNamespace)
	q.Labels = map[string]string{"tier": "gold"}
	if d := engine.Decide(t.Context(), q); d.Reasons[0] != "c1 gold 2026-01-02T03:04:05Z" {
		t.Errorf("got %q", d.Reasons)
	}
}
