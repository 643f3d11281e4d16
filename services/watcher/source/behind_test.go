package source

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/rs/zerolog"
)

// TestBehind: a Service that is heard before the Namespace of the same save is
// not looked at yet.
func TestBehind(t *testing.T) {
	dir := t.TempDir()
	text := "apiVersion: v1\nkind: Namespace\nmetadata: {name: shop}\n---\n" +
		"apiVersion: v1\nkind: Service\nmetadata: {name: web, namespace: shop}\nspec: {ports: [{port: 80}]}\n"
	if err := os.WriteFile(filepath.Join(dir, "shop.yaml"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	s, err := Folder(dir, FolderConfig{}, zerolog.Nop())
	if err != nil {
		t.Fatal(err)
	}
	until := func(what string, is func() bool) {
		t.Helper()
		for deadline := time.Now().Add(time.Minute); !is(); time.Sleep(5 * time.Millisecond) {
			if time.Now().After(deadline) {
				t.Fatalf("never: %s", what)
			}
		}
	}
	ctx := t.Context()
	go s.feed(ctx)
	go s.Services.RunWithContext(ctx)
	until("the Service is heard", func() bool { return len(s.Services.GetStore().ListKeys()) == 1 })
	if !s.Behind() {
		t.Error("the Namespace is not heard yet, and that is not said")
	}
	go s.Namespaces.RunWithContext(ctx)
	until("all is heard", func() bool { return !s.Behind() })
	if err := os.WriteFile(filepath.Join(dir, "shop.yaml"), []byte("# nothing\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	until("what is deleted is heard", func() bool { return len(s.Services.GetStore().ListKeys()) == 0 && !s.Behind() })
}
