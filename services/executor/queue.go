package executor

import (
	"slices"

	"k8s.io/client-go/util/workqueue"

	"drawbridge.dev/events"
)

// newQueue hands out keys that are owed something before those of which only
// the drift is looked for, which may be a good part of all after a restart.
func newQueue(owed func(events.Key) bool) workqueue.TypedDelayingInterface[events.Key] {
	return workqueue.NewTypedDelayingQueueWithConfig(workqueue.TypedDelayingQueueConfig[events.Key]{
		Queue: workqueue.NewTypedWithConfig(workqueue.TypedQueueConfig[events.Key]{Queue: &lanes{owed: owed}})})
}

// lanes implements [workqueue.Queue]; the work queue around it locks it.
type lanes struct {
	owed        func(events.Key) bool
	first, then []events.Key
}

// Touch moves a key that waits for a look, and is owed something by now.
func (l *lanes) Touch(k events.Key) {
	if i := slices.Index(l.then, k); i >= 0 && l.owed(k) {
		l.then = slices.Delete(l.then, i, i+1)
		l.first = append(l.first, k)
	}
}

func (l *lanes) Push(k events.Key) {
	if l.owed(k) {
		l.first = append(l.first, k)
	} else {
		l.then = append(l.then, k)
	}
}

func (l *lanes) Len() int { return len(l.first) + len(l.then) }

func (l *lanes) Pop() (k events.Key) {
	from := &l.first
	if len(l.first) == 0 {
		from = &l.then
	}
	k, *from = (*from)[0], (*from)[1:]
	return k
}
