// Command verdict reads what `go test -json` prints and prints what the tests
// print, as it comes. Its last lines are what failed and what those tests said,
// so that the end of a log tells why a run failed. Its exit status is 1 if a
// test failed, or was skipped and may not be.
package main

import (
	"bufio"
	"flag"
	"fmt"
	"io"
	"os"
)

func main() {
	summary := flag.String("summary", "", "file to write what failed to, instead of printing it")
	skips := flag.Bool("no-skips", false, "a test that is skipped has failed")
	flag.Parse()
	failed, err := run(os.Stdin, os.Stdout, *summary, *skips)
	if err != nil {
		fmt.Fprintln(os.Stderr, "verdict:", err)
	}
	if err != nil || failed {
		os.Exit(1)
	}
}

func run(in io.Reader, out io.Writer, file string, noSkips bool) (failed bool, err error) {
	r := newReport(noSkips)
	lines := bufio.NewReader(in)
	for {
		line, readErr := lines.ReadBytes('\n')
		if text := r.take(line); text != "" {
			if _, err := io.WriteString(out, text); err != nil {
				return true, err
			}
		}
		if readErr == io.EOF {
			break
		}
		if readErr != nil {
			return true, readErr
		}
	}
	text := r.summary()
	if text == "" {
		return false, nil
	}
	if file != "" {
		return true, os.WriteFile(file, []byte(text), 0o600)
	}
	_, err = io.WriteString(out, text)
	return true, err
}
