package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

// demonstration is a demo that runs.
type demonstration struct {
	dir string
	out *buffer
	end func() error
}

// startDemo runs the demo in a folder, as the command does, until its table is shown.
func startDemo(t *testing.T, dir string) demonstration {
	t.Helper()
	d := demonstration{dir: dir, out: &buffer{}}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- runDemo(ctx, d.out, dir, 50*time.Millisecond) }()
	d.end = func() error {
		cancel()
		err := <-done
		done <- err
		return err
	}
	t.Cleanup(func() {
		if err := d.end(); err != nil {
			t.Errorf("demo: %v", err)
		}
		if t.Failed() {
			t.Logf("the demo said:\n%s", d.out)
		}
	})
	until(t, "the demo shows its table", d.out.holds("Ctrl-C stops.", 1))
	return d
}

var (
	curlLine = regexp.MustCompile(`curl (?:-H 'Host: (\S+)' )?(http://\S+)`)
	tlsLine  = regexp.MustCompile(`curl --cacert (\S+) --connect-to ::(\S+) (https://\S+)`)
	udpLine  = regexp.MustCompile(`/dev/udp/([0-9.]+)/(\d+)`)
	// eventLine tells of what happens while it happens.
	eventLine = regexp.MustCompile(`(?m)^\d\d:\d\d:\d\d  (\w+) `)
)

// replies follows every line that the demo offers for a shell, and gives what
// answers. One try must do.
func (d demonstration) replies(t *testing.T, text string) string {
	t.Helper()
	var out []string
	for _, m := range curlLine.FindAllStringSubmatch(text, -1) {
		out = append(out, fetch(t, m[2], m[1]))
	}
	for _, m := range tlsLine.FindAllStringSubmatch(text, -1) {
		out = append(out, fetchTLS(t, m[3], m[2], m[1]))
	}
	for _, m := range udpLine.FindAllStringSubmatch(text, -1) {
		out = append(out, echo(t, net.JoinHostPort(m[1], m[2])))
	}
	return strings.Join(out, "\n")
}

// fetch is what an HTTP server answers, its status first.
func fetch(t *testing.T, url, host string) string {
	t.Helper()
	return fetchThrough(t, url, host, &http.Transport{DisableKeepAlives: true})
}

// fetchTLS is what answers at an address to who trusts the certificate of a file alone.
func fetchTLS(t *testing.T, url, at, file string) string {
	t.Helper()
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(b) {
		t.Fatalf("%s holds no certificate", file)
	}
	return fetchThrough(t, url, "", &http.Transport{DisableKeepAlives: true, TLSClientConfig: &tls.Config{RootCAs: roots},
		DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, network, at)
		}})
}

func fetchThrough(t *testing.T, url, host string, through *http.Transport) string {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Host = host
	client := http.Client{Transport: through, Timeout: 20 * time.Second}
	a, err := client.Do(r)
	if err != nil {
		return err.Error()
	}
	defer a.Body.Close()
	b, err := io.ReadAll(a.Body)
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("%d %s", a.StatusCode, b)
}

// echo is what a UDP server answers to a greeting.
func echo(t *testing.T, address string) string {
	t.Helper()
	c, err := net.Dial("udp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if err := c.SetDeadline(time.Now().Add(20 * time.Second)); err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(c, "hello\n"); err != nil {
		t.Fatal(err)
	}
	b := make([]byte, 1<<10)
	n, err := c.Read(b)
	if err != nil {
		return err.Error()
	}
	return string(b[:n])
}

// steps is how many steps were ever taken in the demo's cloud.
func (d demonstration) steps(t *testing.T) int {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(d.dir, "drawbridge.log"))
	if err != nil {
		t.Fatal(err)
	}
	return strings.Count(string(b), `"message":"step taken"`)
}

// edit changes a manifest as an editor does that saves it whole.
func (d demonstration) edit(t *testing.T, name, from, to string) {
	t.Helper()
	file := filepath.Join(d.dir, "cluster", name)
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	changed := strings.ReplaceAll(string(b), from, to)
	if changed == string(b) {
		t.Fatalf("%s does not hold %q", name, from)
	}
	write(t, file+"~", changed)
	if err := os.Rename(file+"~", file); err != nil {
		t.Fatal(err)
	}
}

// TestDemo is what README.md promises of the demo.
func TestDemo(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "demo")
	d := startDemo(t, dir)
	for _, want := range []string{
		"denied     shop/bank", "host login.bank.com is not allowed", // while it happens
		"shop/storefront  approved  applied", "shop/bank        denied    not exposed", "games/undecided  -         invalid", // in the table
		filepath.Join(dir, "data", "history.db"),
	} {
		if !strings.Contains(d.out.String(), want) {
			t.Errorf("the demo does not say %q", want)
		}
	}
	if got := d.replies(t, d.out.String()); strings.Count(got, "200 ") != 4 || !strings.Contains(got, "games/position:7001/UDP on worker-") {
		t.Errorf("the lines for a shell answer\n%s", got)
	}
	d.shell(t)
	d.commands(t)

	d.edit(t, "games.yaml", "port: 7000", "port: 7009")
	until(t, "the edit is carried out", d.out.holds(":7009/", 1))
	said := d.out.String()
	if got := d.replies(t, said[strings.LastIndex(said, "curl "):]); !strings.Contains(got, "200 games/lobby:7009 on worker-") {
		t.Errorf("after the edit: %s", got)
	}
	broker := regexp.MustCompile(`http://\S+:1883/`).FindString(said)
	if err := os.Remove(filepath.Join(dir, "cluster", "data.yaml")); err != nil {
		t.Fatal(err)
	}
	until(t, "the load balancer is removed", d.out.holds("removed    data/broker", 1))
	until(t, "nothing answers there", func() error {
		if got := fetch(t, broker, ""); !strings.Contains(got, "refused") {
			return fmt.Errorf("%s", got)
		}
		return nil
	})
	if err := d.end(); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(d.out.String(), "stopped; start again") {
		t.Error("the end is not told")
	}

	before := d.steps(t)
	d = startDemo(t, dir)
	if got := d.replies(t, d.out.String()); strings.Count(got, "200 ") != 3 || strings.Contains(got, "503") {
		t.Errorf("started again, the lines for a shell answer\n%s", got)
	}
	d.ready(t)
	if w := d.writes(t); len(w) > 0 {
		t.Errorf("started again, it wrote to the cloud: %q", w)
	}
	d.edit(t, "games.yaml", "port: 7009", "port: 7010")
	until(t, "the next edit is carried out", d.out.holds(":7010/", 1))
	var happened []string
	for _, m := range eventLine.FindAllStringSubmatch(d.out.String(), -1) {
		happened = append(happened, m[1])
	}
	if got := strings.Join(happened, " "); got != "requested approved applied" || d.steps(t) == before {
		t.Errorf("started again it did %q with %d steps, want what the one edit needs", got, d.steps(t)-before)
	}
	if len(d.writes(t)) == 0 {
		t.Error("the edit wrote nothing to the cloud: writes are not counted")
	}
	d.secrets(t)
}
