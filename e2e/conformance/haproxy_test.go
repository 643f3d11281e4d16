package conformance

import (
	"bufio"
	"bytes"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"drawbridge.dev/services/sandbox/l7"
	"pgregory.net/rapid"
)

// The words that rules and requests are made of meet each other often.
var (
	hosts   = rapid.SampledFrom([]string{"a.example.org", "A.Example.org", "a.example.org:8080", "b.example.org", "x.a.example.org", "example.org"})
	paths   = rapid.SampledFrom([]string{"/", "/foo", "/foo/", "/foobar", "/foo/bar", "/FOO", "/foo/bar.jpg", "/a%20b"})
	queries = rapid.SampledFrom([]string{"", "x=/foo", "a=b&c=d"})
	headers = rapid.SampledFrom([]string{"", "one", "two, one", `"two, one", x`, "ONE"})
	cookies = rapid.SampledFrom([]string{"", "c=one", "b=two; c=one", "c=two; c=one", `c="one"`})
	regexes = rapid.SampledFrom([]string{`^a\.example\.org(:[0-9]+)?$`, `^[^.]+\.example\.org(:[0-9]+)?$`, `^/foo(/|$)`, `^/foo$`, "oo", `jpg$`, "^one$"})
	plains  = rapid.SampledFrom([]string{"a.example.org", "example.org", "/foo", "/", "one", "two", "foo", "bar"})
)

func drawPolicies(t *rapid.T) []l7.Policy {
	var out []l7.Policy
	for i := range rapid.IntRange(0, 6).Draw(t, "policies") {
		p := l7.Policy{
			ID: fmt.Sprintf("p%d", i), Position: i + 1, Pool: fmt.Sprintf("pool%d", i), URL: fmt.Sprintf("http://u%d.example.org/", i), Prefix: fmt.Sprintf("http://p%d.example.org", i),
			Action: rapid.SampledFrom([]string{"REJECT", "REDIRECT_TO_URL", "REDIRECT_PREFIX", "REDIRECT_TO_POOL", "REDIRECT_TO_POOL"}).Draw(t, "action"),
		}
		if p.Action == "REDIRECT_TO_URL" || p.Action == "REDIRECT_PREFIX" {
			p.Code = rapid.SampledFrom([]int{301, 302, 303, 307, 308}).Draw(t, "code")
		}
		for range rapid.IntRange(0, 3).Draw(t, "rules") {
			r := l7.Rule{
				Type:    rapid.SampledFrom([]string{"HOST_NAME", "HOST_NAME", "PATH", "PATH", "FILE_TYPE", "HEADER", "COOKIE"}).Draw(t, "type"),
				Compare: rapid.SampledFrom([]string{"EQUAL_TO", "STARTS_WITH", "ENDS_WITH", "CONTAINS", "REGEX"}).Draw(t, "compare"),
				Value:   plains.Draw(t, "value"), Invert: rapid.Bool().Draw(t, "invert"),
			}
			if r.Type == "FILE_TYPE" && r.Compare != "EQUAL_TO" || r.Compare == "REGEX" {
				r.Compare, r.Value = "REGEX", regexes.Draw(t, "regex")
			}
			switch r.Type {
			case "HEADER":
				r.Key = "X-A"
			case "COOKIE":
				r.Key = "c"
			}
			p.Rules = append(p.Rules, r)
		}
		out = append(out, p)
	}
	return out
}

