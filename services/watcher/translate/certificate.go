package translate

import (
	"fmt"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"

	"drawbridge.dev/events"
)

// Pair is what a Secret of type kubernetes.io/tls holds, without the key.
type Pair struct {
	Certificate events.Certificate // Secret is filled by the translation
	NotBefore   time.Time
	NotAfter    time.Time
	Fault       string // why it cannot be used, as the end of a sentence that names the Secret; nothing else is set then
}

// Secrets are what the certificates of an object are taken from.
type Secrets struct {
	// Pairs of the object's namespace by name of the Secret, and under "" that of
	// Settings.DefaultTLSSecret.
	Pairs map[string]Pair
	// Standing are the certificates that the last wish of the object names. One of
	// a Secret that is gone, or not good any more, stays in use.
	Standing []events.Certificate
	Now      time.Time
}

// warnBefore is how long before its end a certificate is reported: two weeks,
// or a tenth of its life where that is shorter. cert-manager renews earlier.
func warnBefore(p Pair) time.Duration {
	return min(14*24*time.Hour, p.NotAfter.Sub(p.NotBefore)/10)
}

// secret is one that an object names.
type secret struct {
	key  string // in [Secrets.Pairs]
	name string // namespace/name
}

// certificate is what a listener shows for a Secret, named at a field of the
// object. What cannot be used is replaced by what the last wish has of that
// Secret, and told; without one it refuses the object. hosts are those that the
// certificate must be valid for, unless another of others is; strict refuses
// the object where none is, else it is told.
func (s Secrets) certificate(f *findings, at string, from secret, hosts []string, others []string, strict bool) (events.Certificate, bool) {
	pair, there := s.Pairs[from.key]
	fault := ""
	switch {
	case !there:
		fault = "is not there, or not of type kubernetes.io/tls: make it, with tls.crt and tls.key"
	case pair.Fault != "":
		fault = pair.Fault
	default:
		fault = s.timely(f, at, from.name, pair)
	}
	if fault == "" {
		pair.Certificate.Secret = from.name
		uncovered := slices.DeleteFunc(slices.Clone(hosts), func(h string) bool {
			return Covers(pair.Certificate.Hosts, h) || Covers(others, h)
		})
		if len(uncovered) == 0 {
			return pair.Certificate, true
		}
		fault = fmt.Sprintf("is not valid for %s, but for %s: have it issued for all hosts, or take the others out of spec.tls", list(uncovered), list(pair.Certificate.Hosts))
		if !strict {
			f.note(at, "Secret %q %s; clients that check it refuse it", from.name, fault)
			return pair.Certificate, true
		}
	}
	if i := slices.IndexFunc(s.Standing, func(c events.Certificate) bool { return c.Secret == from.name }); i >= 0 {
		old := s.Standing[i]
		f.note(at, "Secret %q %s; what it held before stays in use, until %s", from.name, fault, old.NotAfter)
		return old, true
	}
	f.refuse(at, "Secret %q %s", from.name, fault)
	return events.Certificate{}, false
}

// timely says what is wrong with the time of a certificate, and when the
// object must be looked at again though nothing changes.
func (s Secrets) timely(f *findings, at, secret string, p Pair) string {
	warn := p.NotAfter.Add(-warnBefore(p))
	for _, t := range []time.Time{p.NotBefore, warn, p.NotAfter} {
		if t.After(s.Now) && (f.again.IsZero() || t.Before(f.again)) {
			f.again = t
		}
	}
	switch {
	case s.Now.Before(p.NotBefore):
		return fmt.Sprintf("is valid only from %s", p.NotBefore.UTC().Format(time.RFC3339))
	case !s.Now.Before(p.NotAfter):
		return fmt.Sprintf("expired at %s: renew it", p.NotAfter.UTC().Format(time.RFC3339))
	case !s.Now.Before(warn):
		f.note(at, "Secret %q expires at %s: renew it", secret, p.NotAfter.UTC().Format(time.RFC3339))
	}
	return ""
}

// IngressSecrets are the Secrets that the spec.tls of an Ingress names, as
// namespace/name, by its name for each, which is empty for the watcher's own.
func IngressSecrets(ing *networkingv1.Ingress, s Settings) map[string]string {
	out := map[string]string{}
	for _, t := range ing.Spec.TLS {
		if t.SecretName != "" {
			out[t.SecretName] = ing.Namespace + "/" + t.SecretName
		} else if s.DefaultTLSSecret != "" {
			out[""] = s.DefaultTLSSecret
		}
	}
	return out
}

// ServiceSecrets are the Secrets that a Service names, as namespace/name, by its
// name for each.
func ServiceSecrets(svc *corev1.Service) map[string]string {
	out := map[string]string{}
	entries, err := parsePorts(parseName("Secret"))(svc.Annotations[AnnotationTLSSecrets])
	if err != nil {
		return out // the translation tells it
	}
	for _, e := range entries {
		out[e.value] = svc.Namespace + "/" + e.value
	}
	return out
}

// sealable refuses an object whose keys cannot reach the executor of its cloud.
func (s Settings) sealable(f *findings, at, cloud string) bool {
	if s.SealedFor == nil || slices.Contains(s.SealedFor, cloud) {
		return true
	}
	f.refuse(at, "TLS cannot be served in cloud %q: the watcher has no key to seal certificates with; set watcher.seal-keys for it to the public key of its executor", cloud)
	return false
}

// certificates are those of the Secrets that a field names, the first for
// clients that name no host.
func certificates(f *findings, at, namespace, cloud string, names []string, refs References, s Settings) (out []events.Certificate) {
	if !s.sealable(f, at, cloud) {
		return nil
	}
	for _, n := range names {
		if c, ok := refs.Secrets.certificate(f, at, secret{n, namespace + "/" + n}, nil, nil, false); ok && !slices.ContainsFunc(out, func(o events.Certificate) bool { return o.Digest == c.Digest }) {
			out = append(out, c)
		}
	}
	return out
}

// Covers says whether one of the names of a certificate is that of host, which
// may be a wildcard itself. "*.example.org" is one label (RFC 6125, 6.4.3).
func Covers(names []string, host string) bool {
	_, domain, dotted := strings.Cut(host, ".")
	return slices.Contains(names, host) || dotted && slices.Contains(names, "*."+domain)
}

// list names hosts in a message, the first of many.
func list(hosts []string) string {
	const most = 5
	switch {
	case len(hosts) == 0:
		return "no host"
	case len(hosts) > most:
		return fmt.Sprintf("%s and %d more", shown(strings.Join(hosts[:most], ", ")), len(hosts)-most)
	}
	return shown(strings.Join(hosts, ", "))
}
