package loadbalancer

import (
	"slices"
	"strings"

	"drawbridge.dev/events"
)

// Tag prefixes that mark what is ours. Only what carries the fleet's tag is
// ever changed or deleted.
const (
	FleetTag = "drawbridge.dev/fleet="
	KeyTag   = "drawbridge.dev/key="
	GroupTag = "drawbridge.dev/group=" // instead of KeyTag, on what several exposures share

	ProtectTag = "drawbridge.dev/protect=true"          // on a load balancer that outlives its exposure
	KeepTag    = "drawbridge.dev/keep-floating-ip=true" // on a load balancer whose floating IP outlives it
	SetTag     = "drawbridge.dev/set="                  // on a listener: a setting that was ours and not the operator's
)

const maxTag = 255 // bytes, of an Octavia tag and of a Neutron description

// Owner says whose a thing in the cloud is.
type Owner struct {
	Fleet string
	Key   events.Key
}

// Tags are the Octavia tags of what belongs to the owner.
func (o Owner) Tags() []string { return []string{FleetTag + o.Fleet, o.KeyTag()} }

// KeyTag is the tag that names the key. A key that no tag can hold, because it
// is too long or has a comma (which separates tags in a query), stands there as
// its digest.
func (o Owner) KeyTag() string {
	k := o.Key.String()
	if len(KeyTag)+len(k) > maxTag || strings.ContainsFunc(k, func(r rune) bool { return r == ',' || r <= ' ' || r > '~' }) {
		k = events.Digest(k)
	}
	return KeyTag + k
}

// Description is the ownership of a floating IP: Neutron takes a description
// with a create, but no tags (Neutron API: "Attribute 'tags' not allowed in POST").
func (o Owner) Description() string {
	d := strings.Join(o.Tags(), " ")
	if len(d) > maxTag {
		d = FleetTag + o.Fleet + " " + KeyTag + events.Digest(o.Key.String())
	}
	return d
}

// Owns says whether tags mark the owner's.
func (o Owner) Owns(tags []string) bool {
	return slices.Contains(tags, FleetTag+o.Fleet) && slices.Contains(tags, o.KeyTag())
}

// Name is the cosmetic name of the owner's load balancer.
func (o Owner) Name() string {
	n := strings.Join([]string{"drawbridge", o.Key.Cluster, o.Key.Namespace, o.Key.Name}, "_")
	return n[:min(len(n), MaxName)]
}
