package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"drawbridge.dev/services/sandbox"
)

// writes are the requests that changed the cloud since this demo began.
func (d demonstration) writes(t *testing.T) (out []string) {
	t.Helper()
	_, text, err := get(d.find(t, `a cloud on (http://\S+)`) + "/sandbox/calls")
	if err != nil {
		t.Fatal(err)
	}
	var calls []sandbox.Call
	if err := json.Unmarshal([]byte(text), &calls); err != nil || len(calls) == 0 {
		t.Fatalf("%d calls of the cloud, %v: %s", len(calls), err, text)
	}
	for _, c := range calls {
		if c.Write() {
			out = append(out, c.Method+" "+c.Path)
		}
	}
	return out
}

// find is the first group of a pattern in what the demo said.
func (d demonstration) find(t *testing.T, pattern string) string {
	t.Helper()
	m := regexp.MustCompile(pattern).FindStringSubmatch(d.out.String())
	if m == nil {
		t.Fatalf("the demo does not say %s", pattern)
	}
	return m[1]
}

// ready waits for the readiness of all services, where the log says that it is served.
func (d demonstration) ready(t *testing.T) {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(d.dir, "drawbridge.log"))
	if err != nil {
		t.Fatal(err)
	}
	var address string
	for line := range strings.Lines(string(b)) {
		var l struct{ Service, Address, Message string }
		if err := json.Unmarshal([]byte(line), &l); err == nil && l.Service == "ops" && l.Message == "listening" {
			address = l.Address
		}
	}
	until(t, "all services are ready", func() error {
		code, text, err := get("http://" + address + "/readyz")
		if err == nil && code != http.StatusOK {
			err = fmt.Errorf("%d %s", code, text)
		}
		return err
	})
}

// shell runs the lines of the table as they are printed, where there is a curl.
func (d demonstration) shell(t *testing.T) {
	t.Helper()
	lines := regexp.MustCompile(`(?m)^ +((?:curl|bash) .*)$`).FindAllStringSubmatch(d.out.String(), -1)
	if len(lines) != 5 {
		t.Errorf("%d lines for a shell, want one for each of 5 exposures", len(lines))
	}
	if _, err := exec.LookPath("curl"); err != nil {
		return
	}
	for _, l := range lines {
		out, err := exec.CommandContext(t.Context(), "bash", "-c", l[1]).CombinedOutput()
		if err != nil || !strings.Contains(string(out), "on worker-") {
			t.Errorf("%s: %v\n%s", l[1], err, out)
		}
	}
}

// commands runs the commands that are printed below the table.
func (d demonstration) commands(t *testing.T) {
	t.Helper()
	args := func(line string) []string { return strings.Fields(strings.TrimPrefix(line, "drawbridge ")) }
	history := args(d.find(t, `\n  (drawbridge history.*)\n`))
	until(t, "the auditor has kept the outcome", func() error {
		got := cli(t, append(history, "--name", "storefront", "--verdict", "applied")...)
		if got.status != 0 || strings.Count(got.out, "\n") != 2 {
			return fmt.Errorf("%+v", got)
		}
		return nil
	})
	got := cli(t, args(d.find(t, `\n  (drawbridge get exposures.*)\n`))...)
	if got.status != 0 || strings.Count(got.out, "\n") != 9 {
		t.Errorf("get exposures: %+v; want 8 of them", got)
	}
	got = cli(t, append(history, "--name", "storefront", "--verdict", "applied", "-o", "json")...)
	change := regexp.MustCompile(`"change": "(\w+)"`).FindStringSubmatch(got.out)
	if change == nil {
		t.Fatalf("no change in %+v", got)
	}
	got = cli(t, args(strings.Replace(d.find(t, `\n  (drawbridge show.*)\n`), "CHANGE", change[1], 1))...)
	if !regexp.MustCompile(`(?s)REQUESTED.*APPROVED.*signed by +\w+.*APPLIED.* 2 writes`).MatchString(got.out) {
		t.Errorf("show: %+v", got)
	}
}

// secrets looks in the log for what must not be there: the passwords of the
// cloud, the key that signs, the one that opens, and that of the certificate.
func (d demonstration) secrets(t *testing.T) {
	t.Helper()
	text := map[string]string{"drawbridge.log": "", "clouds.yaml": "", "data/policy.nk": "", "data/seal.nk": "", "cluster/checkout-tls.yaml": ""}
	for name := range text {
		file := filepath.Join(d.dir, name)
		b, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		text[name] = string(b)
		if info, err := os.Stat(file); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v, %v; want mode 0600", name, info, err)
		}
	}
	secret := []string{strings.TrimSpace(text["data/policy.nk"]), strings.TrimSpace(text["data/seal.nk"])}
	_, key, _ := strings.Cut(text["cluster/checkout-tls.yaml"], "tls.key: ")
	secret = append(secret, strings.TrimSpace(key)[:60])
	for _, m := range regexp.MustCompile(`(?:password|application_credential_secret): "?([^\s"]+)`).FindAllStringSubmatch(text["clouds.yaml"], -1) {
		secret = append(secret, m[1])
	}
	if len(secret) < 4 {
		t.Error("clouds.yaml holds no password: nothing is looked for")
	}
	for _, s := range secret {
		if strings.Contains(text["drawbridge.log"], s) {
			t.Errorf("the log holds a secret of %d bytes", len(s))
		}
	}
}
