package main

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestParse(t *testing.T) {
	f, log, err := parse(strings.NewReader(`
{"Action":"attr","Package":"p","Test":"T","Key":"expose-writes","Value":"2"}
{"Action":"output","Package":"p","Output":"BenchmarkX/claims=10-2 \t"}
{"Action":"output","Package":"q","Output":"BenchmarkY-16   7   0.5 ratio\n"}
{"Action":"output","Package":"p","Output":"  100\t 12.5 ns/op\t 3 allocs/op\n"}
{"Action":"output","Package":"p","Output":"Benchmark results are above\n"}
{"Action":"pass","Package":"p"}`))
	if err != nil {
		t.Fatal(err)
	}
	want := figures{"expose-writes": 2, "BenchmarkX/claims=10 ns/op": 12.5, "BenchmarkX/claims=10 allocs/op": 3, "BenchmarkY ratio": 0.5}
	if d := cmp.Diff(want, f); d != "" {
		t.Error(d)
	}
	if !strings.Contains(log, "results are above") {
		t.Errorf("log is %q", log)
	}
	if _, _, err := parse(strings.NewReader("no JSON")); err == nil {
		t.Error("what is no JSON was read")
	}
}

func TestSplit(t *testing.T) {
	got, err := split("go test ./a -run '^$' -bench 'X|Y Z'")
	if d := cmp.Diff([]string{"go", "test", "./a", "-run", "^$", "-bench", "X|Y Z"}, got); d != "" || err != nil {
		t.Error(d, err)
	}
	if _, err := split("go test 'x"); err == nil {
		t.Error("an open quote was taken")
	}
}

// TestRender: what is over its budget, or was not measured, is not kept.
func TestRender(t *testing.T) {
	good := figures{"expose-writes": 2, "expose-reads": 3, "delete-writes": 2, "delete-reads": 1, "node-writes": 4, "node-pools": 4, "node-reads": 4,
		"drift-writes": 0, "drift-looks": 12, "drift-reads": 9, "restart-writes": 0, "stepwise-first-writes": 23, "stepwise-first-reads": 5,
		"stepwise-second-writes": 21, "stepwise-second-reads": 3}
	table, broken := render(map[string]figures{counting: good})
	if len(broken) > 0 || !strings.Contains(table, "| writes: 2, reads: 3 | `"+counting+"` |") {
		t.Errorf("broken %q in\n%s", broken, table)
	}
	for _, tt := range []struct {
		name  string
		value float64
	}{{"expose-writes", 3}, {"expose-reads", 7}, {"delete-writes", 3}, {"node-writes", 5}, {"drift-writes", 1}, {"restart-writes", 1}, {"stepwise-second-writes", 22}} {
		bad := figures{}
		for k, v := range good {
			bad[k] = v
		}
		bad[tt.name] = tt.value
		if _, broken := render(map[string]figures{counting: bad}); len(broken) != 1 {
			t.Errorf("%s = %v: broken is %q", tt.name, tt.value, broken)
		}
		delete(bad, tt.name)
		if _, broken := render(map[string]figures{counting: bad}); len(broken) == 0 {
			t.Errorf("%s was not measured, and is kept", tt.name)
		}
	}
}
