package policy

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"drawbridge.dev/events"
)

// answer is what a bundle says.
type answer struct {
	verdict     events.Verdict
	reasons     []string
	rules       []string
	obligations obligations
}

// obligations bind an approved wish.
type obligations struct {
	allowedSources []string         // CIDRs; nobody else may reach it
	internal       bool             // no floating IP
	flavor         string           // instead of the wish's
	tlsVersions    []string         // that may be offered; of them those that the wish names, if it names any
	waived         []events.Feature // that may be left out where the driver lacks them
}

// parseAnswer reads the output document (policies/README.md). What it does not
// know is an error: an obligation that is misspelled must not be passed over.
func parseAnswer(v any) (answer, error) {
	var a answer
	doc, ok := v.(map[string]any)
	if !ok {
		return a, fmt.Errorf("is %s, want an object", typeName(v))
	}
	var errs []error
	for name, x := range doc {
		var err error
		switch name {
		case "verdict":
			a.verdict, err = parseVerdict(x)
		case "reasons":
			a.reasons, err = parseStrings(x)
		case "rules":
			a.rules, err = parseStrings(x)
		case "obligations":
			a.obligations, err = parseObligations(x)
		default:
			err = errors.New("is unknown, want verdict, reasons, rules or obligations")
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", name, err))
		}
	}
	if len(errs) > 0 {
		return answer{}, firstByText(errs)
	}
	switch {
	case a.verdict == "":
		return answer{}, errors.New("verdict: is missing")
	case a.verdict != events.Approved && len(a.reasons) == 0:
		return answer{}, fmt.Errorf("reasons: a wish is %s without a reason", a.verdict)
	}
	return a, nil
}

func parseVerdict(v any) (events.Verdict, error) {
	s, _ := v.(string)
	switch x := events.Verdict(s); x {
	case events.Approved, events.Denied, events.Held:
		return x, nil
	}
	return "", fmt.Errorf("%v is none of approved, denied, held", v)
}

func parseObligations(v any) (obligations, error) {
	var o obligations
	doc, ok := v.(map[string]any)
	if !ok {
		return o, fmt.Errorf("is %s, want an object", typeName(v))
	}
	var errs []error
	for name, x := range doc {
		var err error
		var ok = true
		switch name {
		case "allowedSources":
			o.allowedSources, err = parseSources(x)
		case "internal":
			o.internal, ok = x.(bool)
		case "flavor":
			o.flavor, ok = x.(string)
		case "tlsVersions":
			o.tlsVersions, err = parseTLSVersions(x)
		case "waived":
			o.waived, err = parseWaived(x)
		default:
			err = errors.New("is unknown, want allowedSources, flavor, internal, tlsVersions or waived")
		}
		if !ok {
			err = fmt.Errorf("is %s", typeName(x))
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", name, err))
		}
	}
	return o, firstByText(errs)
}

// parseSources refuses an empty list: it would read as "everywhere" where "nobody" is meant.
func parseSources(v any) ([]string, error) {
	out, err := parseStrings(v)
	if err != nil {
		return nil, err
	}
	if len(out) == 0 {
		return nil, errors.New("is empty: leave it out, or deny")
	}
	for _, s := range out {
		if _, err := netip.ParsePrefix(s); err != nil {
			return nil, fmt.Errorf("%q is no CIDR", s)
		}
	}
	return out, nil
}

// parseTLSVersions refuses an empty list, which would leave the choice to the cloud.
func parseTLSVersions(v any) ([]string, error) {
	out, err := parseStrings(v)
	if err != nil {
		return nil, err
	}
	if len(out) == 0 {
		return nil, errors.New("is empty: leave it out, or deny")
	}
	for _, s := range out {
		if !slices.Contains(events.TLSVersions, s) {
			return nil, fmt.Errorf("%q is none of %s", s, strings.Join(events.TLSVersions, ", "))
		}
	}
	slices.Sort(out)
	return slices.Compact(out), nil
}

// parseWaived takes an empty list for what it says.
func parseWaived(v any) ([]events.Feature, error) {
	list, err := parseStrings(v)
	if err != nil {
		return nil, err
	}
	var out []events.Feature
	for _, s := range list {
		f := events.Feature(s)
		if !slices.Contains(features, f) {
			return nil, fmt.Errorf("%q is no feature that can be waived", s)
		}
		out = append(out, f)
	}
	slices.Sort(out)
	return slices.Compact(out), nil
}

var features = []events.Feature{events.FeatureAllowedSources, events.FeatureTimeouts, events.FeatureConnectionLimit, events.FeatureMonitor,
	events.FeatureAlgorithm, events.FeaturePersistence, events.FeatureHSTS, events.FeatureHeaders, events.FeatureFlavor}

func parseStrings(v any) ([]string, error) {
	list, ok := v.([]any)
	if !ok {
		return nil, fmt.Errorf("is %s, want an array of strings", typeName(v))
	}
	out := make([]string, len(list))
	for i, x := range list {
		s, ok := x.(string)
		if !ok || strings.TrimSpace(s) == "" {
			return nil, fmt.Errorf("[%d] is %s, want a string that says something", i, typeName(x))
		}
		out[i] = s
	}
	return out, nil
}

// firstByText picks the same error whatever the order of a map was.
func firstByText(errs []error) error {
	var first error
	for _, err := range errs {
		if first == nil || err.Error() < first.Error() {
			first = err
		}
	}
	return first
}

func typeName(v any) string {
	switch v.(type) {
	case nil:
		return "null"
	case bool:
		return "a boolean"
	case json.Number, float64:
		return "a number"
	case string:
		return "a string"
	case []any:
		return "an array"
	case map[string]any:
		return "an object"
	}
	return fmt.Sprintf("a %T", v)
}
