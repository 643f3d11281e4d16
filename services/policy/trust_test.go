package policy

import (
	"slices"
	"strings"
	"testing"
	"time"

	"drawbridge.dev/events"
	"drawbridge.dev/services/internal/bus"
	"drawbridge.dev/services/internal/bus/bustest"
)

// signed is a decision that a signer signed.
func signed(t testing.TB, s *signer, k events.Key, d events.Decided) events.Decided {
	t.Helper()
	out, err := s.sign(d.Seal(k))
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func TestVerify(t *testing.T) {
	own, replica, foreign := testSigner(t), testSigner(t), testSigner(t)
	trust, err := trustIn(own, []string{replica.public})
	if err != nil {
		t.Fatal(err)
	}
	k := ingressKey("shop", "web")
	d := events.Decided{Verdict: events.Approved, Wish: "w"}
	altered := signed(t, own, k, d)
	altered.Verdict = events.Denied
	resealed := altered.Seal(k)
	resealed.Signature = altered.Signature
	garbled := signed(t, own, k, d)
	garbled.Signature.Value = "%"
	for name, c := range map[string]struct {
		decided events.Decided
		want    string
	}{
		"own":                 {signed(t, own, k, d), ""},
		"of a replica":        {signed(t, replica, k, d), ""},
		"foreign":             {signed(t, foreign, k, d), "is not trusted"},
		"unsigned":            {d.Seal(k), "is not trusted"},
		"altered":             {altered, "its digest does not fit"},
		"altered and sealed":  {resealed, "its signature does not hold"},
		"of another object":   {signed(t, own, ingressKey("shop", "api"), d), "its digest does not fit"},
		"signature of no use": {garbled, "is no base64"},
	} {
		err := trust.verify(k, c.decided)
		if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%s: got %v, want %q", name, err, c.want)
		}
	}
	if _, err := trustIn(own, []string{replica.public, "SAX"}); err == nil || !strings.Contains(err.Error(), `policy.trusted-keys[1]: "SAX"`) {
		t.Errorf("got %v, want an error that names the key", err)
	}
}

// forge puts a decision onto the ledger that nobody trusted made.
func forge(t testing.TB, l *ledger, k events.Key, d events.Decided) {
	t.Helper()
	last := l.rows[events.Subject(events.StageDecided, "default", k)]
	if _, err := l.put(t.Context(), events.New("/policy", "default", k, d, last.Event.ID, nil, wishTime), last.Sequence); err != nil {
		t.Fatal(err)
	}
}

// TestForgedDecisionIsDecidedAgain: what stood before it stays, also where the
// newest wish is denied, and what the forgery claims to hold is free.
func TestForgedDecisionIsDecidedAgain(t *testing.T) {
	engine, own, foreign := limitedEngine(t), testSigner(t), testSigner(t)
	web, blog := ingressKey("shop", "web"), ingressKey("blog", "web")
	good, bad := site(web, "www.example.org"), site(web, "www.bank.com")
	claims := site(web, "blog.example.org")
	l := newLedger()
	r := newReplica(l, engine, own)
	l.request(t, web, wish(good, publicNamespace))
	settle(t, l, r)
	for name, c := range map[string]struct {
		wish    events.Requested
		verdict events.Verdict
	}{
		"denied wish": {wish(bad, publicNamespace), events.Denied}, "approved wish": {wish(good, publicNamespace), events.Approved},
	} {
		l.request(t, web, c.wish)
		settle(t, l, r)
		for range 2 {
			forge(t, l, web, signed(t, foreign, web, events.Decided{Verdict: events.Approved, Wish: c.wish.Digest, Exposure: &claims}))
			r.retry = func(int) time.Duration { return 0 }
			settle(t, l, r)
			until(t, name+": it is decided again", func() bool {
				settle(t, l, r)
				return l.decisions()[web].Signature.Key == own.public
			})
			d := l.decisions()[web]
			if d.Verdict != c.verdict || d.Exposure == nil || d.Exposure.Listeners[0].Routes[0].Host != "www.example.org" {
				t.Errorf("%s: after the forgery stands %s %+v", name, d.Verdict, d.Exposure)
			}
		}
	}
	w := wish(site(blog, "blog.example.org"), publicNamespace)
	forge(t, l, web, signed(t, foreign, web, events.Decided{Verdict: events.Approved, Wish: "w", Exposure: &claims}))
	l.request(t, blog, w)
	settle(t, l, r)
	if d := l.decisions()[blog]; d.Verdict != events.Approved {
		t.Errorf("a forged claim holds: %q", d.Reasons)
	}
}

