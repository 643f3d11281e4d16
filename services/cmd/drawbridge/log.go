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
	if err != nil || level < zerolog.TraceLevel || level > zerolog.ErrorLevel {
		return zerolog.Nop(), fmt.Errorf("log.level %q: write trace, debug, info, warn or error", c.Level)
	}
	if c.Format != "" && c.Format != "json" && c.Format != "console" {
		return zerolog.Nop(), fmt.Errorf("log.format %q: write console or json", c.Format)
	}
	return zerolog.New(logWriter(c, out)).Level(level).With().Timestamp().Logger(), nil
}

func logWriter(c logConfig, out *os.File) io.Writer {
	if c.Format == "console" || c.Format == "" && term.IsTerminal(int(out.Fd())) {
		return zerolog.ConsoleWriter{Out: out, TimeFormat: time.TimeOnly}
	}
	return out
}
