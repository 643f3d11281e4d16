package main

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"drawbridge.dev/events"
	"drawbridge.dev/services/auditor"
)

// auditorFlags say which auditor a command asks.
type auditorFlags struct {
	url, tokenFile, caFile, certFile, keyFile string
}

func (a *auditorFlags) addTo(cmd *cobra.Command) {
	env := func(name, otherwise string) string {
		if v := os.Getenv(name); v != "" {
			return v
		}
		return otherwise
	}
	f := cmd.Flags()
	f.StringVar(&a.url, "auditor", env("DRAWBRIDGE_AUDITOR", "http://"+auditor.DefaultAddress), "URL of the auditor's API, also DRAWBRIDGE_AUDITOR")
	f.StringVar(&a.tokenFile, "token-file", os.Getenv("DRAWBRIDGE_TOKEN_FILE"), "file of the bearer token, also DRAWBRIDGE_TOKEN_FILE")
	f.StringVar(&a.caFile, "ca-file", os.Getenv("DRAWBRIDGE_CA_FILE"), "authorities of the auditor's certificate (PEM), also DRAWBRIDGE_CA_FILE")
	f.StringVar(&a.certFile, "cert-file", os.Getenv("DRAWBRIDGE_CERT_FILE"), "client certificate (PEM), also DRAWBRIDGE_CERT_FILE")
	f.StringVar(&a.keyFile, "key-file", os.Getenv("DRAWBRIDGE_KEY_FILE"), "key of the client certificate (PEM), also DRAWBRIDGE_KEY_FILE")
}

func (a *auditorFlags) client() (auditor.Client, error) {
	c := auditor.Client{BaseURL: a.url}
	if a.tokenFile != "" {
		b, err := os.ReadFile(a.tokenFile)
		if err != nil {
			return c, fmt.Errorf("--token-file: %w", err)
		}
		c.Token = strings.TrimSpace(string(b))
	}
	if a.caFile == "" && a.certFile == "" {
		return c, nil
	}
	t := &tls.Config{MinVersion: tls.VersionTLS12}
	if a.caFile != "" {
		pem, err := os.ReadFile(a.caFile)
		if err != nil {
			return c, fmt.Errorf("--ca-file: %w", err)
		}
		if t.RootCAs = x509.NewCertPool(); !t.RootCAs.AppendCertsFromPEM(pem) {
			return c, fmt.Errorf("--ca-file %s holds no certificate in PEM", a.caFile)
		}
	}
	if a.certFile != "" {
		pair, err := tls.LoadX509KeyPair(a.certFile, a.keyFile)
		if err != nil {
			return c, fmt.Errorf("--cert-file and --key-file: %w", err)
		}
		t.Certificates = []tls.Certificate{pair}
	}
	c.HTTP = &http.Client{Timeout: 30 * time.Second, Transport: &http.Transport{TLSClientConfig: t, Proxy: http.ProxyFromEnvironment}}
	return c, nil
}

func historyCommand() *cobra.Command {
	var at auditorFlags
	var out output
	filters := map[string]*string{}
	cmd := &cobra.Command{
		Use:   "history",
		Short: "What happened, the newest first",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			q := url.Values{}
			for name, v := range filters {
				if *v != "" {
					q.Set(name, *v)
				}
			}
			f, err := auditor.ParseFilter(q, time.Now())
			var wrong *auditor.ParameterError
			if errors.As(err, &wrong) {
				return fmt.Errorf("--%s: %s", wrong.Parameter, wrong.Reason)
			}
			c, err := at.client()
			if err != nil {
				return err
			}
			page, err := c.Events(cmd.Context(), f)
			if err != nil {
				return err
			}
			return out.write(cmd.OutOrStdout(), page, func(w io.Writer) error { return historyTable(w, page) })
		},
	}
	for _, f := range [][2]string{
		{"cluster", "of this cluster only"}, {"kind", "Service or Ingress"}, {"namespace", "of this namespace only"}, {"name", "of objects of this name only"},
		{"stage", "requested, decided, outcome, drift or rejected"}, {"verdict", "such as approved, denied, applied, failed"}, {"cloud", "of this cloud only"},
		{"since", "RFC 3339, or how long ago (2h)"}, {"until", "RFC 3339, or how long ago (10m)"},
		{"limit", "rows at most (100 unless said)"}, {"before", "rows before this one, to go on with the next page"},
	} {
		filters[f[0]] = cmd.Flags().String(f[0], "", f[1])
	}
	var stages []string
	for _, s := range events.Stages {
		stages = append(stages, string(s))
	}
	complete(cmd, "stage", stages...)
	complete(cmd, "verdict", auditor.Verdicts...)
	complete(cmd, "kind", events.KindService, events.KindIngress)
	at.addTo(cmd)
	out.addTo(cmd)
	return cmd
}

