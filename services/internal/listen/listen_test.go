package listen_test

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"drawbridge.dev/services/internal/listen"
)

const token = "0123456789abcdef"

func TestValidate(t *testing.T) {
	tls := listen.Config{CertFile: "c", KeyFile: "k"}
	with := func(c listen.Config, address, ca, token string) listen.Config {
		c.Address, c.ClientCAFile, c.TokenFile = address, ca, token
		return c
	}
	for _, tt := range []struct {
		c    listen.Config
		want string // part of the error; empty: it is good
	}{
		{listen.Config{Address: "127.0.0.1:80"}, ""},
		{listen.Config{Address: "127.9.8.7:80"}, ""},
		{listen.Config{Address: "[::1]:80"}, ""},
		{listen.Config{Address: "localhost:0"}, ""},
		{with(listen.Config{}, "127.0.0.1:80", "", "t"), ""},
		{with(tls, "127.0.0.1:80", "", ""), ""},
		{with(tls, "0.0.0.0:80", "ca", ""), ""},
		{with(tls, "hub.example.org:80", "", "t"), ""},
		{with(tls, ":80", "ca", "t"), ""},
		{listen.Config{}, "address"},
		{listen.Config{Address: "127.0.0.1"}, "host:port"},
		{listen.Config{Address: "127.0.0.1:1", CertFile: "c"}, "key-file"},
		{listen.Config{Address: "127.0.0.1:1", KeyFile: "k"}, "cert-file"},
		{with(listen.Config{}, "127.0.0.1:1", "ca", ""), "client-ca-file"},
		{listen.Config{Address: ":80"}, "not loopback: set cert-file"},
		{listen.Config{Address: "0.0.0.0:80"}, "not loopback"},
		{listen.Config{Address: "[::]:80"}, "not loopback"},
		{listen.Config{Address: "10.0.0.1:80", TokenFile: "t"}, "set cert-file"},
		{listen.Config{Address: "localhost.example.org:80"}, "not loopback"},
		{with(tls, "10.0.0.1:80", "", ""), "client-ca-file or token-file"},
	} {
		err := tt.c.Validate()
		if (tt.want == "") != (err == nil) || err != nil && !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%+v: error %v, want %q", tt.c, err, tt.want)
		}
	}
}

// files are a server's certificate for loopback, an authority with a client, and a token.
type files struct {
	dir    string
	server *x509.CertPool
	client tls.Certificate
	listen.Config
}

func newFiles(t *testing.T) files {
	t.Helper()
	dir := t.TempDir()
	f := files{dir: dir, server: x509.NewCertPool()}
	f.Config = listen.Config{CertFile: filepath.Join(dir, "tls.crt"), KeyFile: filepath.Join(dir, "tls.key"),
		ClientCAFile: filepath.Join(dir, "ca.crt"), TokenFile: filepath.Join(dir, "token")}
	f.writeServer(t)
	ca, caKey := certificate(t, nil, nil, "ca")
	cert, key := certificate(t, ca, caKey, "client")
	f.client = tls.Certificate{Certificate: [][]byte{cert.Raw}, PrivateKey: key}
	write(t, f.ClientCAFile, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: ca.Raw}))
	write(t, f.TokenFile, []byte(token+"\n"))
	return f
}

// writeServer gives the server another certificate, and the clients trust in it.
func (f files) writeServer(t *testing.T) *x509.Certificate {
	t.Helper()
	cert, key := certificate(t, nil, nil, "server")
	der, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	write(t, f.CertFile, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert.Raw}))
	write(t, f.KeyFile, pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: der}))
	f.server.AddCert(cert)
	return cert
}

func write(t *testing.T, name string, b []byte) {
	t.Helper()
	if err := os.WriteFile(name, b, 0o600); err != nil {
		t.Fatal(err)
	}
}

