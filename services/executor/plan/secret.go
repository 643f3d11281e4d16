package plan

import (
	"slices"
	"strings"

	"drawbridge.dev/services/executor/loadbalancer"
)

// refs are the references of the owner's secrets, by name. Where one is there
// twice, the one that a listener shows.
func (o Observed) refs() map[string]string {
	out := map[string]string{}
	for _, s := range o.Secrets {
		if _, twice := out[s.Name]; !twice || o.shows(s.Ref) {
			out[s.Name] = s.Ref
		}
	}
	return out
}

// shows says whether any listener refers to a secret.
func (o Observed) shows(ref string) bool {
	for _, lb := range []*LoadBalancer{o.LoadBalancer, o.Old} {
		if lb != nil && slices.ContainsFunc(lb.Listeners, func(l Listener) bool { return slices.Contains(l.Refs, ref) }) {
			return true
		}
	}
	return false
}

// isRef says whether a certificate is named by its reference, because another made it.
func isRef(certificate string) bool { return strings.Contains(certificate, "://") }

// wanted are the names of the secrets that listeners shall show, each once.
func wanted(desired *loadbalancer.LoadBalancer) (names []string) {
	if desired == nil {
		return nil
	}
	for _, l := range desired.Listeners {
		for _, name := range l.Certificates {
			if !isRef(name) && !slices.Contains(names, name) {
				names = append(names, name)
			}
		}
	}
	return names
}

// missingSecrets come before everything that refers to them.
func missingSecrets(desired *loadbalancer.LoadBalancer, o Observed) (steps []Step) {
	have := o.refs()
	for _, name := range wanted(desired) {
		if _, ok := have[name]; !ok {
			digest, _ := o.Owner.SecretDigest(name)
			steps = append(steps, CreateSecret{Name: name, Digest: digest})
		}
	}
	return steps
}

// needlessSecrets go after everything that referred to them: those that no
// listener shall show, and those that are there twice.
func needlessSecrets(desired *loadbalancer.LoadBalancer, o Observed) (steps []Step) {
	refs, names := o.refs(), wanted(desired)
	for _, s := range o.Secrets {
		if !slices.Contains(names, s.Name) || refs[s.Name] != s.Ref {
			steps = append(steps, DeleteSecret(s))
		}
	}
	return steps
}

// refsOf are the references of certificates, in their order; empty for one that
// is yet to be put into the key manager.
func (d *differ) refsOf(certificates []string) (out []string) {
	for _, name := range certificates {
		if isRef(name) {
			out = append(out, name)
		} else {
			out = append(out, d.refs[name])
		}
	}
	return out
}

// shown puts certificates and their references as a listener answers them: the
// default first, the others by reference.
func shown(certificates, refs []string) (names, sorted []string) {
	if len(refs) == 0 {
		return nil, nil
	}
	byRef := map[string]string{}
	for i, r := range refs {
		byRef[r] = certificates[i]
	}
	rest := slices.Sorted(slices.Values(refs[1:]))
	sorted = append([]string{refs[0]}, slices.DeleteFunc(slices.Compact(rest), func(r string) bool { return r == refs[0] })...)
	for _, r := range sorted {
		names = append(names, byRef[r])
	}
	return names, sorted
}

// sameCertificates compares what is shown: the default, and the others whatever their order.
func sameCertificates(want, have []string) bool {
	if len(want) == 0 || len(have) == 0 {
		return len(want) == len(have)
	}
	return want[0] == have[0] && sameSet(want[1:], have[1:])
}
