package main

import (
	"cmp"
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// What the summary shows: so many lines, of each message its beginning and its
// end, of a log only its end.
const (
	mostLines = 60
	headLines = 12
	tailLines = 24
	logLines  = 2
	lineBytes = 240
)

// event is one line of `go test -json` (go doc test2json); a build's has ImportPath.
type event struct {
	Action, Package, ImportPath, Test, Output string
	Elapsed                                   float64
}

// result is what became of one test, or of a package as such (test is empty).
type result struct {
	pkg, test string
	output    []string
	verdict   string // fail, skip, pass; empty: it has not ended
	seconds   float64
}

type report struct {
	noSkips bool
	of      map[string]*result
	order   []*result
}

func newReport(noSkips bool) *report { return &report{noSkips: noSkips, of: map[string]*result{}} }

// take reads a line and answers what is to be printed of it.
func (r *report) take(line []byte) string {
	var e event
	if json.Unmarshal(line, &e) != nil {
		return string(line)
	}
	pkg := cmp.Or(e.Package, e.ImportPath)
	x := r.of[pkg+" "+e.Test]
	if x == nil {
		x = &result{pkg: pkg, test: e.Test}
		r.of[pkg+" "+e.Test] = x
		r.order = append(r.order, x)
	}
	switch e.Action {
	case "output", "build-output":
		if strings.HasPrefix(e.Output, "=== ") {
			return ""
		}
		x.output = append(x.output, strings.TrimRight(e.Output, "\n"))
		return e.Output
	case "fail", "skip", "pass", "build-fail":
		x.verdict, x.seconds = strings.TrimPrefix(e.Action, "build-"), e.Elapsed
	}
	return ""
}

// bad are the tests that failed, did not end, or were skipped and may not be:
// those within others before them, as what they say is closer to the cause.
func (r *report) bad() (out []*result) {
	for _, x := range r.order {
		ended := x.verdict == "pass" || x.verdict == "skip" && (!r.noSkips || x.test == "")
		if !ended && (x.test != "" || x.verdict == "fail") {
			out = append(out, x)
		}
	}
	slices.SortStableFunc(out, func(a, b *result) int {
		depth := func(x *result) int { return strings.Count(x.test, "/") + min(1, len(x.test)) }
		return cmp.Compare(depth(b), depth(a))
	})
	return out
}

// summary is what failed and what it said; empty: nothing did.
func (r *report) summary() string {
	bad := r.bad()
	if len(bad) == 0 {
		return ""
	}
	names, said := []string{"", "What failed:"}, []string{}
	for _, x := range bad {
		m := x.messages()
		if x.test == "" && len(m) == 0 && bad[0].test != "" {
			continue // a package, because of its tests
		}
		name := fmt.Sprintf("%s %s %s (%.1f s)", strings.ToUpper(cmp.Or(x.verdict, "no end")), x.pkg, x.test, x.seconds)
		names = append(names, name)
		if len(m) > 0 {
			said = append(said, append([]string{"", name}, m...)...)
		}
	}
	names = shorten(names, mostLines/4, 0)
	return strings.Join(append(names, shorten(said, mostLines-len(names), 0)...), "\n") + "\n"
}

var (
	message = regexp.MustCompile(`^\s+\S+\.go:\d+: `)
	logged  = regexp.MustCompile(`^\s+\S+\.go:\d+: log of `)
	frame   = regexp.MustCompile(`^(\s*--- (PASS|FAIL|SKIP): |PASS$|FAIL(\s|$)|ok\s|exit status |coverage: )`)
)

// messages are what a test said: what is long loses its middle.
func (x *result) messages() (out []string) {
	var one []string
	end := func() {
		head, tail := headLines, tailLines
		if len(one) > 0 && logged.MatchString(one[0]) {
			head, tail = 2, logLines
		}
		out = append(out, shorten(one, head, tail)...)
		one = nil
	}
	for _, line := range x.output {
		if frame.MatchString(line) {
			continue
		}
		if message.MatchString(line) {
			end()
		}
		one = append(one, fmt.Sprintf("%.*s", lineBytes, line))
	}
	end()
	return out
}

// shorten keeps so many lines of the beginning and of the end.
func shorten(lines []string, head, tail int) []string {
	cut := len(lines) - head - tail
	if cut <= 1 {
		return lines
	}
	return slices.Concat(lines[:head-1], []string{fmt.Sprintf("    ... %d lines, see above", cut+1)}, lines[len(lines)-tail:])
}
