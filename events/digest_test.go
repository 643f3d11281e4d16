package events_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"drawbridge.dev/events"
)

// The digest of a wish survives JSON and does not depend on the order of lists.
func TestSealIsStable(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		x := anyExposure().Draw(t, "wish")
		labels := rapid.MapOfN(rapid.StringMatching(`[a-z<&]{1,4}`), rapid.String(), 0, 3).Draw(t, "labels")
		r := events.Requested{Exposure: &x, Object: events.Object{Labels: labels}}.Seal()
		if again := roundTrip(t, r).Seal(); again.Digest != r.Digest {
			t.Fatalf("%s became %s over JSON", r.Digest, again.Digest)
		}
		s := shuffle(t, x.Normalize())
		if other := (events.Requested{Exposure: &s, Object: r.Object}).Seal(); other.Digest != r.Digest {
			t.Fatal("the digest depends on the order")
		}
		d := events.Decided{Verdict: events.Approved, Wish: r.Digest, Exposure: &x}.Seal(x.Key)
		if again := roundTrip(t, d).Seal(x.Key); again.Digest != d.Digest {
			t.Fatalf("%s became %s over JSON", d.Digest, again.Digest)
		}
	})
}

func roundTrip[T any](t *rapid.T, v T) (out T) {
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(b, &out); err != nil {
		t.Fatal(err)
	}
	return out
}

func TestSealOfWishCovers(t *testing.T) {
	base := requested()
	for name, edit := range map[string]func(*events.Requested){
		"a port":          func(r *events.Requested) { r.Exposure.Listeners[0].Port++ },
		"the UID":         func(r *events.Requested) { r.Exposure.UID = "other" },
		"the key":         func(r *events.Requested) { r.Exposure.Key.Name = "other" },
		"a label":         func(r *events.Requested) { r.Object.Labels["app"] = "other" },
		"an annotation":   func(r *events.Requested) { delete(r.Object.Annotations, "drawbridge.dev/flavor") },
		"namespace label": func(r *events.Requested) { r.Object.NamespaceLabels = nil },
		"the tombstone":   func(r *events.Requested) { r.Exposure = nil },
	} {
		r := requested()
		edit(&r)
		if r.Seal().Digest == base.Digest {
			t.Errorf("%s is not covered by the digest", name)
		}
	}
	r := requested()
	r.Digest = "forged"
	if got := r.Seal(); got.Digest != base.Digest {
		t.Errorf("the digest covers itself: %s, want %s", got.Digest, base.Digest)
	}
}

func TestSealOfDecisionCovers(t *testing.T) {
	base := samples()["approved"].Payload.(events.Decided)
	other := shop
	other.Name = "other"
	if base.Seal(other).Digest == base.Digest {
		t.Error("the key is not covered: an approval of one object would be one of another")
	}
	for name, edit := range map[string]func(*events.Decided){
		"the verdict":   func(d *events.Decided) { d.Verdict = events.Denied },
		"the wish":      func(d *events.Decided) { d.Wish = "other" },
		"no exposure":   func(d *events.Decided) { d.Exposure = nil },
		"a source":      func(d *events.Decided) { d.Exposure.Listeners[0].AllowedSources = nil },
		"the reasons":   func(d *events.Decided) { d.Reasons = []string{"because"} },
		"the rules":     func(d *events.Decided) { d.Rules = nil },
		"an obligation": func(d *events.Decided) { d.Obligations = nil },
		"the bundle":    func(d *events.Decided) { d.Policy.Digest = "other" },
	} {
		d := samples()["approved"].Payload.(events.Decided)
		edit(&d)
		if d.Seal(shop).Digest == base.Digest {
			t.Errorf("%s is not covered by the digest", name)
		}
	}
	sealed := base.Seal(shop)
	if sealed.Digest != base.Digest || sealed.Signature != (events.Signature{}) {
		t.Errorf("Seal = digest %s and signature %v, want %s and none", sealed.Digest, sealed.Signature, base.Digest)
	}
}

func TestSealLeavesItsArgument(t *testing.T) {
	x := wish()
	x.Listeners[0], x.Listeners[1] = x.Listeners[1], x.Listeners[0]
	before := wish()
	before.Listeners[0], before.Listeners[1] = before.Listeners[1], before.Listeners[0]
	events.Requested{Exposure: &x}.Seal()
	events.Decided{Exposure: &x}.Seal(shop)
	if d := cmp.Diff(before, x); d != "" {
		t.Errorf("Seal changed the wish that it was given:\n%s", d)
	}
}

func TestDigestForm(t *testing.T) {
	const want = "sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a" // of {}
	if got := events.Digest(struct{}{}); got != want {
		t.Errorf("Digest({}) = %q, want %q", got, want)
	}
	defer func() {
		if r, _ := recover().(string); !strings.Contains(r, "chan int") {
			t.Errorf("a value that JSON cannot hold: panic %q, want its type named", r)
		}
	}()
	events.Digest(make(chan int))
}
