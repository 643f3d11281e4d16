package scenarios

import (
	"crypto/tls"
	"errors"
	"strings"
	"testing"

	"github.com/nats-io/nats.go"

	"drawbridge.dev/e2e/harness"
)

// getSecret begins the request that reads a sealed certificate.
const getSecret = "$JS.API.DIRECT.GET.KV_SECRETS.$KV.SECRETS."

// TestNATSPermissions checks that deploy/nats lets each service say what is its
// to say and nothing else.
func TestNATSPermissions(t *testing.T) {
	t.Parallel()
	server := harness.StartNATS(t, t.TempDir())
	for _, user := range []struct {
		name       string
		may, never []string
	}{
		{"watcher-blue", []string{"fleet.requested.default.blue.Service.shop.web", "fleet.rejected.default.blue.Service.shop.web",
			"$KV.SECRETS.default.blue.sha256=3Aaa", "$KV.SECRETS.other.blue.sha256=3Aaa"},
			[]string{"$KV.SECRETS.default.green.sha256=3Aaa", getSecret + "default.blue.sha256=3Aaa", getSecret + "default.green.sha256=3Aaa",
				"fleet.requested.default.green.Service.shop.web", "fleet.decided.default.blue.Service.shop.web",
				"fleet.outcome.default.blue.Service.shop.web", "$KV.LEASES.executor"}},
		{"policy", []string{"fleet.decided.default.green.Service.shop.web"},
			[]string{"$KV.SECRETS.default.blue.sha256=3Aaa", getSecret + "default.blue.sha256=3Aaa",
				"fleet.requested.default.blue.Service.shop.web", "fleet.outcome.default.blue.Service.shop.web", "$KV.LEASES.executor"}},
		{"executor-default", []string{"fleet.outcome.default.green.Service.shop.web", "fleet.drift.default.blue.Service.shop.web", "$KV.LEASES.executor",
			getSecret + "default.blue.sha256=3Aaa", getSecret + "default.green.sha256=3Aaa"},
			[]string{"$KV.SECRETS.default.blue.sha256=3Aaa", getSecret + "other.blue.sha256=3Aaa", "fleet.outcome.other.blue.Service.shop.web", "fleet.decided.default.blue.Service.shop.web", "fleet.requested.default.blue.Service.shop.web"}},
		{"auditor", nil,
			[]string{"$KV.SECRETS.default.blue.sha256=3Aaa", getSecret + "default.blue.sha256=3Aaa", "$JS.API.CONSUMER.CREATE.KV_SECRETS.x",
				"fleet.requested.default.blue.Service.shop.web", "fleet.decided.default.blue.Service.shop.web", "$KV.LEASES.executor"}},
	} {
		nc := connect(t, server, user.name)
		for _, subject := range user.may {
			if err := publish(nc, subject); err != nil {
				t.Errorf("%s may not publish on %s: %v", user.name, subject, err)
			}
		}
		refused := append(user.never, "$JS.API.STREAM.DELETE.HISTORY", "$JS.API.STREAM.PURGE.HISTORY", "$JS.API.STREAM.MSG.DELETE.HISTORY",
			"$JS.API.STREAM.DELETE.STATE", "$JS.API.STREAM.PURGE.STATE", "$JS.API.STREAM.DELETE.KV_LEASES", "$JS.API.STREAM.DELETE.KV_SECRETS",
			"$JS.API.STREAM.PURGE.KV_SECRETS", "$JS.API.STREAM.MSG.GET.KV_SECRETS", "$JS.API.DIRECT.GET.KV_SECRETS", "$SYS.REQ.SERVER.PING")
		for _, subject := range refused {
			if err := publish(nc, subject); err == nil || !strings.Contains(err.Error(), "Permissions Violation") {
				t.Errorf("%s publishes on %s: %v; want a permissions violation", user.name, subject, err)
			}
		}
	}
}

func TestNATSRefusesStrangers(t *testing.T) {
	t.Parallel()
	server := harness.StartNATS(t, t.TempDir())
	stranger := server.User(t, "stranger")
	for name, opts := range map[string][]nats.Option{
		"a certificate of no user": {nats.ClientCert(stranger["cert-file"].(string), stranger["key-file"].(string)), nats.RootCAs(stranger["ca-file"].(string))},
		"no certificate":           {nats.RootCAs(stranger["ca-file"].(string))},
		"an old version of TLS":    {nats.Secure(&tls.Config{InsecureSkipVerify: true, MaxVersion: tls.VersionTLS12})}, //nolint:gosec // the server is to refuse it
	} {
		nc, err := nats.Connect(server.URL, opts...)
		if err == nil {
			nc.Close()
			t.Errorf("%s is let in", name)
		}
	}
}

func connect(t *testing.T, server *harness.NATS, user string) *nats.Conn {
	t.Helper()
	c := server.User(t, user)
	nc, err := nats.Connect(c["url"].(string), nats.ClientCert(c["cert-file"].(string), c["key-file"].(string)), nats.RootCAs(c["ca-file"].(string)),
		nats.ErrorHandler(func(*nats.Conn, *nats.Subscription, error) {}))
	if err != nil {
		t.Fatalf("connect as %s: %v", user, err)
	}
	t.Cleanup(nc.Close)
	return nc
}

// publish sends an empty message and asks the server what it thinks of it.
func publish(nc *nats.Conn, subject string) error {
	before := nc.LastError()
	if err := nc.Publish(subject, nil); err != nil {
		return err
	}
	if err := nc.Flush(); err != nil {
		return err
	}
	if err := nc.LastError(); !errors.Is(err, before) {
		return err
	}
	return nil
}
