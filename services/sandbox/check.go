package sandbox

import (
	"encoding/json"
	"fmt"
	"net/netip"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

func text(limit int) check {
	return func(v any, _ int) (any, error) {
		s, ok := v.(string)
		if !ok {
			return nil, reason("Value should be string")
		}
		if limit > 0 && len([]rune(s)) > limit {
			return nil, reason(fmt.Sprintf("Value should have a maximum character requirement of %d", limit))
		}
		return s, nil
	}
}

func pattern(limit int, shown string, re *regexp.Regexp) check {
	length := text(limit)
	return func(v any, minor int) (any, error) {
		got, err := length(v, minor)
		if err == nil && !re.MatchString(got.(string)) {
			return nil, reason(fmt.Sprintf("Value should match the pattern %s", shown))
		}
		return got, err
	}
}

var uuidForm = regexp.MustCompile(`^(?i)[0-9a-f]{8}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{12}$`)

func id(v any, _ int) (any, error) {
	s, ok := v.(string)
	if !ok || !uuidForm.MatchString(s) {
		return nil, reason("Value should be UUID format")
	}
	h := strings.ToLower(strings.ReplaceAll(s, "-", ""))
	return h[:8] + "-" + h[8:12] + "-" + h[12:16] + "-" + h[16:20] + "-" + h[20:], nil
}

func integer(least, most int) check {
	return func(v any, _ int) (any, error) {
		n, err := pyInt(v)
		if err != nil {
			return nil, err
		}
		if n < least {
			return nil, reason(fmt.Sprintf("Value should be greater or equal to %d", least))
		}
		if n > most {
			return nil, reason(fmt.Sprintf("Value should be lower or equal to %d", most))
		}
		return n, nil
	}
}

func boolean(v any, _ int) (any, error) {
	switch t := v.(type) {
	case bool:
		return t, nil
	case json.Number:
		return t.String() != "0", nil
	case string:
		switch strings.ToLower(t) {
		case "true", "on", "yes", "y", "t", "1":
			return true, nil
		case "false", "off", "no", "n", "f", "0":
			return false, nil
		}
	}
	return nil, conversionError{"Value not an unambiguous boolean: " + pyString(v)}
}

// enum knows words; WORD@12 is known from API 2.12 on.
func enum(words ...string) check {
	return func(v any, minor int) (any, error) {
		var known []string
		for _, w := range words {
			word, since, later := strings.Cut(w, "@")
			if n, _ := strconv.Atoi(since); !later || n <= minor {
				known = append(known, word)
			}
		}
		if s, ok := v.(string); ok && slices.Contains(known, s) {
			return s, nil
		}
		return nil, reason("Value should be one of: " + strings.Join(known, ", "))
	}
}

func intEnum(numbers ...int) check {
	return func(v any, _ int) (any, error) {
		n, err := pyInt(v)
		if err != nil {
			return nil, err
		}
		if !slices.Contains(numbers, n) {
			return nil, reason("Value should be one of: " + strings.Trim(strings.ReplaceAll(fmt.Sprint(numbers), " ", ", "), "[]"))
		}
		return n, nil
	}
}

func httpVersion(v any, _ int) (any, error) {
	n, ok := v.(json.Number)
	if s, is := v.(string); is {
		n, ok = json.Number(s), true
	}
	f, err := n.Float64()
	if !ok || err != nil {
		return nil, conversionError{fmt.Sprintf("could not convert string to float: '%s'", pyString(v))}
	}
	if f != 1.0 && f != 1.1 {
		shown := strconv.FormatFloat(f, 'f', -1, 64)
		if !strings.Contains(shown, ".") {
			shown += ".0"
		}
		return nil, invalidError{"http_version", shown, "Value should be one of: 1.0, 1.1"}
	}
	return f, nil
}

func address(v any, _ int) (any, error) {
	s, ok := v.(string)
	if _, err := netip.ParseAddr(s); !ok || err != nil {
		return nil, reason("Value should be IPv4 or IPv6 format")
	}
	return s, nil
}

func cidr(v any, _ int) (any, error) {
	s, _ := v.(string)
	if a, err := netip.ParseAddr(s); err == nil {
		return netip.PrefixFrom(a, a.BitLen()).String(), nil
	}
	p, err := netip.ParsePrefix(s)
	if err != nil {
		return nil, reason("Value should be IPv4 or IPv6 CIDR format")
	}
	return p.Masked().String(), nil
}

func list(item check) check {
	return func(v any, minor int) (any, error) {
		items, ok := v.([]any)
		if !ok {
			return nil, conversionError{"Value not a valid list: " + pyString(v)}
		}
		out := make([]string, 0, len(items))
		for _, i := range items {
			got, err := item(i, minor)
			if err != nil {
				return nil, err
			}
			out = append(out, got.(string))
		}
		return out, nil
	}
}

func dictionary(v any, _ int) (any, error) {
	in, ok := v.(map[string]any)
	if !ok {
		return nil, conversionError{"Value not a valid dict: " + pyString(v)}
	}
	out := make(map[string]string, len(in))
	for k, item := range in {
		s, ok := item.(string)
		if !ok {
			return nil, reason("Value should be string")
		}
		out[k] = s
	}
	return out, nil
}
