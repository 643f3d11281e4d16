package watcher

import (
	"sync"
	"time"
)

// window makes one of all calls within a span of time, at its end.
type window struct {
	span time.Duration
	do   func()

	mu      sync.Mutex
	timer   *time.Timer // nil: it is not open
	stopped bool
}

func newWindow(span time.Duration, do func()) *window { return &window{span: span, do: do} }

// open lets do be called when the span is over, unless it is open already.
func (w *window) open() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.timer != nil || w.stopped {
		return
	}
	w.timer = time.AfterFunc(w.span, func() {
		w.mu.Lock()
		w.timer = nil
		stopped := w.stopped
		w.mu.Unlock()
		if !stopped {
			w.do()
		}
	})
}

// stop lets do be called no more.
func (w *window) stop() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.stopped = true
	if w.timer != nil {
		w.timer.Stop()
	}
}
