package auditor

import (
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"drawbridge.dev/events"
	"drawbridge.dev/services/auditor/history"
)

// The types of the API are those of the history behind it; their JSON and YAML are alike.
type (
	// Filter selects events.
	Filter = history.Filter
	// Event is one row of history.
	Event = history.Event
	// Payload is the JSON of an event's data.
	Payload = history.Payload
	// Page is a part of history.
	Page = history.Page
	// Change is one trip through the pipeline.
	Change = history.Change
	// Gap is a range of HISTORY that history misses.
	Gap = history.Gap
	// Exposure is the last event of every stage of one exposure.
	Exposure = history.Exposure
)

// Sizes of a page.
const (
	DefaultLimit = 100
	MaxLimit     = 1000
)

// Verdicts lists what an event can say, by the last word of its type.
var Verdicts = []string{"requested", "withdrawn", string(events.Approved), string(events.Denied), string(events.Held),
	string(events.Applied), string(events.Failed), string(events.Removed), "drifted", "rejected", history.Undecodable}

// ParameterError is a query parameter that cannot be understood.
type ParameterError struct {
	Parameter string
	Reason    string
}

func (e *ParameterError) Error() string {
	return fmt.Sprintf("parameter %s: %s", e.Parameter, e.Reason)
}

// ParseFilter reads a query such as cluster=blue&stage=decided&since=2h. since
// and until are RFC 3339, or how long before now (30m, 2h45m). A parameter that
// is unknown, there twice, empty or malformed is a [*ParameterError].
func ParseFilter(q url.Values, now time.Time) (Filter, error) {
	f := Filter{Limit: DefaultLimit}
	text := map[string]*string{"cluster": &f.Cluster, "kind": &f.Kind, "namespace": &f.Namespace, "name": &f.Name,
		"stage": &f.Stage, "verdict": &f.Verdict, "cloud": &f.Cloud}
	for name, values := range q {
		fail := func(format string, args ...any) (Filter, error) {
			return Filter{}, &ParameterError{name, fmt.Sprintf(format, args...)}
		}
		if len(values) != 1 || values[0] == "" {
			return fail("want one value, have %q", values)
		}
		v := values[0]
		var err error
		switch name {
		case "since":
			f.Since, err = parseTime(v, now)
		case "until":
			f.Until, err = parseTime(v, now)
		case "limit":
			if f.Limit, err = strconv.Atoi(v); err != nil || f.Limit < 1 || f.Limit > MaxLimit {
				return fail("%q is not in 1-%d", v, MaxLimit)
			}
		case "before":
			if f.Before, err = strconv.ParseInt(v, 10, 64); err != nil || f.Before < 1 {
				return fail("%q is no row: take next of the page before", v)
			}
		default:
			into, known := text[name]
			if !known {
				return fail("is unknown")
			}
			*into = v
		}
		if err != nil {
			return fail("%v", err)
		}
	}
	if f.Stage != "" && !slices.Contains(events.Stages, events.Stage(f.Stage)) {
		return Filter{}, &ParameterError{"stage", fmt.Sprintf("%q is none of %v", f.Stage, events.Stages)}
	}
	if f.Verdict != "" && !slices.Contains(Verdicts, f.Verdict) {
		return Filter{}, &ParameterError{"verdict", fmt.Sprintf("%q is none of %s", f.Verdict, strings.Join(Verdicts, ", "))}
	}
	if !f.Until.IsZero() && !f.Since.Before(f.Until) {
		return Filter{}, &ParameterError{"until", "is not after since"}
	}
	return f, nil
}

// parseTime reads RFC 3339, or a duration before now.
func parseTime(s string, now time.Time) (time.Time, error) {
	if d, err := time.ParseDuration(s); err == nil {
		if d < 0 {
			return time.Time{}, fmt.Errorf("%q is in the future", s)
		}
		return now.Add(-d).UTC(), nil
	}
	t, err := time.Parse(time.RFC3339, s)
	if err != nil || t.UTC().Year() < 1 || t.UTC().Year() > 9999 {
		return time.Time{}, fmt.Errorf("%q is neither RFC 3339 (2006-01-02T15:04:05Z) nor a duration (2h)", s)
	}
	return t.UTC(), nil
}

// queryOf is the inverse of [ParseFilter]; a limit of 0 is left to the server.
func queryOf(f Filter) url.Values {
	q := url.Values{}
	for name, v := range map[string]string{"cluster": f.Cluster, "kind": f.Kind, "namespace": f.Namespace, "name": f.Name,
		"stage": f.Stage, "verdict": f.Verdict, "cloud": f.Cloud} {
		if v != "" {
			q.Set(name, v)
		}
	}
	for name, t := range map[string]time.Time{"since": f.Since, "until": f.Until} {
		if !t.IsZero() {
			q.Set(name, t.UTC().Format(time.RFC3339Nano))
		}
	}
	if f.Limit != 0 {
		q.Set("limit", strconv.Itoa(f.Limit))
	}
	if f.Before != 0 {
		q.Set("before", strconv.FormatInt(f.Before, 10))
	}
	return q
}
