package loadbalancer

import "strings"

// Settings of a listener that are the operator's unless an exposure sets them,
// as Octavia's API names them. Each that is set is remembered by a tag, [SetTag]
// and the name, so that it is given back.
const (
	ClientData      = "timeout_client_data"
	MemberConnect   = "timeout_member_connect"
	MemberData      = "timeout_member_data"
	TCPInspect      = "timeout_tcp_inspect"
	ConnectionLimit = "connection_limit"
	TLSVersions     = "tls_versions"
	TLSCiphers      = "tls_ciphers"
)

// Set names the settings of the listener that are not left to the operator.
func (l Listener) Set() (out []string) {
	for _, s := range []struct {
		name string
		set  bool
	}{
		{ClientData, l.Timeouts.ClientData != nil},
		{MemberConnect, l.Timeouts.MemberConnect != nil},
		{MemberData, l.Timeouts.MemberData != nil},
		{TCPInspect, l.Timeouts.TCPInspect != nil},
		{ConnectionLimit, l.ConnectionLimit != nil},
		{TLSVersions, len(l.TLSVersions) > 0},
		{TLSCiphers, l.TLSCiphers != ""},
	} {
		if s.set {
			out = append(out, s.name)
		}
	}
	return out
}

// SetTags are the tags of a listener that remember what is set. Those of an
// owner are only on the listeners of a load balancer that another made.
func (l Listener) SetTags() (out []string) {
	for _, name := range l.Set() {
		out = append(out, SetTag+name)
	}
	return out
}

// WasSet names the settings that the tags of a listener remember.
func WasSet(tags []string) (out []string) {
	for _, t := range tags {
		if name, ok := strings.CutPrefix(t, SetTag); ok {
			out = append(out, name)
		}
	}
	return out
}
