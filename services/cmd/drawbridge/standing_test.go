package main

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"drawbridge.dev/events"
	"drawbridge.dev/services/auditor"
)

var web = events.Key{Cluster: "blue", Kind: events.KindIngress, Namespace: "shop", Name: "web"}

// wishOn is a wish for a TCP port, sealed.
func wishOn(k events.Key, port int) events.Requested {
	x := events.Exposure{Key: k, UID: "u1", Cloud: "default",
		Listeners: []events.Listener{{Protocol: events.TCP, Port: port, Backend: "shop/web:80"}},
		Backends:  []events.Backend{{Name: "shop/web:80", Protocol: events.TCP, Members: []events.Member{{Name: "n1", Address: "10.0.0.1", Port: 30080}}}}}
	return events.Requested{Exposure: &x}.Seal()
}

func decide(r events.Requested, v events.Verdict, stands *events.Exposure, reasons ...string) events.Decided {
	return events.Decided{Verdict: v, Wish: r.Digest, Exposure: stands, Reasons: reasons,
		Policy: events.PolicyRef{Bundle: "b", Digest: "sha256:b"}}.Seal(web)
}

func outcome(d events.Decided, s events.OutcomeState, reason string, ips ...string) events.Outcome {
	o := events.Outcome{State: s, Decision: d.Digest, Reason: reason}
	for _, ip := range ips {
		o.Addresses = append(o.Addresses, events.Address{IP: ip, Type: "vip"})
	}
	return o
}

func TestStanding(t *testing.T) {
	one, two, gone := wishOn(web, 80), wishOn(web, 81), events.Requested{}.Seal()
	yes, no := decide(one, events.Approved, one.Exposure), decide(one, events.Denied, nil, "not you")
	keep := decide(two, events.Denied, one.Exposure, "not port 81")
	held := decide(two, events.Held, one.Exposure, "ask Ann")
	remove := decide(gone, events.Approved, nil)
	applied := outcome(yes, events.Applied, "", "10.0.0.9")
	bad := events.Rejected{Reason: "wrong", Problems: []events.Problem{{Field: "spec.x", Message: "is odd"}}}
	type row struct {
		verdict, state, detail string
		settled                bool
		addresses              []string
	}
	at := []string{"10.0.0.9"}
	for _, c := range []struct {
		name     string
		payloads []events.Payload // in the order of their coming
		want     row
	}{
		{"rejected only", []events.Payload{bad}, row{"-", "invalid", "wrong; spec.x: is odd", false, nil}},
		{"asked", []events.Payload{one}, row{"-", "waits for policy", "", false, nil}},
		{"approved", []events.Payload{one, yes}, row{"approved", "waits for executor", "", false, nil}},
		{"applied", []events.Payload{one, yes, applied}, row{"approved", "applied", "", true, at}},
		{"failed", []events.Payload{one, yes, outcome(yes, events.Failed, "quota of load_balancer")}, row{"approved", "failed", "quota of load_balancer", true, nil}},
		{"denied", []events.Payload{one, no}, row{"denied", "waits for executor", "not you", false, nil}},
		{"denied and not there", []events.Payload{one, no, outcome(no, events.Removed, "")}, row{"denied", "not exposed", "not you", true, nil}},
		{"changed", []events.Payload{one, yes, applied, two}, row{"-", "waits for policy", "", false, at}},
		{"changed, denied, kept", []events.Payload{one, yes, applied, two, keep}, row{"denied", "unchanged", "not port 81", true, at}},
		{"changed, held, kept", []events.Payload{one, yes, applied, two, held}, row{"held", "unchanged", "ask Ann", true, at}},
		{"changed, then wrong", []events.Payload{one, yes, applied, bad}, row{"approved", "applied", "wrong; spec.x: is odd", true, at}},
		{"wrong, then corrected", []events.Payload{bad, one, yes, applied}, row{"approved", "applied", "", true, at}},
		{"decided anew", []events.Payload{one, yes, applied, no}, row{"denied", "waits for executor", "not you", false, at}},
		{"withdrawn", []events.Payload{one, yes, applied, gone}, row{"-", "waits for policy", "", false, at}},
		{"withdrawn, approved", []events.Payload{one, yes, applied, gone, remove}, row{"approved", "waits for executor", "", false, at}},
		{"removed", []events.Payload{one, yes, applied, gone, remove, outcome(remove, events.Removed, "")}, row{"approved", "removed", "", true, nil}},
		{"an outcome of long ago", []events.Payload{two, outcome(yes, events.Applied, "", "10.0.0.9"), keep}, row{"denied", "unchanged", "not port 81", true, at}},
		{"a drift changes nothing", []events.Payload{one, yes, applied, events.Drift{Steps: []string{"x"}}}, row{"approved", "applied", "", true, at}},
	} {
		t.Run(c.name, func(t *testing.T) {
			var s standing
			for _, p := range c.payloads {
				s.put(p)
			}
			var got row
			got.verdict, got.state, got.detail = s.state()
			got.settled, got.addresses = s.settled(), s.addresses()
			if d := cmp.Diff(c.want, got, cmp.AllowUnexported(row{})); d != "" {
				t.Error(d)
			}
		})
	}
}

// TestStandingFromHistory tells a rejection that was corrected from one that was not.
func TestStandingFromHistory(t *testing.T) {
	at := func(row int64, stage events.Stage, payload string) *auditor.Event {
		return &auditor.Event{Row: row, Stage: string(stage), Payload: auditor.Payload(payload)}
	}
	asked, wrong := `{"digest":"d","object":{}}`, `{"reason":"wrong"}`
	for _, c := range []struct {
		x       auditor.Exposure
		invalid bool
		says    string
	}{
		{auditor.Exposure{Rejected: at(1, events.StageRejected, wrong)}, true, "wrong"},
		{auditor.Exposure{Requested: at(1, events.StageRequested, asked), Rejected: at(2, events.StageRejected, wrong)}, false, "wrong"},
		{auditor.Exposure{Requested: at(3, events.StageRequested, asked), Rejected: at(2, events.StageRejected, wrong)}, false, ""},
		{auditor.Exposure{Requested: at(1, events.StageRequested, "no JSON")}, true, ""},
	} {
		_, state, detail := standingFrom(c.x).state()
		if (state == "invalid") != c.invalid || detail != c.says {
			t.Errorf("%+v: %s %q, want invalid %v and %q", c.x, state, detail, c.invalid, c.says)
		}
	}
}
