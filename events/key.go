package events

import (
	"errors"
	"fmt"
	"strings"
)

// Kinds of Kubernetes objects that can ask for exposure.
const (
	KindService = "Service"
	KindIngress = "Ingress"
)

// Key names one exposure across the fleet: the Kubernetes object that asks
// for it and the cluster that the object lives in. All four parts are set.
type Key struct {
	Cluster   string `json:"cluster"`
	Kind      string `json:"kind"`
	Namespace string `json:"namespace"`
	Name      string `json:"name"`
}

// String is the CloudEvents subject of the exposure: cluster/Kind/namespace/name.
// None of the parts can hold a slash, see [Key.Validate].
func (k Key) String() string {
	return strings.Join([]string{k.Cluster, k.Kind, k.Namespace, k.Name}, "/")
}

// ParseKey is the inverse of [Key.String].
func ParseKey(s string) (Key, error) {
	p := strings.Split(s, "/")
	if len(p) != 4 {
		return Key{}, fmt.Errorf("key %q: want cluster/Kind/namespace/name", s)
	}
	k := Key{Cluster: p[0], Kind: p[1], Namespace: p[2], Name: p[3]}
	return k, k.Validate()
}

// Validate refuses a key with an empty part, or a part that holds a slash,
// a control character, a blank at either end (message headers do not keep it) or
// more than 253 bytes (the longest Kubernetes name).
func (k Key) Validate() error {
	var errs []error
	for _, p := range []struct{ field, value string }{
		{"cluster", k.Cluster}, {"kind", k.Kind}, {"namespace", k.Namespace}, {"name", k.Name},
	} {
		if err := validToken(p.value); err != nil {
			errs = append(errs, fmt.Errorf("key field %s: %w", p.field, err))
		}
	}
	return errors.Join(errs...)
}

func validToken(s string) error {
	switch {
	case s == "":
		return errors.New("is empty")
	case len(s) > 253:
		return fmt.Errorf("has %d bytes, at most 253 are allowed", len(s))
	case s != strings.TrimSpace(s):
		return fmt.Errorf("%q begins or ends with a blank", s)
	}
	for _, r := range s {
		if r == '/' || r < 0x20 || r == 0x7f || r == '\uFFFD' {
			return fmt.Errorf("%q holds %q, which no name may", s, r)
		}
	}
	return nil
}