func historyTable(w io.Writer, p auditor.Page) error {
	var lines [][]string
	for _, e := range p.Events {
		lines = append(lines, []string{e.Time.Local().Format(time.DateTime), e.Change, e.Verdict, e.Cloud, e.Key().String(), e.Reason + summary(payloadOf(e))})
	}
	if err := rows(w, []string{"TIME", "CHANGE", "EVENT", "CLOUD", "EXPOSURE", "DETAIL"}, lines); err != nil {
		return err
	}
	gapLines(w, p.Gaps)
	if p.Next != 0 {
		fmt.Fprintf(w, "\nmore with --before %d\n", p.Next)
	}
	return nil
}

func gapLines(w io.Writer, gaps []auditor.Gap) {
	for _, g := range gaps {
		fmt.Fprintf(w, "\nGAP: %d events from sequence %d are missing before row %d: %s\n", g.Missed, g.First, g.Before, oneLine(g.Reason))
	}
}

// payloadOf reads the payload of a row; nil where it is none of ours.
func payloadOf(e auditor.Event) events.Payload {
	switch events.Stage(e.Stage) {
	case events.StageRequested:
		return readPayload[events.Requested](e)
	case events.StageDecided:
		return readPayload[events.Decided](e)
	case events.StageOutcome:
		return readPayload[events.Outcome](e)
	case events.StageDrift:
		return readPayload[events.Drift](e)
	case events.StageRejected:
		return readPayload[events.Rejected](e)
	}
	return nil
}

func readPayload[T events.Payload](e auditor.Event) events.Payload {
	var v T
	if json.Unmarshal(e.Payload, &v) != nil {
		return nil
	}
	return v
}

// summary is one line of what a payload says.
func summary(p events.Payload) string {
	switch v := p.(type) {
	case events.Requested:
		if v.Exposure == nil {
			return "remove what stands"
		}
		return ports(*v.Exposure)
	case events.Decided:
		return strings.Join(append(v.Reasons, v.Obligations...), "; ")
	case events.Outcome:
		if v.Reason != "" {
			return v.Reason
		}
		return strings.TrimSpace(fmt.Sprintf("%s (%d writes, %d reads)", strings.Join(addresses(v), " "), v.Calls.Writes, v.Calls.Reads))
	case events.Drift:
		return strings.Join(v.Steps, "; ")
	case events.Rejected:
		parts := []string{v.Reason}
		for _, x := range v.Problems {
			parts = append(parts, x.Field+": "+x.Message)
		}
		return strings.Join(parts, "; ")
	}
	return ""
}

func ports(x events.Exposure) string {
	var out []string
	for _, l := range x.Listeners {
		s := fmt.Sprintf("%s/%d", l.Protocol, l.Port)
		if n := len(l.Routes); n > 0 {
			s += fmt.Sprintf(" (%d routes)", n)
		}
		out = append(out, s)
	}
	return strings.Join(out, ", ")
}

func addresses(o events.Outcome) []string {
	var out []string
	for _, a := range o.Addresses {
		out = append(out, a.IP)
	}
	return out
}