// certificate is signed by parent, or by itself.
func certificate(t *testing.T, parent *x509.Certificate, parentKey *ecdsa.PrivateKey, name string) (*x509.Certificate, *ecdsa.PrivateKey) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	serial, err := rand.Int(rand.Reader, big.NewInt(1<<62))
	if err != nil {
		t.Fatal(err)
	}
	c := &x509.Certificate{SerialNumber: serial, Subject: pkix.Name{CommonName: name}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: parent == nil, BasicConstraintsValid: true, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}}
	if parent == nil {
		parent, parentKey = c, key
	}
	der, err := x509.CreateCertificate(rand.Reader, c, parent, &key.PublicKey, parentKey)
	if err != nil {
		t.Fatal(err)
	}
	if c, err = x509.ParseCertificate(der); err != nil {
		t.Fatal(err)
	}
	return c, key
}

var hello = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, "hello "+r.URL.Path) })

// serve starts a listener that ends with the test, without an error.
func serve(t *testing.T, c listen.Config, h http.Handler, opts ...listen.Option) *listen.Listener {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	l, err := listen.Serve(ctx, c, h, zerolog.Nop(), opts...)
	if err != nil {
		cancel()
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cancel()
		if err := l.Wait(); err != nil {
			t.Error(err)
		}
	})
	return l
}

func (f files) httpClient(withCert bool) *http.Client {
	c := &tls.Config{RootCAs: f.server, MinVersion: tls.VersionTLS12}
	if withCert {
		c.Certificates = []tls.Certificate{f.client}
	}
	return &http.Client{Transport: &http.Transport{TLSClientConfig: c, DisableKeepAlives: true}}
}

func get(t *testing.T, c *http.Client, url, bearer, host string) int {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	if bearer != "" {
		req.Header.Set("Authorization", bearer)
	}
	req.Host = host
	resp, err := c.Do(req)
	if err != nil {
		t.Log(err)
		return 0
	}
	defer resp.Body.Close()
	if resp.StatusCode == http.StatusUnauthorized && resp.Header.Get("WWW-Authenticate") == "" {
		t.Error("401 without WWW-Authenticate")
	}
	return resp.StatusCode
}

func TestWhoIsLetIn(t *testing.T) {
	f := newFiles(t)
	tests := []struct {
		name      string
		ca, token bool
		tls       bool
		address   string
		path      string
		cert      bool
		bearer    string
		want      int // 0: no answer
	}{
		{"loopback is plain and open", false, false, false, "127.0.0.1:0", "/", false, "", 200},
		{"IPv6 loopback", false, false, false, "[::1]:0", "/", false, "", 200},
		{"loopback with token, none given", false, true, false, "127.0.0.1:0", "/", false, "", 401},
		{"loopback with token", false, true, false, "127.0.0.1:0", "/", false, "Bearer " + token, 200},
		{"token", false, true, true, "0.0.0.0:0", "/", false, "Bearer " + token, 200},
		{"no token", false, true, true, "0.0.0.0:0", "/", false, "", 401},
		{"wrong token", false, true, true, "0.0.0.0:0", "/", false, "Bearer " + token + "x", 401},
		{"empty token", false, true, true, "0.0.0.0:0", "/", false, "Bearer ", 401},
		{"token by another scheme", false, true, true, "0.0.0.0:0", "/", false, "Basic " + token, 401},
		{"a certificate where only a token counts", false, true, true, "0.0.0.0:0", "/", true, "", 401},
		{"certificate", true, false, true, "0.0.0.0:0", "/", true, "", 200},
		{"no certificate", true, false, true, "0.0.0.0:0", "/", false, "", 401},
		{"a token where only a certificate counts", true, false, true, "0.0.0.0:0", "/", false, "Bearer " + token, 401},
		{"both configured, certificate", true, true, true, "0.0.0.0:0", "/", true, "", 200},
		{"both configured, token", true, true, true, "0.0.0.0:0", "/", false, "Bearer " + token, 200},
		{"both configured, neither", true, true, true, "0.0.0.0:0", "/", false, "", 401},
		{"open path", true, true, true, "0.0.0.0:0", "/livez", false, "", 200},
		{"below an open path", true, true, true, "0.0.0.0:0", "/livez/x", false, "", 401},
		{"around an open path", true, true, true, "0.0.0.0:0", "/livez/../secret", false, "", 401},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := listen.Config{Address: tt.address}
			scheme := "http"
			if tt.tls {
				c.CertFile, c.KeyFile, scheme = f.CertFile, f.KeyFile, "https"
			}
			if tt.ca {
				c.ClientCAFile = f.ClientCAFile
			}
			if tt.token {
				c.TokenFile = f.TokenFile
			}
			l := serve(t, c, hello, listen.Open("/livez", "/readyz"))
			a := l.Addr().(*net.TCPAddr)
			host := "127.0.0.1"
			if a.IP.IsLoopback() {
				host = a.IP.String()
			}
			url := scheme + "://" + net.JoinHostPort(host, fmt.Sprint(a.Port)) + tt.path
			if got := get(t, f.httpClient(tt.cert), url, tt.bearer, ""); got != tt.want {
				t.Errorf("GET %s = %d, want %d", tt.path, got, tt.want)
			}
		})
	}
}

