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
	return newSeed(t, filepath.Join(folder, "policy.nk"), nkeys.CreateAccount)
}

// newSealKey makes the seed that certificates are sealed to, in a file, and its public key.
func newSealKey(t testing.TB, folder string) (file, public string) {
	t.Helper()
	return newSeed(t, filepath.Join(folder, "seal.nk"), nkeys.CreateCurveKeys)
}

func newSeed(t testing.TB, file string, create func() (nkeys.KeyPair, error)) (string, string) {
	t.Helper()
	pair, err := create()
	if err != nil {
		t.Fatal(err)
	}
	seed, err := pair.Seed()
	if err != nil {
		t.Fatal(err)
	}
	public, err := pair.PublicKey()
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, seed, 0o600); err != nil {
		t.Fatal(err)
	}
	return file, public
}
