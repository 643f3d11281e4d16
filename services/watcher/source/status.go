package source

import (
	"context"
	"slices"
	"time"

	"github.com/rs/zerolog"
	corev1 "k8s.io/api/core/v1"

	"drawbridge.dev/events"
	"drawbridge.dev/services/watcher/translate"
)

// Status is what the users of a cluster shall see of one object.
type Status struct {
	Key events.Key
	UID string // of the object that it is about

	// Addresses where the object is reachable, told as Presence says. Keep leaves
	// what the object says. Former says that the object is not ours any more: only these are taken away,
	// not what another controller put there.
	Addresses []string
	Keep      bool
	Former    []string
	Presence  translate.Presence

	// Condition of type [ConditionExposed]; nil takes it away, unless KeepCondition
	// leaves it. Only Services have conditions.
	Condition     *Condition
	KeepCondition bool
	// Notices become Kubernetes Events, in their order.
	Notices []Notice
}

// points are addresses as the object has them in its status.
func (s Status) points(addresses []string) (out []corev1.LoadBalancerIngress) {
	for _, a := range addresses {
		p := corev1.LoadBalancerIngress{IP: a}
		if name := s.Presence.Name(a); name != "" {
			p = corev1.LoadBalancerIngress{Hostname: name}
		} else if mode := s.Presence.IPMode; mode != "" {
			p.IPMode = &mode
		}
		if !slices.ContainsFunc(out, func(o corev1.LoadBalancerIngress) bool { return textOf(o) == textOf(p) }) {
			out = append(out, p)
		}
	}
	return out
}

// texts are points without what others may have written beside them, sorted.
func texts(points []corev1.LoadBalancerIngress) (out []string) {
	for _, p := range points {
		out = append(out, textOf(p))
	}
	slices.Sort(out)
	return out
}

func textOf(p corev1.LoadBalancerIngress) string {
	text := p.IP + " " + p.Hostname
	if p.IPMode != nil {
		text += " " + string(*p.IPMode)
	}
	return text
}

// differs says whether the addresses that stand must be replaced.
func (s Status) differs(have []corev1.LoadBalancerIngress) bool {
	if s.Keep || len(have)+len(s.Addresses) == 0 {
		return false
	}
	same := func(addresses []string) bool {
		return slices.Equal(texts(have), texts(s.points(addresses)))
	}
	if len(s.Former) > 0 {
		return same(s.Former)
	}
	return !same(s.Addresses)
}

// Condition says whether what the object asks for stands.
type Condition struct {
	Status  string // True, False or Unknown
	Reason  string // one word
	Message string
	Since   time.Time
}

// Notice is one thing that happened.
type Notice struct {
	Change  string // id of the change that it happened in
	Warning bool
	Reason  string // Approved, Denied, Held, Applied, NeedsRecreate, Warning, Failed, Removed, Drifted, Invalid
	Message string
	Time    time.Time
	// Replayed: it happened before this process began, so that it may have been told.
	Replayed bool
}

// Writer brings a status to where the users of a cluster look for it. It writes
// only what differs from what stands there, and tells no notice twice, also
// after a restart. An object that is gone is no error.
type Writer interface {
	Write(context.Context, Status) error
}

// logWriter is for sources that have no place for a status: it goes to the log.
type logWriter struct{ log zerolog.Logger }

// Write implements [Writer].
func (w logWriter) Write(_ context.Context, s Status) error {
	for _, n := range s.Notices {
		if n.Replayed {
			continue
		}
		e := w.log.Info()
		if n.Warning {
			e = w.log.Warn()
		}
		e.Str("change", n.Change).Str("key", s.Key.String()).Str("stage", "status").Str("reason", n.Reason).Strs("addresses", s.Addresses).Msg(n.Message)
	}
	return nil
}
