package main

import (
	"cmp"
	"fmt"
	"io"
	"maps"
	"net/netip"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"drawbridge.dev/events"
	"drawbridge.dev/services/auditor"
	"drawbridge.dev/services/internal/bus"
	"drawbridge.dev/services/sandbox"
	"drawbridge.dev/services/watcher"
)

// screen shows a demo: what happens while it happens, and a table when
// everything that the folder asks for has come to an end.
type screen struct {
	out   io.Writer
	dir   string
	cfg   config
	cloud *sandbox.Cloud
	nodes *sandbox.Nodes

	mu       sync.Mutex
	expected watcher.Translation // what stood in the folder at the start
	started  time.Time
	standing map[events.Key]*standing
	live     bool // the table as it stood at the start has been read
	shown    bool // the big table
}

func newScreen(out io.Writer, dir string, cfg config, cloud *sandbox.Cloud, nodes *sandbox.Nodes, expected watcher.Translation) *screen {
	return &screen{out: out, dir: dir, cfg: cfg, cloud: cloud, nodes: nodes, expected: expected,
		started: time.Now(), standing: map[events.Key]*standing{}}
}

func (s *screen) welcome() {
	fmt.Fprintf(s.out, "drawbridge demo: watcher, policy, executor and auditor in one process, a cloud on %s\n", s.cloud.URL())
	fmt.Fprintf(s.out, "cluster: %s   log: %s\n\n", filepath.Join(s.dir, "cluster"), filepath.Join(s.dir, "drawbridge.log"))
}

// row takes one row of the bus.
func (s *screen) row(r bus.Record) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if r.Err != nil {
		fmt.Fprintf(s.out, "%s  undecodable  %s\n", time.Now().Format(time.TimeOnly), oneLine(fmt.Sprintf("%s: %v", r.Subject, r.Err)))
		return
	}
	k := r.Event.Key
	x := s.standing[k]
	if x == nil {
		x = &standing{}
		s.standing[k] = x
	}
	x.put(r.Event.Payload)
	if !s.live {
		return
	}
	if _, wish := r.Event.Payload.(events.Requested); wish {
		s.serveNodes()
	}
	fmt.Fprintf(s.out, "%s  %-10s %-24s %s\n", r.Event.Time.Local().Format(time.TimeOnly), verbOf(r.Event), oneLine(short(k)), oneLine(summary(r.Event.Payload)))
	if s.shown {
		if o, ok := r.Event.Payload.(events.Outcome); ok && o.State == events.Applied {
			for _, c := range s.commands(*x) {
				fmt.Fprintf(s.out, "          try: %s\n", c)
			}
		}
	}
	s.showTable()
}

// synced begins the show: what comes from here on happens now.
func (s *screen) synced() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.live = true
	s.serveNodes()
	s.showTable()
}

func verbOf(e events.Event) string {
	return strings.TrimSuffix(strings.TrimPrefix(e.Type(), events.TypePrefix), ".v1")
}

func short(k events.Key) string { return k.Namespace + "/" + k.Name }

// serveNodes makes the NodePorts of all wishes answer, as the cluster would, and
// until the table is shown also those of wishes that are on their way.
func (s *screen) serveNodes() {
	var wishes []watcher.Wish
	if !s.shown {
		wishes = slices.Clone(s.expected.Wishes)
	}
	for _, x := range s.standing {
		if x.requested != nil {
			wishes = append(wishes, watcher.Wish{Requested: *x.requested})
		}
	}
	if err := s.nodes.Set(nodePorts(wishes)); err != nil {
		fmt.Fprintf(s.out, "some NodePorts cannot answer: %v\n", err)
	}
}

// nodePorts are what wishes send traffic to.
func nodePorts(wishes []watcher.Wish) []sandbox.Backend {
	ports := map[string]sandbox.Backend{}
	for _, w := range wishes {
		if w.Requested.Exposure == nil {
			continue
		}
		for _, b := range w.Requested.Exposure.Backends {
			for _, m := range b.Members {
				a, err := netip.ParseAddr(m.Address)
				if err != nil {
					continue
				}
				p := sandbox.Backend{Address: netip.AddrPortFrom(a, uint16(m.Port)), Protocol: b.Protocol.Family(), Label: b.Name + " on " + m.Name}
				ports[p.Protocol+p.Address.String()] = p
			}
		}
	}
	return slices.Collect(maps.Values(ports))
}