// frontend is the configuration that Octavia's template macros.j2 writes for a
// listener; a pool answers with its name.
func frontend(socket string, n int, policies []l7.Policy, fallback string) string {
	var b, backends strings.Builder
	fmt.Fprintf(&b, "frontend f%d\n bind unix@%s\n mode http\n", n, socket)
	backend := func(pool string) string {
		name := fmt.Sprintf("f%d-%s", n, pool)
		fmt.Fprintf(&backends, "backend %s\n mode http\n http-request return status 200 content-type text/plain string %s\n", name, pool)
		return name
	}
	for _, p := range policies {
		if len(p.Rules) == 0 {
			continue
		}
		list := ""
		for i, r := range p.Rules {
			id := fmt.Sprintf("f%d-%s-r%d", n, p.ID, i)
			fmt.Fprintf(&b, " acl %s %s %s %s\n", id, fetch(r), map[string]string{
				"REGEX": "-m reg", "STARTS_WITH": "-m beg", "ENDS_WITH": "-m end", "CONTAINS": "-m sub", "EQUAL_TO": "-m str",
			}[r.Compare], strings.NewReplacer(`\`, `\\`, " ", `\ `).Replace(r.Value))
			list += " "
			if r.Invert {
				list += "!"
			}
			list += id
		}
		switch p.Action {
		case "REJECT":
			fmt.Fprintf(&b, " http-request deny if%s\n", list)
		case "REDIRECT_TO_URL":
			fmt.Fprintf(&b, " redirect code %d location %s if%s\n", p.Code, p.URL, list)
		case "REDIRECT_PREFIX":
			fmt.Fprintf(&b, " redirect code %d prefix %s if%s\n", p.Code, p.Prefix, list)
		case "REDIRECT_TO_POOL":
			fmt.Fprintf(&b, " use_backend %s if%s\n", backend(p.Pool), list)
		}
	}
	if fallback != "" {
		fmt.Fprintf(&b, " default_backend %s\n", backend(fallback))
	}
	return b.String() + backends.String()
}

func fetch(r l7.Rule) string {
	switch r.Type {
	case "HOST_NAME":
		return "req.hdr(host) -i"
	case "PATH":
		return "path"
	case "FILE_TYPE":
		return "path_end"
	case "HEADER":
		return "req.hdr(" + r.Key + ")"
	}
	return "req.cook(" + r.Key + ")"
}

// TestHAProxy sends random requests through a real HAProxy that is configured
// as Octavia does it, and asks the sandbox's evaluator the same.
func TestHAProxy(t *testing.T) {
	program, err := exec.LookPath("haproxy")
	if err != nil {
		if os.Getenv("DRAWBRIDGE_E2E_REQUIRE_LAB") != "" {
			t.Fatal("haproxy is not installed, and DRAWBRIDGE_E2E_REQUIRE_LAB asks for the real programs")
		}
		t.Skip("needs haproxy, which e2e/lab/up installs")
	}
	dir := t.TempDir()
	const listeners = 60
	var config strings.Builder
	config.WriteString("defaults\n timeout client 10s\n timeout server 10s\n timeout connect 10s\n")
	tables, text := make([]*l7.Table, listeners), make([]string, listeners)
	for i := range tables {
		policies := rapid.Custom(drawPolicies).Example(i)
		fallback := []string{"", "main"}[i%2]
		tables[i] = l7.New(policies, fallback)
		text[i] = frontend(socketOf(dir, i), i, policies, fallback)
		config.WriteString(text[i])
	}
	file := filepath.Join(dir, "haproxy.cfg")
	if err := os.WriteFile(file, []byte(config.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(program, "-db", "-f", file)
	var said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &said, &said
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	for end := time.Now().Add(20 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		if conn, err := net.Dial("unix", socketOf(dir, listeners-1)); err == nil {
			conn.Close()
			break
		}
		if time.Now().After(end) {
			t.Fatalf("haproxy does not start:\n%s", said.String())
		}
	}
	for i, table := range tables {
		for n := range 40 {
			seed := i*1000 + n
			r := l7.Request{Host: hosts.Example(seed), Path: paths.Example(seed + 1), Query: queries.Example(seed + 2), Header: map[string][]string{}}
			if h := headers.Example(seed + 3); h != "" {
				r.Header["X-A"] = []string{h}
			}
			if c := cookies.Example(seed + 4); c != "" {
				r.Header["Cookie"] = []string{c}
			}
			want := ask(t, socketOf(dir, i), r)
			if got := told(table.Route(r)); got != want {
				t.Errorf("%+v: haproxy says %q, the sandbox %q, by\n%s", r, want, got, text[i])
			}
		}
	}
}

func socketOf(dir string, n int) string { return filepath.Join(dir, fmt.Sprintf("s%d", n)) }

// told is a decision in one line.
func told(d l7.Decision) string {
	if d.Pool != "" {
		return d.Pool
	}
	return strings.TrimSpace(fmt.Sprint(d.Status, " ", d.Location))
}

func ask(t *testing.T, socket string, r l7.Request) string {
	t.Helper()
	conn, err := net.Dial("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	target := r.Path
	if r.Query != "" {
		target += "?" + r.Query
	}
	fmt.Fprintf(conn, "GET %s HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n", target, r.Host)
	for name, values := range r.Header {
		fmt.Fprintf(conn, "%s: %s\r\n", name, values[0])
	}
	fmt.Fprint(conn, "\r\n")
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode == http.StatusOK {
		var body bytes.Buffer
		if _, err := body.ReadFrom(resp.Body); err != nil {
			t.Fatal(err)
		}
		return body.String()
	}
	return strings.TrimSpace(fmt.Sprint(resp.StatusCode, " ", resp.Header.Get("Location")))
}
