package seal_test

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"pgregory.net/rapid"

	"drawbridge.dev/services/internal/seal"
)

func TestSealOpen(t *testing.T) {
	seed, public := receiver(t)
	other, _ := receiver(t)
	rapid.Check(t, func(t *rapid.T) {
		p := pairs[rapid.SampledFrom(names).Draw(t, "pair")]
		want, _, err := seal.Parse(p.cert, p.key)
		if err != nil {
			t.Fatal(err)
		}
		sealed, err := want.Seal(public)
		if err != nil {
			t.Fatal(err)
		}
		if bytes.Contains(sealed, body(p.key)) {
			t.Fatal("the key stands in the sealed text")
		}
		got, err := seal.Open(sealed, seed)
		if err != nil || got.Digest() != want.Digest() || !bytes.Equal(got.Key, want.Key) {
			t.Fatalf("opened %s, %v; want %s", got, err, want)
		}
		if again, err := want.Seal(public); err != nil || bytes.Equal(again, sealed) {
			t.Fatalf("sealed twice, it is the same text: %v", err)
		}
		if _, err := seal.Open(sealed, other); !errors.Is(err, seal.ErrSealed) {
			t.Fatalf("another opens it: %v", err)
		}
		i := rapid.IntRange(0, len(sealed)-1).Draw(t, "altered")
		sealed[i] ^= byte(rapid.IntRange(1, 255).Draw(t, "by"))
		if got, err := seal.Open(sealed, seed); err == nil && got.Digest() != want.Digest() {
			t.Fatalf("altered at %d it opens as %s", i, got)
		}
		if _, err := seal.Open(sealed[:i], seed); err == nil {
			t.Fatalf("the first %d bytes open", i)
		}
	})
}

func TestSealKeys(t *testing.T) {
	seed, public := receiver(t)
	if err := seal.CheckPublic(public); err != nil {
		t.Error(err)
	}
	if again, err := seal.Public(seed); err != nil || again != public {
		t.Errorf("public key of the seed is %s, %v; want %s", again, err, public)
	}
	m, _, err := seal.Parse(pairs["rsa"].cert, pairs["rsa"].key)
	if err != nil {
		t.Fatal(err)
	}
	for _, to := range []string{"", "X", string(seed), public[:55], public + "A", strings.ToLower(public), "ACURVL3NA5HD6XA6LUURAOLWIYZIKYVCU7XMDBC4HAKT75T7W5IREYKX"} {
		if err := seal.CheckPublic(to); err == nil {
			t.Errorf("%q is taken for a public key", to)
		}
		_, err := m.Seal(to)
		if err == nil {
			t.Errorf("sealed to %q", to)
		} else if strings.Contains(err.Error(), string(seed)) {
			t.Errorf("a seed given as the public key stands in the error: %v", err)
		}
	}
	for _, bad := range []string{"", "SX", public, "SAAHPQF3GOP4IP5SHKHCNBOHD5TMGSW4QQL6RTZAPEEYOQ2NRBIAKCCLQA"} {
		if _, err := seal.Open([]byte(strings.Repeat("x", 200)), []byte(bad)); err == nil || len(bad) > 2 && strings.Contains(err.Error(), bad) {
			t.Errorf("seed %q: %v", bad, err)
		}
	}
	for _, text := range []string{fmt.Sprint(m), fmt.Sprintf("%+v", m), fmt.Sprintf("%#v", m), fmt.Sprintf("%v", []any{m})} {
		if want := "certificate " + m.Digest(); strings.Trim(text, "[]") != want {
			t.Errorf("printed as %.60q, want %q", text, want)
		}
	}
}

func TestReadSeed(t *testing.T) {
	path := filepath.Join(t.TempDir(), "data", "seal.nk")
	if _, _, err := seal.ReadSeed(path, false); !errors.Is(err, os.ErrNotExist) || !strings.Contains(err.Error(), path) {
		t.Errorf("without a file: %v", err)
	}
	var wg sync.WaitGroup
	publics := make([]string, 8)
	for i := range publics {
		wg.Go(func() {
			var err error
			if _, publics[i], err = seal.ReadSeed(path, true); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	for _, p := range publics {
		if p != publics[0] || seal.CheckPublic(p) != nil {
			t.Errorf("public keys %q and %q of one file", p, publics[0])
		}
	}
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the seed has mode %v, %v", info.Mode(), err)
	}
	if left, err := filepath.Glob(filepath.Join(filepath.Dir(path), ".seed-*")); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
	if err := os.WriteFile(path, []byte("SUAHPQF3GOP4IP5SHKHCNBOHD5TMGSW4QQL6RTZAPEEYOQ2NRBIAKCCLQA"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, _, err := seal.ReadSeed(path, true); err == nil || strings.Contains(err.Error(), "SUAHP") {
		t.Errorf("a seed of another kind: %v", err)
	}
}

func receiver(t *testing.T) (seed []byte, public string) {
	t.Helper()
	seed, public, err := seal.NewKey()
	if err != nil {
		t.Fatal(err)
	}
	return seed, public
}
