package source

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/rs/zerolog"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/tools/cache"
)

// FolderConfig sets how a folder is watched; zero values take the defaults.
type FolderConfig struct {
	Rescan time.Duration // how often the folder is read without a notice of change; 0: 5 s
	Settle time.Duration // a change is read when the folder has been quiet for so long; 0: 100 ms
	Grace  time.Duration // a file must be gone for so long to count as deleted; 0: 300 ms
}

func (c FolderConfig) defaults() FolderConfig {
	set := func(d *time.Duration, v time.Duration) {
		if *d <= 0 {
			*d = v
		}
	}
	set(&c.Rescan, 5*time.Second)
	set(&c.Settle, 100*time.Millisecond)
	set(&c.Grace, 300*time.Millisecond)
	return c
}

// Folder watches the manifests (.yaml, .yml, .json) of a folder and its
// subfolders as if an API server held them.
//
// A file counts as a whole: one with a fault keeps what it held when it was last
// good, and the fault is logged once with file, document and line. A file that
// held objects and is empty is such a fault too: an editor may be writing it. An
// object is deleted by taking it out of its file, or by deleting the file. A
// folder that is missing, cannot be read or is empty from the start deletes nothing. An object of two
// files is that of the first by name.
func Folder(path string, c FolderConfig, log zerolog.Logger) (*Source, error) {
	f := newFolder(path, c, log)
	s, err := newSource(func(kind string, _ func(error)) cache.ListerWatcher { return folderLister{f, kind} }, &corev1.Secret{})
	if err != nil {
		return nil, err
	}
	s.feed, s.gaps, s.Writer, s.said, s.secret = f.run, f.missing, logWriter{f.log}, f.said, f.secret
	s.NeedEndpoints() // they are there already
	f.heard = func(err error) { s.heard("manifests", err) }
	return s, nil
}

// ReadFolder reads the manifests of a folder once, sorted by file. Faults are
// returned beside them, each with file, document and line; the objects of a file
// with a fault are left out.
func ReadFolder(path string) ([]Manifest, []error, error) {
	f := newFolder(path, FolderConfig{}, zerolog.Nop())
	if err := f.scan(time.Time{}); err != nil {
		return nil, nil, err
	}
	var faults []error
	for _, name := range slices.Sorted(maps.Keys(f.files)) {
		if err := f.files[name].fault; err != nil {
			faults = append(faults, err)
		}
	}
	objects, doubles := f.merge()
	out := slices.Collect(maps.Values(objects))
	slices.SortFunc(out, func(a, b Manifest) int {
		return cmpOr(a.File, b.File, a.Line-b.Line, a.ID(), b.ID())
	})
	return out, append(faults, doubles...), nil
}

// folder is the state of a watched folder.
type folder struct {
	path  string
	conf  FolderConfig
	log   zerolog.Logger
	heard func(error) // is told how every reading ended

	mu      sync.Mutex
	files   map[string]*file
	objects map[string]Manifest // by ID
	version map[string]uint64   // by kind: of the last change
	last    uint64              // version given
	streams map[string]*watch.Broadcaster
	latest  map[string]last // change by kind
	read    chan struct{}   // closed when the folder has been read once
	err     error           // why it cannot be read
	stale   bool            // objects is older than files
	held    bool            // there was a file, since the start
	doubled string          // what was logged of objects that are there twice
}

// file is what is known of one file.
type file struct {
	good    []Manifest
	wasGood bool
	fault   error
	content [sha256.Size]byte // what was parsed last
	gone    time.Time         // since when it is not there; zero: it is
}

func newFolder(path string, c FolderConfig, log zerolog.Logger) *folder {
	f := &folder{path: path, conf: c.defaults(), log: log.With().Str("folder", path).Logger(), files: map[string]*file{},
		objects: map[string]Manifest{}, version: map[string]uint64{}, streams: map[string]*watch.Broadcaster{}, latest: map[string]last{}, read: make(chan struct{})}
	return f
}

