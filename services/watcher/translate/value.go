package translate

import (
	"fmt"
	"math"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"drawbridge.dev/events"
)

// The readers of values. An error says what was read, and what is allowed.

func parseBool(s string) (bool, error) {
	v, err := strconv.ParseBool(strings.TrimSpace(s))
	if err != nil {
		return false, fmt.Errorf(`%q is neither "true" nor "false"`, shown(s))
	}
	return v, nil
}

func parseCloud(s string) (string, error) {
	plain := func(r rune) bool {
		return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("._-", r)
	}
	if s == "" || len(s) > 253 || strings.IndexFunc(s, func(r rune) bool { return !plain(r) }) >= 0 {
		return "", fmt.Errorf("%q is no name of a cloud: letters, digits, '.', '_' and '-' are allowed, at most 253", shown(s))
	}
	return s, nil
}

// CheckCloud refuses what the annotation drawbridge.dev/cloud would refuse.
func CheckCloud(name string) error {
	_, err := parseCloud(name)
	return err
}

// parseName reads the name or the id of something in the cloud.
func parseName(what string) func(string) (string, error) {
	return func(s string) (string, error) {
		t := strings.TrimSpace(s)
		if t == "" || len(t) > 255 || strings.ContainsFunc(t, unprintable) {
			return "", fmt.Errorf("%q is no %s: its name or id is allowed, at most 255 bytes", shown(s), what)
		}
		return t, nil
	}
}

func unprintable(r rune) bool { return r < 0x20 || r == 0x7f || r == '\uFFFD' }

// parseNames reads names separated by commas.
func parseNames(what string) func(string) ([]string, error) {
	one := parseName(what)
	return func(s string) ([]string, error) {
		var out []string
		for part := range strings.SplitSeq(s, ",") {
			v, err := one(part)
			if err != nil {
				return nil, fmt.Errorf("%q: %w; several are separated by commas", shown(s), err)
			}
			out = append(out, v)
		}
		return out, nil
	}
}

func parseTags(s string) ([]string, error) {
	tags, err := parseNames("tag")(s)
	for _, t := range tags {
		if strings.HasPrefix(t, Prefix) {
			return nil, fmt.Errorf("%q begins with %s, as only our own tags may", shown(t), Prefix)
		}
	}
	slices.Sort(tags)
	return slices.Compact(tags), err
}

// parseGroup follows the rule of the contract for the name of a group.
func parseGroup(s string) (string, error) {
	t := strings.TrimSpace(s)
	plain := func(r rune) bool { return r >= 'a' && r <= 'z' || r >= '0' && r <= '9' }
	odd := func(r rune) bool { return !plain(r) && r != '-' && r != '.' }
	if t == "" || len(t) > 63 || strings.ContainsFunc(t, odd) || !plain(rune(t[0])) || !plain(rune(t[len(t)-1])) {
		return "", fmt.Errorf("%q is no name of a group: lower case letters, digits, '-' and '.' are allowed, at most 63, the first and the last a letter or digit", shown(s))
	}
	return t, nil
}

func parseAddress(s string) (string, error) {
	a, err := netip.ParseAddr(strings.TrimSpace(s))
	if err != nil || a.Zone() != "" {
		return "", fmt.Errorf("%q is no IP address, such as 192.0.2.7", shown(s))
	}
	return a.String(), nil
}

func parseHostname(s string) (string, error) {
	t := strings.ToLower(strings.TrimSpace(s))
	err := checkHost(t)
	if err == nil && (t == "" || strings.HasPrefix(t, "*")) {
		err = fmt.Errorf("%q is no host name: one such as www.example.org is allowed", shown(s))
	}
	return t, err
}

// parseSources reads CIDRs separated by commas, with blanks around them.
func parseSources(s string) ([]string, error) {
	var out []string
	for part := range strings.SplitSeq(s, ",") {
		p, err := netip.ParsePrefix(strings.TrimSpace(part))
		if err != nil {
			return nil, fmt.Errorf("%q holds %q, which is no CIDR: allowed are networks such as 192.0.2.0/24, separated by commas; without the annotation everyone may connect",
				shown(s), shown(part))
		}
		out = append(out, p.Masked().String())
	}
	slices.Sort(out)
	return slices.Compact(out), nil
}

// parseNumber reads a whole number of a range, both ends included.
func parseNumber(least, most int) func(string) (*int, error) {
	return func(s string) (*int, error) {
		n, err := strconv.Atoi(strings.TrimSpace(s))
		if err != nil || n < least || n > most {
			return nil, fmt.Errorf("%q is no number in %d-%d", shown(s), least, most)
		}
		return &n, nil
	}
}

