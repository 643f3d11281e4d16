package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"
	"sigs.k8s.io/yaml"

	"drawbridge.dev/events"
	"drawbridge.dev/services/auditor"
	"drawbridge.dev/services/internal/bus"
	"drawbridge.dev/services/internal/bus/bustest"
)

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// story is what happened to three objects of a cluster, in order.
func story() []events.Event {
	minute := 0
	say := func(source string, k events.Key, p events.Payload, cause *events.Event) events.Event {
		minute++
		return events.New(source, "default", k, p, "", cause, noon.Add(time.Duration(minute)*time.Minute))
	}
	lobby, leaky, odd := web, web, web
	lobby.Kind, lobby.Name, leaky.Name, odd.Name = events.KindService, "lobby", "leaky", "odd"
	bundle := events.PolicyRef{Bundle: "drawbridge", Revision: "7", Digest: "sha256:beef"}

	x := *wishOn(web, 80).Exposure
	x.Listeners = []events.Listener{{Protocol: events.HTTP, Port: 80, AllowedSources: []string{"10.0.0.0/8"}, Routes: []events.Route{
		{Path: "/", PathType: events.PathPrefix, Backend: "shop/web:80"},
		{Host: "shop.example.com", Path: "/cart", PathType: events.PathExact, Backend: "shop/web:80"}}}}
	x.Backends[0].Protocol, x.Internal = events.HTTP, true
	wish := events.Requested{Exposure: &x}.Seal()
	ask := say("/watcher/blue", web, wish, nil)
	d := events.Decided{Verdict: events.Approved, Wish: wish.Digest, Exposure: &x, Rules: []string{"internal.sources"},
		Obligations: []string{"allowedSources=10.0.0.0/8"}, Policy: bundle}.Seal(web)
	d.Signature = events.Signature{Key: "APUBLIC", Value: "c2lnbmVk"}
	decided := say("/policy", web, d, &ask)
	balancer := &events.LoadBalancerRef{ID: "lb-1", Name: "drawbridge_blue_shop_web", Provider: "amphora", Topology: "SINGLE"}
	done := say("/executor/default", web, events.Outcome{State: events.Applied, Decision: d.Digest, LoadBalancer: balancer,
		Addresses: []events.Address{{IP: "10.0.0.9", Type: "vip"}}, Steps: []string{"create load balancer whole"},
		Warnings: []string{"the load balancer is SINGLE"}, Calls: events.Calls{Writes: 1, Reads: 3, Polls: 2}, Lease: 1}, &decided)
	drift := say("/executor/default", web, events.Drift{Decision: d.Digest, LoadBalancer: balancer, Steps: []string{"add member 10.0.0.1"}, Repair: true}, &decided)

	leakyWish := wishOn(leaky, 22)
	askLeaky := say("/watcher/blue", leaky, leakyWish, nil)
	deny := events.Decided{Verdict: events.Denied, Wish: leakyWish.Digest, Reasons: []string{"port 22 is not allowed", hostile}, Rules: []string{"ports.forbidden"}, Policy: bundle}.Seal(leaky)
	denied := say("/policy", leaky, deny, &askLeaky)
	notThere := say("/executor/default", leaky, events.Outcome{State: events.Removed, Decision: deny.Digest, Lease: 1}, &denied)

	wrong := say("/watcher/blue", odd, events.Rejected{Reason: "cannot be exposed", Problems: []events.Problem{{Field: "spec.ports[0]", Message: "has no nodePort"}}, Digest: "sha256:odd"}, nil)

	lobbyWish := wishOn(lobby, 7000)
	askLobby := say("/watcher/blue", lobby, lobbyWish, nil)
	allow := events.Decided{Verdict: events.Approved, Wish: lobbyWish.Digest, Exposure: lobbyWish.Exposure, Policy: bundle}.Seal(lobby)
	allowed := say("/policy", lobby, allow, &askLobby)
	failed := say("/executor/default", lobby, events.Outcome{State: events.Failed, Decision: allow.Digest, Reason: "quota of load_balancer is reached", Retry: true, Lease: 1}, &allowed)
	bye := say("/watcher/blue", lobby, events.Requested{}.Seal(), nil)
	return []events.Event{ask, decided, done, drift, askLeaky, denied, notThere, wrong, askLobby, allowed, failed, bye}
}

// serveHistory runs an auditor on a real bus and a real database, which has kept the story.
func serveHistory(t *testing.T) (url string, kept []events.Event) {
	t.Helper()
	b := bustest.Start(t)
	kept = story()
	for _, e := range kept {
		if _, err := b.Publish(t.Context(), e, bus.ExpectLast(lastOf(t, b, e))); err != nil {
			t.Fatal(err)
		}
	}
	cfg := auditor.Config{Database: filepath.Join(t.TempDir(), "history.db")}
	cfg.Listen.Address = freeAddress(t.Context(), "127.0.0.1:0")
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() {
		done <- auditor.Run(ctx, cfg, b, zerolog.Nop(), prometheus.NewRegistry(), func(error) {})
	}()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("auditor: %v", err)
		}
	})
	url = "http://" + cfg.Listen.Address
	until(t, "history is kept", func() error {
		p, err := auditor.Client{BaseURL: url}.Events(t.Context(), auditor.Filter{})
		if err == nil && len(p.Events) != len(kept) {
			err = fmt.Errorf("%d of %d events", len(p.Events), len(kept))
		}
		return err
	})
	return url, kept
}

