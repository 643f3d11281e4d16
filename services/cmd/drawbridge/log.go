package main

import (
	"fmt"
	"io"
	"os"
	"time"

	"github.com/rs/zerolog"
	"golang.org/x/term"
)

// newLogger writes for people on a terminal and JSON lines elsewhere.
func newLogger(c logConfig, out *os.File) (zerolog.Logger, error) {
	level, err := zerolog.ParseLevel(c.Level)
	if err != nil {
		return zerolog.Nop(), fmt.Errorf("log.level %q: write trace, debug, info, warn or error", c.Level)
	}
	var w io.Writer = out
	switch c.Format {
	case "json":
	case "console":
		w = zerolog.ConsoleWriter{Out: out, TimeFormat: time.TimeOnly}
	case "":
		if term.IsTerminal(int(out.Fd())) {
			w = zerolog.ConsoleWriter{Out: out, TimeFormat: time.TimeOnly}
		}
	default:
		return zerolog.Nop(), fmt.Errorf("log.format %q: write console or json", c.Format)
	}
	return zerolog.New(w).Level(level).With().Timestamp().Logger(), nil
}
