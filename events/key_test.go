package events_test

import (
	"strings"
	"testing"

	"pgregory.net/rapid"

	"drawbridge.dev/events"
)

func TestKeyValidate(t *testing.T) {
	ok := shop
	tests := []struct {
		name string
		edit func(*events.Key)
		want []string // parts of the error; none: the key is good
	}{
		{"good", func(*events.Key) {}, nil},
		{"a name may hold dots and be as long as Kubernetes allows", func(k *events.Key) { k.Name = strings.Repeat("a.", 126) + "a" }, nil},
		{"empty", func(k *events.Key) { *k = events.Key{} }, []string{"key field cluster: is empty", "key field kind", "key field namespace", "key field name:"}},
		{"slash", func(k *events.Key) { k.Namespace = "a/b" }, []string{"key field namespace", "'/'"}},
		{"control character", func(k *events.Key) { k.Name = "a\nb" }, []string{"key field name", `'\n'`}},
		{"delete", func(k *events.Key) { k.Name = "a\x7fb" }, []string{"key field name"}},
		{"no UTF-8", func(k *events.Key) { k.Cluster = "a\xffb" }, []string{"key field cluster"}},
		{"leading blank", func(k *events.Key) { k.Cluster = " a" }, []string{"key field cluster", "blank"}},
		{"trailing blank", func(k *events.Key) { k.Kind = "a " }, []string{"key field kind", "blank"}},
		{"too long", func(k *events.Key) { k.Name = strings.Repeat("a", 254) }, []string{"key field name", "254 bytes", "253"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			k := ok
			tt.edit(&k)
			wantError(t, k.Validate(), tt.want)
		})
	}
}

func TestKeyRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		k := anyKey().Draw(t, "key")
		got, err := events.ParseKey(k.String())
		if err != nil || got != k {
			t.Fatalf("ParseKey(%q) = %+v, %v; want %+v", k, got, err, k)
		}
	})
}

func TestParseKeyRefuses(t *testing.T) {
	for _, s := range []string{"", "a/b/c", "a/b/c/d/e", "/b/c/d", "a//c/d", "a/b/c/", "a/b/c/\x00"} {
		if k, err := events.ParseKey(s); err == nil {
			t.Errorf("ParseKey(%q) = %+v without an error", s, k)
		}
	}
}

func FuzzParseKey(f *testing.F) {
	for _, s := range []string{"blue/Ingress/shop/web.front", "", "////", "a/b/c/d/e", "a/b/c/\xff", "a/b/ c/d", "é/日/%2F/*"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		k, err := events.ParseKey(s)
		if err != nil {
			return
		}
		if k.String() != s || k.Validate() != nil {
			t.Fatalf("ParseKey(%q) = %+v, which is written %q and validates as %v", s, k, k, k.Validate())
		}
	})
}

// wantError fails unless err holds every part; no part means no error.
func wantError(t *testing.T, err error, parts []string) {
	t.Helper()
	if len(parts) == 0 {
		if err != nil {
			t.Fatalf("unexpected error: %v", err)
		}
		return
	}
	if err == nil {
		t.Fatalf("no error, want one that names %q", parts)
	}
	for _, p := range parts {
		if !strings.Contains(err.Error(), p) {
			t.Errorf("error %q does not name %q", err, p)
		}
	}
}
