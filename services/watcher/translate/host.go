package translate

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"
)

// checkHost checks a host name in lower case by the rules of the Kubernetes
// API: a DNS subdomain, or one with a first label "*". Empty is every host.
func checkHost(host string) error {
	if host == "" {
		return nil
	}
	if len(host) > 253 {
		return fmt.Errorf("%q has %d characters, at most 253 are allowed", shown(host), len(host))
	}
	if _, err := netip.ParseAddr(host); err == nil {
		return fmt.Errorf("%q is an address: a host name is allowed, or none for every host", host)
	}
	name := strings.TrimPrefix(host, "*.")
	for label := range strings.SplitSeq(name, ".") {
		if err := checkLabel(label); err != nil {
			return fmt.Errorf("%q is no host name: %w", shown(host), err)
		}
	}
	return nil
}

func checkLabel(label string) error {
	switch {
	case label == "":
		return errors.New("a label is empty")
	case len(label) > 63:
		return fmt.Errorf("label %q has %d characters, at most 63 are allowed", shown(label), len(label))
	case label[0] == '-' || label[len(label)-1] == '-':
		return fmt.Errorf("label %q begins or ends with a hyphen", label)
	}
	for _, r := range label {
		switch {
		case r >= 'a' && r <= 'z', r >= '0' && r <= '9', r == '-':
		case r == '*':
			return errors.New("'*' may be the whole first label only")
		default:
			return fmt.Errorf("label %q holds %q: letters, digits and '-' are allowed (write other letters as punycode)", shown(label), r)
		}
	}
	return nil
}

// checkPath checks a path by the rules of the Kubernetes API, and refuses
// blanks and control characters, which no request line holds.
func checkPath(path string) error {
	if !strings.HasPrefix(path, "/") {
		return fmt.Errorf("%q is not absolute: it must begin with '/'", shown(path))
	}
	for _, bad := range []string{"//", "/./", "/../", "%2f", "%2F"} {
		if strings.Contains(path, bad) {
			return fmt.Errorf("%q holds %q, which no path may", shown(path), bad)
		}
	}
	for _, bad := range []string{"/..", "/."} {
		if strings.HasSuffix(path, bad) {
			return fmt.Errorf("%q ends with %q, which no path may", shown(path), bad)
		}
	}
	if i := strings.IndexFunc(path, func(r rune) bool { return r <= 0x20 || r == 0x7f || r == '\uFFFD' }); i >= 0 {
		return fmt.Errorf("%q holds %q at %d, which no path may", shown(path), path[i:i+1], i)
	}
	return nil
}
