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

	// MemberTag and the key of an exposure, on the load balancer of a group: its part
	// stands there, or is about to. One that goes is taken off last.
	MemberTag = "drawbridge.dev/for="

	AdoptedTag = "drawbridge.dev/adopted=true"          // on a load balancer that another made: names are left as they are
	ProtectTag = "drawbridge.dev/protect=true"          // on a load balancer that outlives its exposure
	KeepTag    = "drawbridge.dev/keep-floating-ip=true" // on a load balancer whose floating IP outlives it
	SetTag     = "drawbridge.dev/set="                  // on a listener: a setting that was ours and not the operator's
)

// OurTags begin with it: every tag that this system writes for itself.
const OurTags = "drawbridge.dev/"

const maxTag = 255 // bytes, of an Octavia tag and of a Neutron description

// Owner says whose a thing in the cloud is: one exposure's, or with Group set
// all exposures' of that group. Key is then of use for messages only.
type Owner struct {
	Fleet string
	Key   events.Key
	Group string
}

// Tags are the Octavia tags of what belongs to the owner.
func (o Owner) Tags() []string { return []string{FleetTag + o.Fleet, o.Tag()} }

// Tag is the one of the owner's tags that no other owner in the fleet has. A key
// that no tag can hold, because it is too long or has a comma (which separates
// tags in a query), stands there as its digest.
func (o Owner) Tag() string {
	if o.Group != "" {
		return GroupTag + o.Group
	}
	return KeyTag + KeyText(o.Key)
}

// KeyText is what tags say of a key: the key, or its digest where no tag can hold it.
func KeyText(k events.Key) string {
	text := k.String()
	if len(KeyTag)+len(text) > maxTag || strings.ContainsFunc(text, func(r rune) bool { return r == ',' || r <= ' ' || r > '~' }) {
		return events.Digest(text)
	}
	return text
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

// KeptDescription is that of a floating IP which was the owner's and is nobody's.
func (o Owner) KeptDescription() string {
	d := "kept by drawbridge for " + o.String()
	return d[:min(len(d), maxTag)]
}

// Owns says whether tags mark the owner's.
func (o Owner) Owns(tags []string) bool {
	return slices.Contains(tags, FleetTag+o.Fleet) && slices.Contains(tags, o.Tag())
}

// String is the owner for people: the key, or the group.
func (o Owner) String() string {
	if o.Group != "" {
		return "group " + o.Group
	}
	return o.Key.String()
}

// Name is the cosmetic name of the owner's load balancer.
func (o Owner) Name() string {
	n := strings.Join([]string{"drawbridge", o.Key.Cluster, o.Key.Namespace, o.Key.Name}, "_")
	if o.Group != "" {
		n = "drawbridge_group_" + o.Group
	}
	return n[:min(len(n), MaxName)]
}

// SecretPrefix begins the name of every secret in the key manager that is the
// owner's, and of no other: drawbridge.dev/<fleet>/<16 hex digits>/.
func (o Owner) SecretPrefix() string {
	digest := strings.TrimPrefix(events.Digest(o.Tag()), "sha256:")
	return OurTags + o.Fleet + "/" + digest[:16] + "/"
}

// SecretName is the name in the key manager of a certificate with its key, by
// their digest: other content has another name.
func (o Owner) SecretName(digest string) string { return o.SecretPrefix() + digest }

// SecretDigest is the digest that a secret's name carries; false: it is not the owner's.
func (o Owner) SecretDigest(name string) (string, bool) {
	return strings.CutPrefix(name, o.SecretPrefix())
}