// showTable shows the table once, when all that the folder asked for is settled.
func (s *screen) showTable() {
	if s.shown || !s.complete() {
		return
	}
	s.shown = true
	var lines [][]string
	for _, k := range slices.SortedFunc(maps.Keys(s.standing), func(a, b events.Key) int { return cmp.Compare(a.String(), b.String()) }) {
		x := s.standing[k]
		verdict, state, detail := x.state()
		if state == string(events.Removed) && verdict == string(events.Approved) {
			continue
		}
		lines = append(lines, []string{k.Kind, short(k), verdict, state, strings.Join(x.addresses(), " "), detail})
		for _, c := range s.commands(*x) {
			lines = append(lines, []string{"", "", "", "", "", c})
		}
	}
	fmt.Fprintf(s.out, "\nsettled after %s\n\n", time.Since(s.started).Round(100*time.Millisecond))
	if err := rows(s.out, []string{"KIND", "EXPOSURE", "VERDICT", "STATE", "ADDRESS", "TRY IT, OR WHY NOT"}, lines); err != nil {
		fmt.Fprintln(s.out, err)
	}
	flag := ""
	if a := s.cfg.Auditor.Listen.Address; a != auditor.DefaultAddress {
		flag = " --auditor http://" + a
	}
	fmt.Fprintf(s.out, "\nhistory: %s\n  drawbridge history%s\n  drawbridge get exposures%s\n  drawbridge show%s CHANGE\n", s.cfg.Auditor.Database, flag, flag, flag)
	fmt.Fprintf(s.out, "\nEdit or delete a file in %s and watch. Ctrl-C stops.\n\n", filepath.Join(s.dir, "cluster"))
}

// complete says whether every object that stood in the folder at the start has
// come to its end.
func (s *screen) complete() bool {
	if !s.live {
		return false
	}
	for _, w := range s.expected.Wishes {
		x := s.standing[w.Key]
		if x == nil || x.requested == nil || x.requested.Digest != w.Requested.Digest || !x.settled() {
			return false
		}
	}
	for _, p := range s.expected.Problems {
		if x := s.standing[p.Key]; p.Refused && p.Key != (events.Key{}) && (x == nil || x.rejected == nil) {
			return false
		}
	}
	return true
}

// commands are lines for a shell that reach an exposure through the data plane.
func (s *screen) commands(x standing) []string {
	d, o := x.answered(), x.done()
	if d == nil || d.Exposure == nil || o == nil || o.LoadBalancer == nil {
		return nil
	}
	var out []string
	for _, l := range d.Exposure.Listeners {
		var best *sandbox.Endpoint
		for _, e := range s.cloud.Endpoints() {
			if e.LoadBalancer == o.LoadBalancer.ID && e.Port == l.Port && e.Error == "" && (best == nil || e.Floating) {
				best = &e
			}
		}
		if best == nil {
			continue
		}
		if c := s.commandFor(l, best.Real); c != "" {
			out = append(out, c)
		}
	}
	return out
}

// commandFor is a line that reaches a listener; empty: there is nothing to see
// but a redirect.
func (s *screen) commandFor(l events.Listener, at netip.AddrPort) string {
	l.Routes = slices.DeleteFunc(slices.Clone(l.Routes), func(r events.Route) bool { return r.Redirect != nil })
	switch {
	case l.Backend == "" && len(l.Routes) == 0:
		return ""
	case l.TLS != nil:
		return s.tlsCommandFor(l, at)
	case l.Protocol == events.UDP:
		return fmt.Sprintf("bash -c 'exec 3<>/dev/udp/%s/%d; echo hello >&3; timeout 2 head -n1 <&3'", at.Addr(), at.Port())
	case len(l.Routes) > 0:
		r := l.Routes[len(l.Routes)-1]
		header := ""
		if r.Host != "" {
			header = fmt.Sprintf("-H 'Host: %s' ", strings.Replace(r.Host, "*", "any", 1))
		}
		return fmt.Sprintf("curl %s%s", header, shellWord(fmt.Sprintf("http://%s%s", at, r.Path)))
	}
	return fmt.Sprintf("curl http://%s/", at)
}

// tlsCommandFor trusts the certificate that the demo made, and takes any other.
func (s *screen) tlsCommandFor(l events.Listener, at netip.AddrPort) string {
	trust := "-k"
	if c := l.TLS.Certificates; len(c) > 0 && c[0].Secret == demoTLSSecret {
		trust = "--cacert " + shellWord(filepath.Join(s.dir, demoTLSFile))
	}
	host, path := at.Addr().String(), "/"
	if len(l.Routes) > 0 {
		r := l.Routes[len(l.Routes)-1]
		path = r.Path
		if r.Host != "" {
			host = strings.Replace(r.Host, "*", "any", 1)
		}
	}
	if l.Port != 443 {
		host = fmt.Sprintf("%s:%d", host, l.Port)
	}
	return fmt.Sprintf("curl %s --connect-to ::%s %s", trust, at, shellWord("https://"+host+path))
}

// shellWord is s as one word for a shell: a path of an Ingress may hold what
// would run a command.
func shellWord(s string) string {
	plain := func(r rune) bool {
		return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("-._/:%+,=@", r)
	}
	if !strings.ContainsFunc(s, func(r rune) bool { return !plain(r) }) {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}
