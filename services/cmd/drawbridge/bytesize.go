package main

import (
	"fmt"

	"gopkg.in/yaml.v3"
	"k8s.io/apimachinery/pkg/api/resource"
)

// byteSize is a number of bytes, written as Kubernetes writes quantities: 512Mi, 10Gi, 1G.
type byteSize int64

// UnmarshalYAML implements [yaml.Unmarshaler].
func (b *byteSize) UnmarshalYAML(n *yaml.Node) error {
	q, err := resource.ParseQuantity(n.Value)
	if err != nil || q.Sign() < 0 {
		return &yaml.TypeError{Errors: []string{fmt.Sprintf("line %d: %q is no size: write 512Mi, 10Gi or a number of bytes", n.Line, n.Value)}}
	}
	*b = byteSize(q.Value())
	return nil
}
