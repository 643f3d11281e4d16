package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"unicode"

	"github.com/spf13/cobra"
	"sigs.k8s.io/yaml"
)

// output is the -o flag.
type output string

func (o *output) addTo(cmd *cobra.Command) {
	*o = "table"
	cmd.Flags().StringVarP((*string)(o), "output", "o", "table", "table, json or yaml")
	complete(cmd, "output", "table", "json", "yaml")
}

// complete lets the shell offer values of a flag.
func complete(cmd *cobra.Command, flag string, values ...string) {
	if err := cmd.RegisterFlagCompletionFunc(flag, cobra.FixedCompletions(values, cobra.ShellCompDirectiveNoFileComp)); err != nil {
		panic(err) // the flag is not there
	}
}

// write prints v as JSON or YAML, or calls table.
func (o output) write(w io.Writer, v any, table func(io.Writer) error) error {
	switch o {
	case "json":
		var b bytes.Buffer
		e := json.NewEncoder(&b)
		e.SetEscapeHTML(false)
		e.SetIndent("", "  ")
		if err := e.Encode(v); err != nil {
			return err
		}
		_, err := w.Write(escape(b.Bytes()))
		return err
	case "yaml":
		b, err := toYAML(v)
		if err != nil {
			return err
		}
		_, err = w.Write(b)
		return err
	case "table":
		return table(w)
	}
	return fmt.Errorf("--output %q: write table, json or yaml", string(o))
}

// toYAML gives the same as JSON. YAML knows no escapes of surrogates, as the
// JSON of others may have them.
func toYAML(v any) ([]byte, error) {
	b, err := json.Marshal(v)
	if err != nil {
		return nil, err
	}
	d := json.NewDecoder(bytes.NewReader(b))
	d.UseNumber()
	var plain any
	if err := d.Decode(&plain); err != nil {
		return nil, err
	}
	if b, err = json.Marshal(plain); err != nil {
		return nil, err
	}
	return yaml.JSONToYAML(escape(b))
}

// escape writes as \u what JSON may hold as it is, but steers a terminal or is
// refused by YAML.
func escape(jsonText []byte) []byte {
	var b bytes.Buffer
	for _, r := range string(jsonText) {
		if r >= 0x7f && steers(r) || r == '\uFEFF' || r == '\uFFFE' || r == '\uFFFF' {
			fmt.Fprintf(&b, `\u%04x`, r)
			continue
		}
		b.WriteRune(r)
	}
	return b.Bytes()
}

// steers tells characters that do something to a terminal or to the order in
// which it is read.
func steers(r rune) bool {
	return r < 0x20 || r >= 0x7f && r < 0xa0 || r == '\u2028' || r == '\u2029' || unicode.Is(unicode.Bidi_Control, r)
}

// rows prints lines of cells under a header, in columns.
func rows(w io.Writer, header []string, lines [][]string) error {
	var b bytes.Buffer
	t := tabwriter.NewWriter(&b, 0, 4, 2, ' ', 0)
	for _, cells := range append([][]string{header}, lines...) {
		clean := make([]string, len(cells))
		for i, c := range cells {
			clean[i] = oneLine(c)
		}
		fmt.Fprintln(t, strings.Join(clean, "\t"))
	}
	if err := t.Flush(); err != nil {
		return err
	}
	for line := range strings.Lines(b.String()) {
		if _, err := fmt.Fprintln(w, strings.TrimRight(line, " \n")); err != nil {
			return err
		}
	}
	return nil
}

// oneLine keeps what others wrote from breaking a table or steering a terminal.
func oneLine(s string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\n' || r == '\t' || r == '\r':
			return ' '
		case steers(r):
			return -1
		}
		return r
	}, s)
}
