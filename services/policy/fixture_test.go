package policy

import (
	"context"
	"os"
	"path/filepath"
	"testing"
	"time"

	"drawbridge.dev/events"
)

var wishTime = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

func ingressKey(namespace, name string) events.Key {
	return events.Key{Cluster: "c1", Kind: events.KindIngress, Namespace: namespace, Name: name}
}

// site is a public web site at the hosts.
func site(k events.Key, hosts ...string) events.Exposure {
	backend := k.Namespace + "/web:80"
	l := events.Listener{Protocol: events.HTTP, Port: 80, Backend: backend}
	for _, h := range hosts {
		l.Routes = append(l.Routes, events.Route{Host: h, Path: "/", PathType: events.PathPrefix, Backend: backend})
	}
	return events.Exposure{Key: k, UID: "uid-" + k.Name, Cloud: "default", Listeners: []events.Listener{l},
		Backends: []events.Backend{{Name: backend, Protocol: events.HTTP,
			Members: []events.Member{{Name: "node-1", Address: "10.0.0.1", Port: 30080}}}}}.Normalize()
}

// serviceOf is a public Service of namespace shop with one port.
func serviceOf(p events.Protocol, port int, name string) events.Exposure {
	k := events.Key{Cluster: "c1", Kind: events.KindService, Namespace: "shop", Name: name}
	backend := "shop/" + name + ":1"
	e := events.Exposure{Key: k, UID: "uid-" + name, Cloud: "default",
		Listeners: []events.Listener{{Protocol: p, Port: port, Backend: backend}},
		Backends: []events.Backend{{Name: backend, Protocol: p,
			Members: []events.Member{{Name: "node-1", Address: "10.0.0.1", Port: 30080}}}}}
	if p.Routed() {
		e.Backends[0].Protocol = events.HTTP
	}
	if p == events.TerminatedHTTPS {
		e.Listeners[0].TLS = &events.TLS{Certificates: []events.Certificate{certificate("2030-01-01T00:00:00Z")}}
	}
	return e.Normalize()
}

func certificate(notAfter string) events.Certificate {
	return events.Certificate{Digest: events.Digest(notAfter), Secret: "shop/cert", NotAfter: notAfter}
}

func grouped(group string, e events.Exposure) events.Exposure {
	e.Group = group
	return e
}

func atAddress(floating string, e events.Exposure) events.Exposure {
	e.FloatingIP.Address = floating
	return e
}

var publicNamespace = events.Object{NamespaceLabels: map[string]string{"drawbridge.dev/public": "true"}}

func wish(e events.Exposure, o events.Object) events.Requested {
	return events.Requested{Exposure: &e, Object: o}.Seal()
}

// writeBundle writes a bundle folder of files and their text.
func writeBundle(t testing.TB, dir string, files map[string]string) string {
	t.Helper()
	for name, text := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

const manifest = `{"revision": "r1", "roots": ["drawbridge"], "rego_version": 1}`

// engineOf is the engine of a bundle with one module; empty: the built-in bundle.
// It has all the time that a machine at its limit needs for an evaluation.
func engineOf(t testing.TB, rego string) *Engine {
	t.Helper()
	c := Config{Timeout: time.Minute}
	if rego != "" {
		c.Bundle = writeBundle(t, t.TempDir(), map[string]string{".manifest": manifest, "a.rego": rego})
	}
	e, err := NewEngine(context.Background(), c)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// ask is the question for a wish of which nothing stands and nobody holds anything.
func ask(e events.Exposure, o events.Object) Question {
	return Question{Key: e.Key, Cloud: e.Cloud, Wish: wish(e, o), Time: wishTime,
		Holdings: NewInventory().For(e.Cloud, e.Key)}
}
