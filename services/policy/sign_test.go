package policy

import (
	"encoding/base64"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/nats-io/nkeys"

	"drawbridge.dev/events"
)

func TestSignature(t *testing.T) {
	c := Config{KeyFile: filepath.Join(t.TempDir(), "keys", "policy.nk"), GenerateKey: true}
	s, err := loadSigner(c.KeyFile, c.GenerateKey)
	if err != nil {
		t.Fatal(err)
	}
	d, err := s.sign(events.Decided{Verdict: events.Approved, Wish: "w"}.Seal(ingressKey("a", "b")))
	if err != nil {
		t.Fatal(err)
	}
	public, err := PublicKey(c)
	if err != nil || public != d.Signature.Key {
		t.Fatalf("the key is %q (%v), the signature's %q", public, err, d.Signature.Key)
	}
	verifier, err := nkeys.FromPublicKey(public)
	if err != nil {
		t.Fatal(err)
	}
	sig, err := base64.StdEncoding.DecodeString(d.Signature.Value)
	if err != nil {
		t.Fatal(err)
	}
	if err := verifier.Verify([]byte(d.Digest), sig); err != nil {
		t.Error(err)
	}
	other := events.Decided{Verdict: events.Approved, Wish: "w"}.Seal(ingressKey("a", "c"))
	if verifier.Verify([]byte(other.Digest), sig) == nil {
		t.Error("the approval of one object is one of another")
	}
}

func TestKeyFile(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "policy.nk")
	if _, err := loadSigner(path, false); err == nil || !strings.Contains(err.Error(), path) {
		t.Errorf("a missing file without generate-key: got %v", err)
	}
	keys := make([]string, 8)
	var all sync.WaitGroup
	for i := range keys {
		all.Go(func() { keys[i], _ = PublicKey(Config{KeyFile: path, GenerateKey: true}) })
	}
	all.Wait()
	for _, k := range keys {
		if k == "" || k != keys[0] {
			t.Fatalf("several at once made %q", keys)
		}
	}
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v (%v), want 0600", info.Mode(), err)
	}
	if files, _ := os.ReadDir(dir); len(files) != 1 {
		t.Errorf("%d files are left, want one", len(files))
	}
	operator, err := nkeys.CreateOperator()
	if err != nil {
		t.Fatal(err)
	}
	seed, err := operator.Seed()
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{"no nkeys seed": "hello", "operator seed": string(seed)} {
		bad := filepath.Join(writeBundle(t, t.TempDir(), map[string]string{"k": text}), "k")
		_, err := loadSigner(bad, true)
		if err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: got %v", name, err)
		}
		if err != nil && strings.Contains(err.Error(), text) {
			t.Errorf("%s: the error shows the seed", name)
		}
	}
}
