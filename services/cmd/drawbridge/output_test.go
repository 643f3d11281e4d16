package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"sigs.k8s.io/yaml"
)

// hostile is what a manifest of another could say.
const hostile = "a\x1b[31mred\x1b]0;title\a\nnew\tline\r\u009b2J\u202eesrever\u2028\u2066x\x00\x7f\xff"

func TestOneLine(t *testing.T) {
	for in, want := range map[string]string{
		"":             "",
		"plain é 世界 *": "plain é 世界 *",
		"a\nb\tc\rd":   "a b c d",
		"\x1b[31mred":  "[31mred",
		hostile:        "a[31mred]0;title new line 2Jesreverx\uFFFD",
	} {
		if d := cmp.Diff(want, oneLine(in)); d != "" {
			t.Errorf("%q: %s", in, d)
		}
	}
}

func TestOutput(t *testing.T) {
	type thing struct {
		Name string `json:"name"`
	}
	table := func(w io.Writer) error {
		return rows(w, []string{"NAME", "MORE"}, [][]string{{hostile, ""}, {"b", "c"}})
	}
	for format, check := range map[output]func(string) bool{
		"table": func(s string) bool {
			lines := strings.Split(s, "\n")
			return len(lines) == 4 && strings.HasPrefix(lines[0], "NAME ") && !strings.HasSuffix(lines[1], " ") &&
				strings.Index(lines[0], "MORE") > 0 && !strings.ContainsAny(s, "\x1b\a\r\x00\x7f\u009b\u202e")
		},
		"json": func(s string) bool {
			var v thing
			return json.Unmarshal([]byte(s), &v) == nil && v.Name == strings.ToValidUTF8(hostile, "\uFFFD") && !strings.ContainsAny(s, "\x1b\a\r\x00\x7f\u009b\u202e")
		},
		"yaml": func(s string) bool {
			var v thing
			return yaml.Unmarshal([]byte(s), &v) == nil && v.Name == strings.ToValidUTF8(hostile, "\uFFFD") && !strings.ContainsAny(s, "\x1b\a\r\x00\x7f\u009b")
		},
	} {
		var b bytes.Buffer
		if err := format.write(&b, thing{hostile}, table); err != nil || !check(b.String()) {
			t.Errorf("%s: %v\n%q", format, err, b.String())
		}
	}
	// JSON of others may hold what YAML has no words for.
	for _, raw := range []string{`"\ud83d\ude00 \ud83d"`, "\"\ufeff\u0085\uffff\"", `12345678901234567`, `{"b":[1,{"a":null}]}`} {
		var b bytes.Buffer
		if err := output("yaml").write(&b, json.RawMessage(raw), table); err != nil {
			t.Fatalf("%s: %v", raw, err)
		}
		var want, got any
		if err := errors.Join(json.Unmarshal([]byte(raw), &want), yaml.Unmarshal(b.Bytes(), &got)); err != nil || !cmp.Equal(want, got) {
			t.Errorf("%s as YAML: %q, %v, %s", raw, b.String(), err, cmp.Diff(want, got))
		}
	}
	var b bytes.Buffer
	if err := output("xml").write(&b, thing{}, table); err == nil || !strings.Contains(err.Error(), `--output "xml"`) || b.Len() > 0 {
		t.Errorf("xml: %v, %q", err, b.String())
	}
}