// scan reads the folder. An error leaves everything as it was.
func (f *folder) scan(now time.Time) error {
	names, err := manifestFiles(f.path)
	if err != nil {
		return err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.held = f.held || len(names) > 0
	there := map[string]bool{}
	for _, name := range names {
		there[name] = true
		f.readOne(name)
	}
	for name, known := range f.files {
		switch {
		case there[name]:
		case known.gone.IsZero():
			known.gone = now
		case now.Sub(known.gone) >= f.conf.Grace:
			delete(f.files, name)
			f.stale = true
		}
	}
	return nil
}

func (f *folder) readOne(name string) {
	known := f.files[name]
	if known == nil {
		known = &file{}
		f.files[name] = known
	}
	known.gone = time.Time{}
	data, err := readFile(f.path, name)
	var good []Manifest
	if err != nil {
		known.content = [sha256.Size]byte{}
	} else {
		content := sha256.Sum256(data)
		if content == known.content {
			return
		}
		known.content = content
		good, err = parseFile(name, data)
	}
	if err == nil && len(known.good) > 0 && len(bytes.TrimSpace(data)) == 0 {
		err = fmt.Errorf("%s:1: is empty: delete the file to delete what it held", name)
	}
	if err == nil {
		if known.fault != nil {
			f.log.Info().Str("file", name).Msg("manifest is understood again")
		}
		known.good, known.wasGood, known.fault = good, true, nil
		f.stale = true
		return
	}
	if known.fault == nil || known.fault.Error() != err.Error() {
		f.log.Error().Err(err).Str("file", name).Bool("last_good_kept", known.wasGood).Msg("manifest is not understood: correct it; nothing is deleted because of it")
	}
	known.fault = err
}

// merge is the objects of all files, and what is there twice.
func (f *folder) merge() (map[string]Manifest, []error) {
	out := map[string]Manifest{}
	var doubles []error
	for _, name := range slices.Sorted(maps.Keys(f.files)) {
		for _, m := range f.files[name].good {
			if first, twice := out[m.ID()]; twice {
				doubles = append(doubles, fmt.Errorf("%s: %s is already defined at %s, which counts", m.Where(), m.ID(), first.Where()))
				continue
			}
			out[m.ID()] = m
		}
	}
	return out, doubles
}

// missing is what keeps absence from meaning anything: files that were never
// good, or a folder that never held one, as where something is not mounted.
func (f *folder) missing() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	errs := []error{f.err}
	if f.err == nil && !f.held {
		errs = append(errs, fmt.Errorf("folder %s holds no manifest: check that it is the right one, and mounted; to delete everything, put a file into it that holds a comment", f.path))
	}
	for _, name := range slices.Sorted(maps.Keys(f.files)) {
		if k := f.files[name]; k.fault != nil && !k.wasGood {
			errs = append(errs, k.fault)
		}
	}
	return errors.Join(errs...)
}

// publish tells the informers what changed, and remembers it.
func (f *folder) publish() {
	f.mu.Lock()
	defer f.mu.Unlock()
	if !f.stale {
		return
	}
	f.stale = false
	objects, doubles := f.merge()
	if said := fmt.Sprint(doubles); len(doubles) > 0 && said != f.doubled {
		f.doubled = said
		f.log.Error().Errs("errors", doubles).Msg("objects are defined twice: delete one of each")
	}
	for id, m := range f.objects {
		if _, still := objects[id]; !still {
			f.last++
			f.version[m.Kind] = f.last
			f.emit(watch.Deleted, stamped(m, f.last))
		}
	}
	for id, m := range objects {
		old, known := f.objects[id]
		if known && equalObjects(old, m) {
			m.Object = old.Object
			objects[id] = m
			continue
		}
		f.last++
		f.version[m.Kind] = f.last
		kind := watch.Added
		if known {
			kind = watch.Modified
		}
		m = stamped(m, f.last)
		objects[id] = m
		f.emit(kind, m)
	}
	f.objects = objects
}

func (f *folder) emit(kind watch.EventType, m Manifest) {
	key, _ := cache.MetaNamespaceKeyFunc(m.Object) // fails only for what has no metadata
	f.latest[m.Kind] = last{key: key, version: m.Object.GetResourceVersion(), deleted: kind == watch.Deleted}
	if b := f.streams[m.Kind]; b != nil {
		_ = b.Action(kind, runtimeObject(m).DeepCopyObject()) // fails only after Shutdown, when nobody listens
	}
}

func (f *folder) said(kind string) last {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.latest[kind]
}

// secret is the Secret of a file; nil: there is none.
func (f *folder) secret(_ context.Context, namespace, name string) (*corev1.Secret, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	found, _ := f.objects["Secret/"+namespace+"/"+name].Object.(*corev1.Secret)
	return found, nil
}

// folderLister lists and watches one kind for an informer.
type folderLister struct {
	*folder
	kind string
}

var _ cache.ListerWatcherWithContext = folderLister{}

func runtimeObject(m Manifest) runtime.Object { return m.Object.(runtime.Object) }