// An open path needs no authentication, but still TLS; a stranger's certificate is none.
func TestTLSHolds(t *testing.T) {
	f := newFiles(t)
	c := f.Config
	c.Address = "0.0.0.0:0"
	l := serve(t, c, hello, listen.Open("/livez"))
	port := l.Addr().(*net.TCPAddr).Port
	if got := get(t, http.DefaultClient, fmt.Sprintf("http://127.0.0.1:%d/livez", port), "", ""); got != http.StatusBadRequest {
		t.Errorf("plain HTTP on a TLS port = %d, want 400", got)
	}
	cert, key := certificate(t, nil, nil, "stranger")
	f.client = tls.Certificate{Certificate: [][]byte{cert.Raw}, PrivateKey: key}
	if got := get(t, f.httpClient(true), fmt.Sprintf("https://127.0.0.1:%d/", port), "", ""); got == http.StatusOK {
		t.Error("a client certificate of an unknown authority is let in")
	}
}

func TestHostOfAnother(t *testing.T) {
	l := serve(t, listen.Config{Address: "127.0.0.1:0"}, hello)
	url := "http://" + l.Addr().String() + "/"
	for host, want := range map[string]int{"": 200, "localhost": 200, "localhost:99": 200, "[::1]:8": 200, "[::1]": 200,
		"evil.example.org": 421, "10.0.0.1:80": 421, "127.0.0.1.example.org": 421} {
		if got := get(t, http.DefaultClient, url, "", host); got != want {
			t.Errorf("Host %q = %d, want %d", host, got, want)
		}
	}
}

func TestRotation(t *testing.T) {
	f := newFiles(t)
	l := serve(t, listen.Config{Address: "127.0.0.1:0", CertFile: f.CertFile, KeyFile: f.KeyFile, TokenFile: f.TokenFile}, hello)
	url := "https://" + l.Addr().String() + "/"
	fresh := f.writeServer(t)
	c, err := tls.Dial("tcp", l.Addr().String(), &tls.Config{RootCAs: f.server})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if got := c.ConnectionState().PeerCertificates[0]; !got.Equal(fresh) {
		t.Error("the certificate of the start is served after it was replaced")
	}
	const other = "another-token-of-length"
	write(t, f.TokenFile, []byte(other))
	for bearer, want := range map[string]int{token: 401, other: 200} {
		if got := get(t, f.httpClient(false), url, "Bearer "+bearer, ""); got != want {
			t.Errorf("token %q = %d, want %d", bearer, got, want)
		}
	}
	write(t, f.TokenFile, nil) // an empty token lets nobody in
	if got := get(t, f.httpClient(false), url, "Bearer ", ""); got != 401 {
		t.Errorf("an emptied token file = %d, want 401", got)
	}
	write(t, f.CertFile, []byte("torn")) // half of a rotation: the old one serves
	if got := get(t, f.httpClient(false), url, "", ""); got != 401 {
		t.Errorf("with a torn certificate file = %d, want an answer", got)
	}
}

