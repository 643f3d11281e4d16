package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"
)

// figures are what one command measured, by name: attributes of tests as they
// are named there, metrics of benchmarks as "Benchmark/sub unit".
type figures map[string]float64

// measure runs a `go test` command at the top of the repository.
func measure(ctx context.Context, root, command string) (figures, error) {
	words, err := split(command)
	if err != nil {
		return nil, err
	}
	if len(words) < 3 || words[0] != "go" || words[1] != "test" {
		return nil, fmt.Errorf("%q is no go test command", command)
	}
	cmd := exec.CommandContext(ctx, words[0], append([]string{"test", "-json"}, words[2:]...)...)
	cmd.Dir, cmd.Stderr = root, os.Stderr
	out, runErr := cmd.Output()
	f, log, err := parse(bytes.NewReader(out))
	if runErr != nil {
		return nil, fmt.Errorf("%s: %w\n%s", command, runErr, log)
	}
	return f, err
}

// split divides a command at blanks, but for what is in single quotes.
func split(command string) (words []string, err error) {
	for i, part := range strings.Split(command, "'") {
		if i%2 == 1 {
			words = append(words, part)
		} else {
			words = append(words, strings.Fields(part)...)
		}
	}
	if strings.Count(command, "'")%2 == 1 {
		return nil, fmt.Errorf("%s: a quote is not closed", command)
	}
	return words, nil
}

// parse reads what `go test -json` says, and returns its plain output too.
func parse(r io.Reader) (figures, string, error) {
	f := figures{}
	var log strings.Builder
	line := map[string]string{} // by package, until its end
	for d := json.NewDecoder(r); ; {
		var e struct{ Action, Package, Key, Value, Output string }
		err := d.Decode(&e)
		if errors.Is(err, io.EOF) {
			return f, log.String(), nil
		}
		if err != nil {
			return nil, log.String(), fmt.Errorf("output of go test -json: %w", err)
		}
		switch e.Action {
		case "attr":
			if f[e.Key], err = strconv.ParseFloat(e.Value, 64); err != nil {
				return nil, log.String(), fmt.Errorf("attribute %s: %w", e.Key, err)
			}
		case "output":
			log.WriteString(e.Output)
			line[e.Package] += e.Output
			if strings.HasSuffix(e.Output, "\n") {
				f.benchmark(line[e.Package])
				line[e.Package] = ""
			}
		}
	}
}

// benchmark takes a line of results: name-procs, rounds, then values with units.
func (f figures) benchmark(line string) {
	words := strings.Fields(line)
	if len(words) < 4 || !strings.HasPrefix(words[0], "Benchmark") {
		return
	}
	if _, err := strconv.Atoi(words[1]); err != nil {
		return
	}
	name := words[0]
	if i := strings.LastIndex(name, "-"); i > 0 {
		if _, err := strconv.Atoi(name[i+1:]); err == nil {
			name = name[:i]
		}
	}
	for i := 2; i+1 < len(words); i += 2 {
		if v, err := strconv.ParseFloat(words[i], 64); err == nil {
			f[name+" "+words[i+1]] = v
		}
	}
}
