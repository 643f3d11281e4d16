package bus_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"drawbridge.dev/services/internal/bus"
)

func TestSecrets(t *testing.T) {
	_, b, js := start(t, bus.Streams{})
	ctx := t.Context()
	const digest = "sha256:aa"
	has := func(cloud, cluster, want string, stands bool) {
		t.Helper()
		got, ok, err := b.Secret(ctx, cloud, cluster, digest)
		if err != nil || ok != stands || string(got) != want {
			t.Errorf("%s of %s in %s is %q, %t, %v; want %q, %t", digest, cluster, cloud, got, ok, err, want, stands)
		}
	}
	has("default", "blue", "", false)
	put := func(cloud, cluster, digest, sealed string) {
		t.Helper()
		if err := b.PutSecret(ctx, cloud, cluster, digest, []byte(sealed)); err != nil {
			t.Fatal(err)
		}
	}
	put("default", "blue", digest, "first")
	put("default", "blue", digest, "again") // sealed anew it is another text
	put("default", "blue.prod", digest, "of a name with a dot")
	put("other", "blue", "sha256:bb", "elsewhere")
	put("default", "blue", "sha256:bb", "second")
	has("default", "blue", "again", true)
	has("default", "blue.prod", "of a name with a dot", true)
	has("other", "blue", "", false)

	list := func(cloud, cluster string) []string {
		t.Helper()
		got, err := b.Secrets(ctx, cloud, cluster)
		if err != nil {
			t.Fatal(err)
		}
		return got
	}
	for _, c := range []struct {
		cloud, cluster string
		want           []string
	}{
		{"default", "blue", []string{digest, "sha256:bb"}}, {"default", "blue.prod", []string{digest}},
		{"other", "blue", []string{"sha256:bb"}}, {"other", "green", nil},
	} {
		if diff := cmp.Diff(c.want, list(c.cloud, c.cluster)); diff != "" {
			t.Errorf("%s in %s (-want +got):\n%s", c.cluster, c.cloud, diff)
		}
	}
	for range 2 { // what is not there can be deleted, too
		if err := b.DeleteSecret(ctx, "default", "blue", digest); err != nil {
			t.Fatal(err)
		}
		has("default", "blue", "", false)
	}
	has("default", "blue.prod", "of a name with a dot", true)
	within(t, "the marker of a deletion goes", func() bool { return !slices.Contains(list("default", "blue"), digest) })
	put("default", "blue", digest, "back")
	has("default", "blue", "back", true)

	s, err := js.Stream(ctx, bus.SecretStream)
	if err != nil {
		t.Fatal(err)
	}
	if n := s.CachedInfo().State.Msgs; n != 4 {
		t.Errorf("the bucket has %d messages, want the 4 that stand: old ones must not stay", n)
	}
	if _, last, err := b.History(ctx); err != nil || last != 0 {
		t.Errorf("history has %d records, %v: none of a secret may be there", last, err)
	}
}

func TestSecretsRefused(t *testing.T) {
	_, b, js := start(t, bus.Streams{})
	err := b.PutSecret(t.Context(), "default", "blue", "sha256:aa", make([]byte, 2<<20))
	if !errors.Is(err, bus.ErrTooLarge) {
		t.Errorf("2 MB: %v", err)
	}
	if err := js.DeleteStream(t.Context(), bus.SecretStream); err != nil {
		t.Fatal(err)
	}
	if _, ok, err := b.Secret(t.Context(), "default", "blue", "sha256:aa"); err == nil || ok || !strings.Contains(err.Error(), bus.SecretStream) {
		t.Errorf("without the bucket: %t, %v; that must not look like a secret that is not there", ok, err)
	}
	if _, err := b.Secrets(t.Context(), "default", "blue"); err == nil {
		t.Error("without the bucket its secrets are listed")
	}
	if err := b.EnsureStreams(t.Context(), bus.Streams{}); err != nil {
		t.Fatal(err)
	}
	if err := b.PutSecret(t.Context(), "default", "blue", "sha256:aa", []byte("x")); err != nil {
		t.Error(err)
	}
}