const (
	mostMilliseconds = 24 * 24 * 3600 * 1000 // of a time-out, as Octavia has it
	mostSeconds      = 24 * 3600
)

// parseSeconds reads a span in seconds, or with a unit.
func parseSeconds(s string) (*int, error) {
	t := strings.TrimSpace(s)
	if d, err := time.ParseDuration(t); err == nil && d%time.Second == 0 {
		t = strconv.FormatInt(int64(d/time.Second), 10)
	}
	n, err := parseNumber(0, mostSeconds)(t)
	if err != nil {
		return nil, fmt.Errorf(`%q is no span of at most a day: allowed are seconds, 0 to %d, or a duration such as "90s" or "2m"`, shown(s), mostSeconds)
	}
	return n, nil
}

// parseOneOf reads one of several words, whatever its case, and gives it as it
// is in the list.
func parseOneOf(allowed ...string) func(string) (string, error) {
	return func(s string) (string, error) {
		for _, w := range allowed {
			if strings.EqualFold(strings.TrimSpace(s), w) {
				return w, nil
			}
		}
		return "", fmt.Errorf("%q is none of %s", shown(s), quoted(allowed))
	}
}

// parseEach reads words separated by commas, sorted.
func parseEach(allowed ...string) func(string) ([]string, error) {
	return func(s string) ([]string, error) {
		var out []string
		for part := range strings.SplitSeq(s, ",") {
			w, err := parseOneOf(allowed...)(part)
			if err != nil {
				return nil, err
			}
			out = append(out, w)
		}
		slices.Sort(out)
		return slices.Compact(out), nil
	}
}

func parseFamilies(s string) ([]string, error) {
	var out []string
	for part := range strings.SplitSeq(s, ",") {
		f, err := parseOneOf("IPv4", "IPv6")(part)
		if err != nil || slices.Contains(out, f) {
			return nil, fmt.Errorf(`%q is none of "IPv4", "IPv6", "IPv4,IPv6", "IPv6,IPv4"`, shown(s))
		}
		out = append(out, f)
	}
	return out, nil
}

// parseChecked reads what a check of the contract takes, which is that of one
// field of a whole exposure.
func parseChecked(what string, allowed func(string) bool) func(string) (string, error) {
	return func(s string) (string, error) {
		t := strings.TrimSpace(s)
		if t == "" || len(t) > 2048 || !allowed(t) {
			return "", fmt.Errorf("%q is no %s", shown(s), what)
		}
		return t, nil
	}
}

// affinity is the value of session-affinity; the zero value is "none".
type affinity struct{ kind, cookie string }

func parseAffinity(s string) (affinity, error) {
	t := strings.TrimSpace(s)
	cookie, named := strings.CutPrefix(t, "app-cookie:")
	switch {
	case t == "none":
		return affinity{}, nil
	case t == "source-ip":
		return affinity{kind: "SOURCE_IP"}, nil
	case t == "http-cookie":
		return affinity{kind: "HTTP_COOKIE"}, nil
	case named && cookieName.MatchString(cookie):
		return affinity{"APP_COOKIE", cookie}, nil
	}
	return affinity{}, fmt.Errorf(`%q is none of "none", "source-ip", "http-cookie" and "app-cookie:" with the name of a cookie`, shown(s))
}

// parseProxy reads the version of the PROXY protocol as a protocol; empty: none.
func parseProxy(s string) (events.Protocol, error) {
	switch strings.ToLower(strings.TrimSpace(s)) {
	case "v1", "true":
		return events.PROXY, nil
	case "v2":
		return events.PROXYV2, nil
	case "none", "false":
		return "", nil
	}
	return "", fmt.Errorf(`%q is none of "v1" or "true", "v2", "none" or "false"`, shown(s))
}

const mostConnections = math.MaxInt32

func parseListenerProtocol(s string) (events.Protocol, error) {
	p, err := parseOneOf(string(events.TCP), string(events.UDP), string(events.SCTP), string(events.HTTP), string(events.TerminatedHTTPS))(s)
	return events.Protocol(p), err
}

func parseSecretName(s string) (string, error) {
	if err := checkHost(s); err != nil || s == "" || strings.HasPrefix(s, "*") {
		return "", fmt.Errorf("%q is no name of a Secret of the namespace", shown(s))
	}
	return s, nil
}

// CheckContainer refuses what the annotation drawbridge.dev/tls-container would refuse.
func CheckContainer(url string) error {
	_, err := parseContainer(url)
	return err
}

func parseContainer(s string) (string, error) {
	t := strings.TrimSpace(s)
	if len(t) > 255 || !containerURL.MatchString(t) {
		return "", fmt.Errorf("%q is no URL of the key manager, such as https://keys.example.org/v1/secrets/UUID", shown(s))
	}
	return t, nil
}
