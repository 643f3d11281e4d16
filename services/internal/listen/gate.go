package listen

import (
	"crypto/sha256"
	"crypto/subtle"
	"fmt"
	"net"
	"net/http"
	"os"
	"strings"

	"github.com/rs/zerolog"
)

const minToken = 16 // bytes

// gate lets requests through to the handler that may pass.
type gate struct {
	c    Config
	next http.Handler
	log  zerolog.Logger
	open map[string]bool // paths that need no authentication
}

func newGate(c Config, next http.Handler, log zerolog.Logger) (*gate, error) {
	if c.TokenFile != "" {
		if _, err := readToken(c.TokenFile); err != nil {
			return nil, err
		}
	}
	return &gate{c: c, next: next, log: log, open: map[string]bool{}}, nil
}

func (g *gate) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	guarded := g.c.TokenFile != "" || g.c.ClientCAFile != ""
	switch {
	case !guarded && !localHost(r.Host):
		// A web page that has its own name resolve to 127.0.0.1 could read the answer.
		http.Error(w, fmt.Sprintf("host %q is not this machine: use 127.0.0.1 or localhost", r.Host), http.StatusMisdirectedRequest)
	case guarded && !g.open[r.URL.Path] && !g.authentic(r):
		w.Header().Set("WWW-Authenticate", "Bearer")
		http.Error(w, g.wanted(), http.StatusUnauthorized)
	default:
		g.next.ServeHTTP(w, r)
	}
}

func localHost(hostport string) bool {
	host := hostport
	if h, _, err := net.SplitHostPort(hostport); err == nil {
		host = h
	}
	return isLoopback(strings.Trim(host, "[]"))
}

// authentic reports whether the request has a verified client certificate or the token.
func (g *gate) authentic(r *http.Request) bool {
	if g.c.ClientCAFile != "" && r.TLS != nil && len(r.TLS.VerifiedChains) > 0 {
		return true
	}
	given, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	if g.c.TokenFile == "" || !ok {
		return false
	}
	want, err := readToken(g.c.TokenFile)
	if err != nil {
		g.log.Error().Err(err).Msg("nobody is let in by token")
		return false
	}
	a, b := sha256.Sum256([]byte(given)), sha256.Sum256([]byte(want))
	return subtle.ConstantTimeCompare(a[:], b[:]) == 1
}

func (g *gate) wanted() string {
	switch {
	case g.c.ClientCAFile == "":
		return "a bearer token is required"
	case g.c.TokenFile == "":
		return "a client certificate is required"
	}
	return "a client certificate or a bearer token is required"
}

func readToken(file string) (string, error) {
	b, err := os.ReadFile(file)
	if err != nil {
		return "", fmt.Errorf("token-file: %w", err)
	}
	t := strings.TrimSpace(string(b))
	if len(t) < minToken {
		return "", fmt.Errorf("token-file %q holds %d bytes: at least %d are required", file, len(t), minToken)
	}
	return t, nil
}
