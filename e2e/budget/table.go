package main

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// row is one budget.
type row struct {
	what, budget string
	measured     string // with {name} for a figure, {name:verb} to format it
	command      string
	kept         func(figures) bool // nil: it is reported only
}

// commands are those of all rows, each once, in order.
func commands() (out []string) {
	for _, r := range rows {
		if !slices.Contains(out, r.command) {
			out = append(out, r.command)
		}
	}
	return out
}

// render is the table of what was measured, and the budgets that are not kept.
func render(measured map[string]figures) (string, []string) {
	var b strings.Builder
	var broken []string
	b.WriteString("| what | budget | measured | command |\n| --- | --- | --- | --- |\n")
	for _, r := range rows {
		f, ok := measured[r.command]
		if !ok {
			continue
		}
		text, missing := fill(r.measured, f)
		if r.kept != nil && !r.kept(f) || len(missing) > 0 {
			broken = append(broken, fmt.Sprintf("%s: budget %s, measured %s", r.what, r.budget, text))
			text = "**" + text + "**"
		}
		fmt.Fprintf(&b, "| %s | %s | %s | `%s` |\n", r.what, r.budget, text, strings.ReplaceAll(r.command, "|", `\|`))
	}
	return b.String(), broken
}

var placeholder = regexp.MustCompile(`\{([^{}:]+)(?::([^{}]+))?\}`)

// fill puts figures in their places, and names those that were not measured.
func fill(text string, f figures) (string, []string) {
	var missing []string
	return placeholder.ReplaceAllStringFunc(text, func(p string) string {
		m := placeholder.FindStringSubmatch(p)
		v, ok := f[m[1]]
		if !ok {
			missing = append(missing, m[1])
			return "nothing"
		}
		verb := m[2]
		if verb == "" {
			verb = "%.0f"
		}
		return fmt.Sprintf(verb, v)
	}), missing
}
