package main

import (
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"drawbridge.dev/events"
	"drawbridge.dev/services/auditor"
)

func showCommand() *cobra.Command {
	var at auditorFlags
	var out output
	cmd := &cobra.Command{
		Use:   "show CHANGE",
		Short: "One change, the whole trip in order: asked, decided by which rules, done in which steps",
		Args:  cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := at.client()
			if err != nil {
				return err
			}
			change, err := c.Change(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			return out.write(cmd.OutOrStdout(), change, func(w io.Writer) error { return showChange(w, change) })
		},
	}
	at.addTo(cmd)
	out.addTo(cmd)
	return cmd
}

func showChange(w io.Writer, c auditor.Change) error {
	fmt.Fprintf(w, "change %s\n", oneLine(c.ID))
	for _, e := range c.Events {
		fmt.Fprintf(w, "\n%s  %s  %s  by %s\n", e.Time.Local().Format(time.StampMilli), strings.ToUpper(e.Verdict), oneLine(e.Key().String()), oneLine(e.Source))
		for _, l := range details(e) {
			fmt.Fprintf(w, "    %-12s %s\n", l[0], oneLine(l[1]))
		}
	}
	gapLines(w, c.Gaps)
	return nil
}

// details are the lines of one event: what, and its value.
func details(e auditor.Event) (out [][2]string) {
	add := func(what string, values ...string) {
		for _, v := range values {
			if v != "" {
				out = append(out, [2]string{what, v})
			}
		}
	}
	add("reason", e.Reason)
	switch p := payloadOf(e).(type) {
	case events.Requested:
		add("cloud", e.Cloud)
		if p.Exposure == nil {
			add("asks", "remove what stands")
			break
		}
		add("asks", exposureLines(*p.Exposure)...)
	case events.Decided:
		add("reason", p.Reasons...)
		add("rule", p.Rules...)
		add("obligation", p.Obligations...)
		add("bundle", strings.TrimSpace(p.Policy.Bundle+" "+p.Policy.Revision+" "+p.Policy.Digest))
		add("signed by", p.Signature.Key)
		if p.Verdict != events.Approved && p.Exposure != nil {
			add("stands", "what was approved before, untouched")
		}
	case events.Outcome:
		for _, a := range p.Addresses {
			add("address", a.IP+" ("+a.Type+")")
		}
		if b := p.LoadBalancer; b != nil {
			add("balancer", strings.TrimSpace(strings.Join([]string{b.Name, b.ID, b.Provider, b.Topology}, " ")))
		}
		add("reason", p.Reason)
		if p.Retry {
			add("retries", "by itself")
		}
		add("step", p.Steps...)
		add("warning", p.Warnings...)
		add("calls", fmt.Sprintf("%d writes, %d reads, %d polls", p.Calls.Writes, p.Calls.Reads, p.Calls.Polls))
	case events.Drift:
		add("differs", p.Steps...)
		add("repair", fmt.Sprint(p.Repair))
	case events.Rejected:
		add("reason", p.Reason)
		for _, x := range p.Problems {
			add("problem", x.Field+": "+x.Message)
		}
	}
	return out
}
