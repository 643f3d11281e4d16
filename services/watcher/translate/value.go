package translate

import (
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
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
		if t == "" || len(t) > 255 || strings.IndexFunc(t, func(r rune) bool { return r < 0x20 || r == 0x7f || r == '\uFFFD' }) >= 0 {
			return "", fmt.Errorf("%q is no %s: its name or id is allowed, at most 255 bytes", shown(s), what)
		}
		return t, nil
	}
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