func TestServeRefuses(t *testing.T) {
	f := newFiles(t)
	held, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer held.Close()
	short, gone := filepath.Join(f.dir, "short"), filepath.Join(f.dir, "gone")
	write(t, short, []byte("0123456789abcde\n"))
	all := func(edit func(*listen.Config)) listen.Config {
		c := f.Config
		c.Address = "127.0.0.1:0"
		edit(&c)
		return c
	}
	for name, tt := range map[string]struct {
		c    listen.Config
		want string
	}{
		"beyond loopback":  {listen.Config{Address: "0.0.0.0:0"}, "not loopback"},
		"port taken":       {listen.Config{Address: held.Addr().String()}, "another port"},
		"no token file":    {all(func(c *listen.Config) { c.TokenFile = gone }), "token-file"},
		"short token":      {all(func(c *listen.Config) { c.TokenFile = short }), "holds 15 bytes: at least 16"},
		"no certificate":   {all(func(c *listen.Config) { c.CertFile = gone }), "cert-file"},
		"key is no key":    {all(func(c *listen.Config) { c.KeyFile = c.CertFile }), "key-file"},
		"no CA":            {all(func(c *listen.Config) { c.ClientCAFile = gone }), "client-ca-file"},
		"CA is no PEM":     {all(func(c *listen.Config) { c.ClientCAFile = short }), "client-ca-file"},
		"address is wrong": {listen.Config{Address: "nonsense"}, "host:port"},
	} {
		t.Run(name, func(t *testing.T) {
			l, err := listen.Serve(t.Context(), tt.c, hello, zerolog.Nop())
			if err == nil {
				t.Fatalf("it listens on %s", l.Addr())
			}
			if !strings.Contains(err.Error(), tt.want) {
				t.Errorf("error %q does not name %q", err, tt.want)
			}
			if strings.Contains(err.Error(), "0123456789") {
				t.Errorf("error %q tells the token", err)
			}
		})
	}
}

// A request in flight when the service stops is answered; then nothing listens.
func TestGracefulStop(t *testing.T) {
	begun, release := make(chan struct{}), make(chan struct{})
	ctx, cancel := context.WithCancel(context.Background())
	l, err := listen.Serve(ctx, listen.Config{Address: "127.0.0.1:0"}, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		close(begun)
		<-release
		if r.Context().Err() != nil {
			http.Error(w, "the stop ended the request", http.StatusInternalServerError)
		}
	}), zerolog.Nop())
	if err != nil {
		t.Fatal(err)
	}
	answered := make(chan int, 1)
	go func() { answered <- get(t, http.DefaultClient, "http://"+l.Addr().String()+"/", "", "") }()
	<-begun
	cancel()
	close(release)
	if err := l.Wait(); err != nil {
		t.Error(err)
	}
	if got := <-answered; got != http.StatusOK {
		t.Errorf("the request in flight = %d, want 200", got)
	}
	if c, err := net.Dial("tcp", l.Addr().String()); err == nil {
		c.Close()
		t.Error("it listens after it stopped")
	}
}

func TestLogHasNoToken(t *testing.T) {
	f := newFiles(t)
	var log bytes.Buffer
	ctx, cancel := context.WithCancel(context.Background())
	l, err := listen.Serve(ctx, listen.Config{Address: "127.0.0.1:0", TokenFile: f.TokenFile}, hello, zerolog.New(&log))
	if err != nil {
		t.Fatal(err)
	}
	get(t, http.DefaultClient, "http://"+l.Addr().String()+"/", "Bearer "+token, "")
	cancel()
	if err := l.Wait(); err != nil {
		t.Fatal(err)
	}
	b, err := io.ReadAll(&log)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(b), l.Addr().String()) || strings.Contains(string(b), token) {
		t.Errorf("log: %s", b)
	}
}