func lastOf(t *testing.T, b *bus.Bus, e events.Event) uint64 {
	t.Helper()
	r, _, err := b.Last(t.Context(), e.Payload.Stage(), e.Cloud, e.Key)
	if err != nil {
		t.Fatal(err)
	}
	return r.Sequence
}

func TestHistory(t *testing.T) {
	url, kept := serveHistory(t)
	ask := func(args ...string) string {
		t.Helper()
		got := cli(t, append(args, "--auditor", url)...)
		if got.status != 0 {
			t.Fatalf("%q: status %d: %s", args, got.status, got.err)
		}
		if strings.ContainsAny(got.out, "\x1b\a\r\x00\x7f\u009b") {
			t.Errorf("%q steers the terminal: %q", args, got.out)
		}
		return got.out
	}
	golden(t, "history.txt", ask("history"))
	golden(t, "exposures.txt", ask("get", "exposures"))
	golden(t, "change-applied.txt", ask("show", kept[0].Change))
	golden(t, "change-denied.txt", ask("show", kept[4].Change))
	golden(t, "change-failed.txt", ask("show", kept[8].Change))
	golden(t, "change-rejected.txt", ask("show", kept[7].ID))
	golden(t, "change-withdrawn.txt", ask("show", kept[11].ID))
	golden(t, "change-applied.yaml", ask("show", kept[0].Change, "-o", "yaml"))

	for _, c := range []struct {
		args []string
		want string
	}{
		{[]string{"--name", "web"}, "drifted applied approved requested"},
		{[]string{"--kind", "Service"}, "withdrawn failed approved requested"},
		{[]string{"--stage", "decided"}, "approved denied approved"},
		{[]string{"--verdict", "denied"}, "denied"},
		{[]string{"--cluster", "green"}, ""},
		{[]string{"--namespace", "shop", "--limit", "2"}, "withdrawn failed"},
		{[]string{"--since", "2026-03-01T12:10:30Z", "--until", "2026-03-01T12:11:30Z"}, "failed"},
	} {
		for _, format := range []string{"json", "yaml"} {
			var page auditor.Page
			out := []byte(ask(append([]string{"history", "-o", format}, c.args...)...))
			if format == "yaml" {
				var err error
				if out, err = yaml.YAMLToJSON(out); err != nil {
					t.Fatal(err)
				}
			}
			if err := json.Unmarshal(out, &page); err != nil {
				t.Fatalf("%q: %v", c.args, err)
			}
			var got []string
			for _, e := range page.Events {
				got = append(got, e.Verdict)
			}
			if strings.Join(got, " ") != c.want {
				t.Errorf("%s %q: %q, want %q", format, c.args, got, c.want)
			}
		}
	}
	first := ask("history", "--limit", "5")
	if !strings.Contains(first, "\nmore with --before 8\n") {
		t.Errorf("the first page does not say how to go on:\n%s", first)
	}
	if second := ask("history", "--before", "8"); strings.Count(second, "\n") != 8 || strings.Contains(second, "more with") {
		t.Errorf("the second page:\n%s", second)
	}
}

func TestHistoryRefuses(t *testing.T) {
	url, _ := serveHistory(t)
	for _, c := range []struct {
		args []string
		says string
	}{
		{[]string{"history", "--since", "yesterday"}, `--since: "yesterday"`},
		{[]string{"history", "--stage", "dreamt"}, `--stage: "dreamt"`},
		{[]string{"history", "--limit", "0"}, "--limit"},
		{[]string{"history", "-o", "xml"}, `--output "xml"`},
		{[]string{"history", "--auditor", "nowhere"}, "want a URL"},
		{[]string{"history", "--auditor", "http://" + freeAddress(t.Context(), "127.0.0.1:0")}, "does it run there?"},
		{[]string{"history", "--token-file", "/nowhere/token"}, "--token-file"},
		{[]string{"history", "--ca-file", "main.go"}, "holds no certificate"},
		{[]string{"history", "--cert-file", "/nowhere"}, "--cert-file and --key-file"},
		{[]string{"show", "0123"}, "0123"},
		{[]string{"show"}, "1 arg"},
	} {
		got := cli(t, append([]string{c.args[0], "--auditor", url}, c.args[1:]...)...)
		if got.status != 1 || !strings.Contains(got.err, c.says) || got.out != "" {
			t.Errorf("%q: %+v; want status 1 and %q", c.args, got, c.says)
		}
	}
}

// TestGapsAreTold at the end of tables, where nobody overlooks them.
func TestGapsAreTold(t *testing.T) {
	var b bytes.Buffer
	err := historyTable(&b, auditor.Page{Gaps: []auditor.Gap{{First: 4, Missed: 2, Before: 9, Reason: "aged\nout"}}})
	if err != nil || !strings.Contains(b.String(), "GAP: 2 events from sequence 4 are missing before row 9: aged out") {
		t.Errorf("%v\n%s", err, b.String())
	}
}

// TestTokenOfFile is sent, and appears nowhere else.
func TestTokenOfFile(t *testing.T) {
	const token = "a-token-that-is-long-enough"
	got := make(chan string, 1)
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		got <- r.Header.Get("Authorization")
		http.Error(w, "no", http.StatusForbidden)
	}))
	defer srv.Close()
	file := write(t, filepath.Join(t.TempDir(), "token"), token+"\n")
	answer := cli(t, "history", "--auditor", srv.URL, "--token-file", file)
	if a := <-got; a != "Bearer "+token {
		t.Errorf("Authorization: %q", a)
	}
	if answer.status != 1 || strings.Contains(answer.err, token) {
		t.Errorf("%+v", answer)
	}
}
