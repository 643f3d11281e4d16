package policy

import (
	"context"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/fsnotify/fsnotify"
	"github.com/rs/zerolog"
)

// quietTime is how long the file system must be silent before a bundle is read:
// an editor or a checkout writes several files.
const quietTime = 100 * time.Millisecond

// reloader reads the bundle again when it changes.
type reloader struct {
	cfg     Config
	log     zerolog.Logger
	metrics *metrics
	use     func(*Engine) // takes over an engine of another bundle
	failed  func(error)   // nil: what was wrong is repaired
	digest  string        // of the bundle in force; empty: none
	last    string        // what was wrong at the last attempt
}

// load reads the bundle and puts it in force if it is another one. A bundle
// that cannot be used leaves the one before in force.
func (l *reloader) load(ctx context.Context) {
	engine, err := l.prepare(ctx)
	if err != nil {
		if err.Error() != l.last {
			l.last = err.Error()
			l.metrics.loads.WithLabelValues("failed").Inc()
			l.log.Error().Err(err).Bool("another-in-force", l.digest != "").
				Msg("the policy bundle cannot be used: repair it; until then the last good one decides, or everything is denied")
		}
		l.failed(err)
		return
	}
	l.last = ""
	if engine != nil {
		l.digest = engine.ref.Digest
		l.metrics.loads.WithLabelValues("ok").Inc()
		l.metrics.inForce(engine.ref)
		l.log.Info().Str("bundle", engine.ref.Bundle).Str("revision", engine.ref.Revision).
			Str("digest", engine.ref.Digest).Msg("policy bundle in force")
		l.use(engine)
	}
	l.failed(nil)
}

// prepare is nil without an error if the bundle in force is still the one.
func (l *reloader) prepare(ctx context.Context) (*Engine, error) {
	s, err := readSource(l.cfg.Bundle)
	if err != nil || s.ref.Digest == l.digest {
		return nil, err
	}
	return prepare(ctx, s, l.cfg.Timeout)
}

// watch loads the bundle when the file system tells of a change, and every
// interval where it does not. It returns when ctx ends.
func (l *reloader) watch(ctx context.Context) {
	if l.cfg.Bundle == "" {
		<-ctx.Done()
		return
	}
	var changes <-chan fsnotify.Event
	var losses <-chan error
	watcher, err := fsnotify.NewWatcher()
	if err != nil {
		l.log.Warn().Err(err).Dur("interval", l.cfg.BundleInterval).Msg("changes of the policy bundle are seen by reading it again")
	} else {
		defer func() { _ = watcher.Close() }() // nothing is left to lose
		changes, losses = watcher.Events, watcher.Errors
	}
	tick := time.NewTicker(l.cfg.BundleInterval)
	defer tick.Stop()
	quiet := time.NewTimer(0)
	defer quiet.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case change := <-changes:
			if l.concerns(change.Name) {
				quiet.Reset(quietTime)
			}
			continue
		case err := <-losses:
			l.log.Debug().Err(err).Msg("changes of the policy bundle may be lost, reading it again")
			quiet.Reset(quietTime)
			continue
		case <-quiet.C:
		case <-tick.C:
		}
		if watcher != nil {
			l.follow(watcher)
		}
		l.load(ctx)
	}
}

// concerns reports whether a changed path may be the bundle: it lies in it, or is
// one of the "..data" links that Kubernetes turns to change a mounted file.
func (l *reloader) concerns(path string) bool {
	return strings.HasPrefix(path, filepath.Clean(l.cfg.Bundle)) || strings.HasPrefix(filepath.Base(path), "..")
}

// follow watches the folders that the bundle lies in; one that is watched
// already, or gone, is passed over.
func (l *reloader) follow(w *fsnotify.Watcher) {
	add := func(path string) {
		if err := w.Add(path); err != nil {
			l.log.Debug().Err(err).Str("folder", path).Msg("cannot watch a folder of the policy bundle")
		}
	}
	add(filepath.Dir(l.cfg.Bundle))
	if info, err := os.Stat(l.cfg.Bundle); err != nil || !info.IsDir() {
		return
	}
	_ = filepath.WalkDir(l.cfg.Bundle, func(path string, e fs.DirEntry, err error) error {
		if err != nil || !e.IsDir() {
			return nil
		}
		if path != l.cfg.Bundle && strings.HasPrefix(e.Name(), ".") {
			return fs.SkipDir
		}
		add(path)
		return nil
	})
}
