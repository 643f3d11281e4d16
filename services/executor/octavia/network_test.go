package octavia_test

import (
	"slices"
	"testing"

	"drawbridge.dev/services/executor/octavia"
	"drawbridge.dev/services/sandbox"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

func TestZones(t *testing.T)    { zones(startSandbox(t)) }
func TestLabZones(t *testing.T) { zones(startLab(t)) }

// zones are found by name, the one that either cloud has.
func zones(l *site) {
	if found, err := l.AvailabilityZones(l.Context()); err != nil || !slices.Equal(found, []string{"az1"}) {
		l.Errorf("zones are %v, %v", found, err)
	}
}

// TestSubnets: names and tags, by which a floating subnet is chosen.
func TestSubnets(t *testing.T) {
	_, cfg := start(t, sandbox.Config{FloatingSubnets: []sandbox.Subnet{{Name: "gold", Tags: []string{"fast", "dear"}}, {Name: "iron"}}})
	c := must(octavia.Connect(t.Context(), cfg))
	external := must(c.ExternalNetworks(t.Context()))[0].ID
	found := slices.DeleteFunc(must(c.Subnets(t.Context())), func(s octavia.Subnet) bool { return s.NetworkID != external })
	slices.SortFunc(found, func(a, b octavia.Subnet) int { return len(b.Tags) - len(a.Tags) })
	want := []octavia.Subnet{{Name: "gold", NetworkID: external, Tags: []string{"fast", "dear"}}, {Name: "iron", NetworkID: external}}
	if diff := cmp.Diff(want, found, cmpopts.EquateEmpty(), cmpopts.IgnoreFields(octavia.Subnet{}, "ID", "CIDR")); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	if !found[0].CIDR.IsValid() || found[0].ID == "" {
		t.Errorf("subnet is %+v", found[0])
	}
}
