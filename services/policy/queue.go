package policy

import (
	"container/heap"
	"context"
	"sync"
	"time"
)

// queue holds the rows that are to be decided, each once, and hands out the
// oldest wish first: of two that ask for the same the older is decided first.
type queue struct {
	mu     sync.Mutex
	items  ages
	queued map[row]bool
	more   chan struct{} // holds one token while items may have something
}

type aged struct {
	age uint64
	row row
}

func newQueue() *queue {
	return &queue{queued: map[row]bool{}, more: make(chan struct{}, 1)}
}

func (q *queue) add(r row, age uint64) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.queued[r] {
		return
	}
	q.queued[r] = true
	heap.Push(&q.items, aged{age, r})
	q.signal()
}

// addAfter adds r when the time has passed.
func (q *queue) addAfter(r row, age uint64, after time.Duration) {
	time.AfterFunc(after, func() { q.add(r, age) })
}

// next waits for a row; false when ctx ends.
func (q *queue) next(ctx context.Context) (row, bool) {
	for {
		select {
		case <-ctx.Done():
			return row{}, false
		case <-q.more:
		}
		if r, ok := q.pop(); ok {
			return r, ctx.Err() == nil
		}
	}
}

func (q *queue) pop() (row, bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.items) == 0 {
		return row{}, false
	}
	a := heap.Pop(&q.items).(aged)
	delete(q.queued, a.row)
	if len(q.items) > 0 {
		q.signal()
	}
	return a.row, true
}

func (q *queue) signal() {
	select {
	case q.more <- struct{}{}:
	default:
	}
}

func (q *queue) len() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	return len(q.items)
}

// ages is a heap, the oldest first.
type ages []aged

func (a ages) Len() int           { return len(a) }
func (a ages) Less(i, j int) bool { return a[i].age < a[j].age }
func (a ages) Swap(i, j int)      { a[i], a[j] = a[j], a[i] }
func (a *ages) Push(x any)        { *a = append(*a, x.(aged)) }
func (a *ages) Pop() any {
	last := len(*a) - 1
	x := (*a)[last]
	(*a)[last] = aged{}
	*a = (*a)[:last]
	return x
}
