package harness

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/nats-io/nkeys"

	"drawbridge.dev/policies"
)

// copyBundle writes the shipped bundle to a folder that a test may edit.
func copyBundle(t testing.TB, folder string) string {
	t.Helper()
	bundle := filepath.Join(folder, "bundle")
	if err := os.CopyFS(bundle, policies.Bundle); err != nil {
		t.Fatal(err)
	}
	return bundle
}

// newSigner makes the seed that policy signs with, in a file, and its public key.
func newSigner(t testing.TB, folder string) (file, public string) {
	t.Helper()
	pair, err := nkeys.CreateAccount()
	if err != nil {
		t.Fatal(err)
	}
	seed, err := pair.Seed()
	if err != nil {
		t.Fatal(err)
	}
	if public, err = pair.PublicKey(); err != nil {
		t.Fatal(err)
	}
	file = filepath.Join(folder, "policy.nk")
	if err := os.WriteFile(file, seed, 0o600); err != nil {
		t.Fatal(err)
	}
	return file, public
}
