package source

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes"

	"drawbridge.dev/events"
)

// apiWriter writes status and Events to an API server. Needed rights: patch of
// services/status and ingresses/status, create and get and patch of events.
type apiWriter struct {
	client kubernetes.Interface
	source *Source
}

const component = "drawbridge-watcher"

// Write implements [Writer]. What is compared is the informer's object: if it
// lags, the same patch is sent once more, which changes nothing.
func (w *apiWriter) Write(ctx context.Context, s Status) error {
	for _, n := range s.Notices {
		if err := w.notice(ctx, s, n); err != nil {
			return fmt.Errorf("event %s of %s: %w", n.Reason, s.Key, err)
		}
	}
	var err error
	switch s.Key.Kind {
	case events.KindService:
		err = w.service(ctx, s)
	case events.KindIngress:
		err = w.ingress(ctx, s)
	}
	if err != nil && !apierrors.IsNotFound(err) {
		return fmt.Errorf("status of %s: %w", s.Key, err)
	}
	return nil
}

func (w *apiWriter) service(ctx context.Context, s Status) error {
	obj, there, err := w.source.Services.GetStore().GetByKey(s.Key.Namespace + "/" + s.Key.Name)
	if err != nil || !there {
		return err
	}
	svc := obj.(*corev1.Service)
	if string(svc.UID) != s.UID {
		return nil
	}
	status := map[string]any{}
	// An API server keeps addresses only on Services of type LoadBalancer.
	if s.differs(svc.Status.LoadBalancer.Ingress) && (svc.Spec.Type == corev1.ServiceTypeLoadBalancer || len(s.Addresses) == 0) {
		status["loadBalancer"] = map[string]any{"ingress": ingressPoints(s)}
	}
	if c := conditionPatch(svc.Status.Conditions, s.Condition); c != nil && !s.KeepCondition {
		status["conditions"] = []any{c}
	}
	if len(status) == 0 {
		return nil
	}
	_, err = w.client.CoreV1().Services(s.Key.Namespace).Patch(ctx, s.Key.Name, types.StrategicMergePatchType,
		patchOf(s.UID, status), metav1.PatchOptions{FieldManager: component}, "status")
	return err
}

func (w *apiWriter) ingress(ctx context.Context, s Status) error {
	obj, there, err := w.source.Ingresses.GetStore().GetByKey(s.Key.Namespace + "/" + s.Key.Name)
	if err != nil || !there {
		return err
	}
	ing := obj.(*networkingv1.Ingress)
	have := make([]corev1.LoadBalancerIngress, 0, len(ing.Status.LoadBalancer.Ingress))
	for _, i := range ing.Status.LoadBalancer.Ingress {
		have = append(have, corev1.LoadBalancerIngress{IP: i.IP, Hostname: i.Hostname})
	}
	if string(ing.UID) != s.UID || !s.differs(have) {
		return nil
	}
	status := map[string]any{"loadBalancer": map[string]any{"ingress": ingressPoints(s)}}
	_, err = w.client.NetworkingV1().Ingresses(s.Key.Namespace).Patch(ctx, s.Key.Name, types.MergePatchType,
		patchOf(s.UID, status), metav1.PatchOptions{FieldManager: component}, "status")
	return err
}

// ingressPoints is the list of addresses.
func ingressPoints(s Status) any {
	var out []any
	for _, p := range s.points(s.Addresses) {
		point := map[string]any{}
		if p.Hostname != "" {
			point["hostname"] = p.Hostname
		} else {
			point["ip"] = p.IP
		}
		if p.IPMode != nil {
			point["ipMode"] = string(*p.IPMode)
		}
		out = append(out, point)
	}
	if len(out) == 0 {
		return nil // takes the field away
	}
	return out
}

// patchOf names the UID, so that the status of one object never reaches a later
// one of the same name.
func patchOf(uid string, status map[string]any) []byte {
	b, err := json.Marshal(map[string]any{"metadata": map[string]any{"uid": uid}, "status": status})
	if err != nil {
		panic(fmt.Sprintf("a patch cannot be marshalled: %v", err)) // strings and lists of strings always can
	}
	return b
}

// conditionPatch is the strategic merge patch of our condition; nil: it stands as it shall.
func conditionPatch(have []metav1.Condition, want *Condition) map[string]any {
	i := slices.IndexFunc(have, func(c metav1.Condition) bool { return c.Type == ConditionExposed })
	if want == nil {
		if i < 0 {
			return nil
		}
		return map[string]any{"$patch": "delete", "type": ConditionExposed}
	}
	message := cut(want.Message, 32768)
	since := metav1.NewTime(want.Since)
	if i >= 0 {
		c := have[i]
		if string(c.Status) == want.Status && c.Reason == want.Reason && c.Message == message {
			return nil
		}
		if string(c.Status) == want.Status {
			since = c.LastTransitionTime
		}
	}
	return map[string]any{"type": ConditionExposed, "status": want.Status, "reason": want.Reason, "message": message, "lastTransitionTime": since}
}

// notice writes an Event under a name made of what it says. If it is there
// already, it was told before; if it was told at an earlier time, it happened
// again and is counted.
func (w *apiWriter) notice(ctx context.Context, s Status, n Notice) error {
	api := w.client.CoreV1().Events(s.Key.Namespace)
	e := eventOf(s, n)
	_, err := api.Create(ctx, e, metav1.CreateOptions{FieldManager: component})
	switch {
	case apierrors.HasStatusCause(err, corev1.NamespaceTerminatingCause), apierrors.IsNotFound(err):
		return nil
	case !apierrors.IsAlreadyExists(err):
		return err
	}
	have, err := api.Get(ctx, e.Name, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return nil
	}
	if err != nil || !have.LastTimestamp.Time.Before(e.LastTimestamp.Time) {
		return err
	}
	patch, err := json.Marshal(map[string]any{"count": have.Count + 1, "lastTimestamp": e.LastTimestamp})
	if err != nil {
		return err
	}
	_, err = api.Patch(ctx, e.Name, types.MergePatchType, patch, metav1.PatchOptions{FieldManager: component})
	return err
}

func eventOf(s Status, n Notice) *corev1.Event {
	sum := sha256.Sum256([]byte(strings.Join([]string{s.Key.String(), s.UID, n.Reason, n.Message}, "\x00")))
	kind, version := corev1.EventTypeNormal, "v1"
	if n.Warning {
		kind = corev1.EventTypeWarning
	}
	if s.Key.Kind == events.KindIngress {
		version = "networking.k8s.io/v1"
	}
	// The API keeps whole seconds.
	at := metav1.NewTime(n.Time).Rfc3339Copy()
	return &corev1.Event{
		ObjectMeta: metav1.ObjectMeta{Namespace: s.Key.Namespace, Name: cut(s.Key.Name, 200) + "." + hex.EncodeToString(sum[:8])},
		InvolvedObject: corev1.ObjectReference{APIVersion: version, Kind: s.Key.Kind, Namespace: s.Key.Namespace,
			Name: s.Key.Name, UID: types.UID(s.UID)},
		Type: kind, Reason: n.Reason, Message: cut(n.Message, 1024),
		FirstTimestamp: at, LastTimestamp: at, Count: 1,
		Source: corev1.EventSource{Component: component}, ReportingController: "drawbridge.dev/watcher", ReportingInstance: component,
	}
}

// cut shortens s to what a field takes.
func cut(s string, most int) string {
	if len(s) <= most {
		return s
	}
	return strings.ToValidUTF8(s[:most-3], "") + "..."
}
