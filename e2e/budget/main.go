// Budget measures what the product has promised to cost and writes one table of
// it: each budget, what was measured, and the command that measures it again.
//
// Counts are of calls that reach the cloud over the wire, and tests hold them.
// Times are compared within one run only, because machines differ and are
// shared: a ratio of medians is what a budget of time is about.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"strings"

	"drawbridge.dev/e2e/harness"
)

func main() {
	out := flag.String("o", "e2e/budget/RESULTS.md", "`file` for the table, below the top of the repository; empty: none")
	only := flag.String("only", "", "measure only the commands that contain this `text`")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err := run(ctx, *out, *only)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// run measures, prints and writes. A budget that is not kept is an error, after
// the table is written.
func run(ctx context.Context, out, only string) error {
	root, err := harness.Root()
	if err != nil {
		return err
	}
	measured := map[string]figures{}
	for _, c := range commands() {
		if !strings.Contains(c, only) {
			continue
		}
		fmt.Fprintln(os.Stderr, c)
		if measured[c], err = measure(ctx, root, c); err != nil {
			return err
		}
	}
	table, broken := render(measured)
	text := fmt.Sprintf("%s\nMeasured with %s on %s/%s, %d cores, shared with other work. Written by `go tool task budgets`.\n",
		table, runtime.Version(), runtime.GOOS, runtime.GOARCH, runtime.NumCPU())
	fmt.Print(text)
	if out != "" && only == "" {
		if err := os.WriteFile(filepath.Join(root, out), []byte(text), 0o644); err != nil {
			return err
		}
	}
	if len(broken) > 0 {
		return fmt.Errorf("not kept: %s", strings.Join(broken, "; "))
	}
	return nil
}
