package executor

import (
	"slices"

	"k8s.io/client-go/util/workqueue"
)

// newQueue hands out units that are owed something before those of which only
// the drift is looked for, which may be a good part of all after a restart.
func newQueue(owed func(unit) bool) workqueue.TypedDelayingInterface[unit] {
	return workqueue.NewTypedDelayingQueueWithConfig(workqueue.TypedDelayingQueueConfig[unit]{
		Queue: workqueue.NewTypedWithConfig(workqueue.TypedQueueConfig[unit]{Queue: &lanes{owed: owed}})})
}

// lanes implements [workqueue.Queue]; the work queue around it locks it.
type lanes struct {
	owed        func(unit) bool
	first, then []unit
}

// Touch moves a unit that waits for a look, and is owed something by now.
func (l *lanes) Touch(u unit) {
	if i := slices.Index(l.then, u); i >= 0 && l.owed(u) {
		l.then = slices.Delete(l.then, i, i+1)
		l.first = append(l.first, u)
	}
}

func (l *lanes) Push(u unit) {
	if l.owed(u) {
		l.first = append(l.first, u)
	} else {
		l.then = append(l.then, u)
	}
}

func (l *lanes) Len() int { return len(l.first) + len(l.then) }

func (l *lanes) Pop() (u unit) {
	from := &l.first
	if len(l.first) == 0 {
		from = &l.then
	}
	u, *from = (*from)[0], (*from)[1:]
	return u
}
