package sandbox

import (
	"path/filepath"
	"strings"
	"testing"

	"drawbridge.dev/services/sandbox/l7"
)

// Only who has the role creator may have secrets, and only of the own project.
func TestWhoMaySecrets(t *testing.T) {
	c := start(t, Config{})
	cl := logIn(t, c, "sandbox")
	data, _ := bundle(t, "a.example.org")
	ref := strings.TrimPrefix(cl.store(data), c.URL()+"/key-manager")
	for _, tt := range []struct {
		user, method, path, words string
	}{
		{"sandbox-observer", "POST", "/v1/secrets", "Secret creation attempt"},
		{"sandbox-observer", "GET", "/v1/secrets", "Secret(s) retrieval attempt"},
		{"sandbox-observer", "GET", ref, "Secret retrieval attempt"},
		{"sandbox-norole", "DELETE", ref, "Secret deletion attempt"},
		{"sandbox-norole", "POST", "/v1/containers", "Container creation attempt"},
		{"sandbox-other", "GET", ref + "/payload", "Secret retrieval attempt"},
		{"sandbox-other", "DELETE", ref, "Secret deletion attempt"},
	} {
		status, out := logIn(t, c, tt.user).vault(tt.method, tt.path, object{})
		if words, _ := out["description"].(string); status != 403 || !strings.HasPrefix(words, tt.words) {
			t.Errorf("%s %s as %s: %d %q", tt.method, tt.path, tt.user, status, words)
		}
	}
	if n := len(c.state.Secrets); n != 1 {
		t.Errorf("there are %d secrets", n)
	}
}

// A test can ask a listener's table without sending anything.
func TestTable(t *testing.T) {
	c := start(t, Config{})
	lb := logIn(t, c, "sandbox").expose(whole("", nil)["loadbalancer"].(object))
	table, ok := c.Table(lb["listeners"].([]any)[0].(object)["id"].(string))
	if !ok {
		t.Fatal("no such listener")
	}
	for path, want := range map[string]string{"/": "main", "/api/x": "api"} {
		if got := table.Route(l7.Request{Host: "x", Path: path}); got.Pool != want {
			t.Errorf("%s goes to %+v, want %s", path, got, want)
		}
	}
	if _, ok := c.Table(nowhere); ok {
		t.Error("a table of no listener")
	}
}

// After a restart, which may be on another port, TLS is terminated as before,
// and references lead to where the secrets are.
func TestSecretsAfterRestart(t *testing.T) {
	cfg := Config{DataPlane: true, Nodes: nodes(t, nodeAt(1, 30080, "TCP")), StateFile: filepath.Join(t.TempDir(), "state.json")}
	first, err := Start(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	cl := logIn(t, first, "sandbox")
	data, _ := bundle(t, "a.example.org")
	lb := cl.expose(object{"listeners": []object{{
		"protocol": "TERMINATED_HTTPS", "protocol_port": 8443, "default_tls_container_ref": cl.store(data), "default_pool": poolOf("p", "HTTP", memberOf(1, 30080, nil)),
	}}})
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	second := start(t, cfg)
	cl = logIn(t, second, "sandbox")
	at, ok := second.Endpoint(lb["id"].(string), 8443)
	if !ok || shown(t, at.String(), "x") != "a.example.org" {
		t.Errorf("after the restart: %+v", second.Endpoints())
	}
	ref := cl.must(200, "GET", "/listeners", nil)["listeners"].([]any)[0].(object)["default_tls_container_ref"].(string)
	status, out := cl.vault("GET", strings.TrimPrefix(ref, second.URL()+"/key-manager"), nil)
	if status != 200 || out["secret_ref"] != ref {
		t.Errorf("%s: %d %v", ref, status, out)
	}
}