// TestForgedDecisionAtStart: nothing is known of what stood, and the wish is
// decided by its own merits; so is a tombstone.
func TestForgedDecisionAtStart(t *testing.T) {
	engine, own, foreign := limitedEngine(t), testSigner(t), testSigner(t)
	for name, w := range map[string]events.Requested{
		"wish": wish(site(ingressKey("shop", "web"), "www.example.org"), publicNamespace), "tombstone": events.Requested{}.Seal(),
	} {
		k := ingressKey("shop", "web")
		l := newLedger()
		l.request(t, k, w)
		forge(t, l, k, signed(t, foreign, k, events.Decided{Verdict: events.Denied, Wish: w.Digest, Reasons: []string{"no"}}))
		settle(t, l, newReplica(l, engine, own))
		if d := l.decisions()[k]; d.Signature.Key != own.public || d.Verdict != events.Approved {
			t.Errorf("%s: got %+v", name, d)
		}
	}
}

// TestReplicasThatDoNotTrustEachOther slow down instead of deciding against
// each other for ever; those that do decide once.
func TestReplicasThatDoNotTrustEachOther(t *testing.T) {
	engine, a, b := limitedEngine(t), testSigner(t), testSigner(t)
	k := ingressKey("shop", "web")
	for name, c := range map[string]struct {
		one, two  []*signer
		decisions int
	}{
		"trusting": {[]*signer{b}, []*signer{a}, 1}, "not trusting": {nil, nil, 3},
	} {
		l := newLedger()
		one, two := newReplica(l, engine, a, c.one...), newReplica(l, engine, b, c.two...)
		var waits []int
		for _, r := range []*replica{one, two} {
			r.retry = func(failures int) time.Duration { waits = append(waits, failures); return time.Hour }
		}
		l.request(t, k, wish(site(k, "www.example.org"), publicNamespace))
		settle(t, l, one, two)
		if got := len(l.log) - 1; got != c.decisions {
			t.Errorf("%s: %d decisions, want %d", name, got, c.decisions)
		}
		if c.decisions > 1 && !slices.Equal(waits, []int{1}) {
			t.Errorf("%s: waits %v, want the second forgery to wait", name, waits)
		}
	}
}

// TestForgeryOnTheBus is the whole service: somebody publishes on fleet.decided.
func TestForgeryOnTheBus(t *testing.T) {
	b := bustest.Start(t)
	c := keyed(t)
	start(t, b, c)
	own, err := PublicKey(c)
	if err != nil {
		t.Fatal(err)
	}
	k := ingressKey("shop", "web")
	w := wish(site(k, "www.example.org"), publicNamespace)
	request(t, b, k, w)
	awaitDecision(t, b, k, answering(w, events.Approved))
	last, _, err := b.Last(t.Context(), events.StageDecided, "default", k)
	if err != nil {
		t.Fatal(err)
	}
	forged := signed(t, testSigner(t), k, events.Decided{Verdict: events.Denied, Wish: w.Digest, Reasons: []string{"no"}})
	if _, err := b.Publish(t.Context(), events.New("/policy", "default", k, forged, last.Event.ID, nil, time.Now()), bus.ExpectLast(last.Sequence)); err != nil {
		t.Fatal(err)
	}
	awaitDecision(t, b, k, func(d events.Decided) bool { return d.Verdict == events.Approved && d.Signature.Key == own })
}
