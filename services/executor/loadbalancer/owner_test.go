package loadbalancer_test

import (
	"strings"
	"testing"

	"drawbridge.dev/events"
	"drawbridge.dev/services/executor/loadbalancer"
)

func TestOwner(t *testing.T) {
	long := strings.Repeat("n", 253)
	for _, tt := range []struct {
		name string
		key  events.Key
		tag  string // beginning of the key's tag
	}{
		{"plain", events.Key{Cluster: "c", Kind: "Service", Namespace: "n", Name: "web"}, "drawbridge.dev/key=c/Service/n/web"},
		{"long", events.Key{Cluster: "c", Kind: "Service", Namespace: "n", Name: long}, "drawbridge.dev/key=sha256:"},
		{"comma", events.Key{Cluster: "a,b", Kind: "Service", Namespace: "n", Name: "web"}, "drawbridge.dev/key=sha256:"},
		{"blank", events.Key{Cluster: "a b", Kind: "Service", Namespace: "n", Name: "web"}, "drawbridge.dev/key=sha256:"},
		{"longest that fits", events.Key{Cluster: "c", Kind: "Service", Namespace: "n", Name: long[:224]}, "drawbridge.dev/key=c/Service/n/"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			o := loadbalancer.Owner{Fleet: strings.Repeat("f", 63), Key: tt.key}
			if !strings.HasPrefix(o.Tag(), tt.tag) || len(o.Tag()) > 255 {
				t.Errorf("tag is %q", o.Tag())
			}
			if d := o.Description(); len(d) > 255 || !strings.HasPrefix(d, "drawbridge.dev/fleet="+o.Fleet+" drawbridge.dev/key=") {
				t.Errorf("description is %q", d)
			}
			if len(o.Name()) > 255 {
				t.Errorf("name has %d bytes", len(o.Name()))
			}
			other := loadbalancer.Owner{Fleet: "g", Key: tt.key}
			if !o.Owns(append([]string{"x"}, o.Tags()...)) || other.Owns(o.Tags()) || o.Owns(nil) {
				t.Error("tags do not tell whose it is")
			}
		})
	}
}
