package source

import (
	"cmp"
	"context"
	"fmt"
	"io/fs"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/fsnotify/fsnotify"
	apiequality "k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/watch"
)

// run reads the folder whenever it changes, until ctx ends.
func (f *folder) run(ctx context.Context) {
	defer f.close()
	n := f.notices()
	defer n.close()
	rescan := time.NewTicker(f.conf.Rescan)
	defer rescan.Stop()
	settle := time.NewTimer(0)
	defer settle.Stop()
	var noticed time.Time // the first change that is not told yet
	for {
		select {
		case <-ctx.Done():
			return
		case <-n.events:
			noticed = cmp.Or(noticed, time.Now())
			settle.Reset(f.conf.Settle)
			continue
		case <-rescan.C:
			if !noticed.IsZero() && time.Since(noticed) < f.conf.Rescan {
				continue // more may be being saved: settle looks when it is quiet
			}
		case <-settle.C:
		}
		n.follow(f.path)
		again, read := f.look()
		select {
		case <-n.events: // something was saved meanwhile, so this is half of it
			if noticed = cmp.Or(noticed, time.Now()); time.Since(noticed) < f.conf.Rescan {
				settle.Reset(f.conf.Settle)
				continue
			}
		default:
		}
		noticed = time.Time{}
		if read {
			f.tell()
		}
		if again {
			settle.Reset(f.conf.Grace)
		}
	}
}

// look reads the folder. It says whether a file is missing that is not yet
// believed to be deleted, and whether the folder could be read.
func (f *folder) look() (again, read bool) {
	err := f.scan(time.Now())
	f.mu.Lock()
	if err != nil && (f.err == nil || f.err.Error() != err.Error()) {
		f.log.Error().Err(err).Msg("the folder cannot be read: trying again; nothing is taken for deleted")
	}
	f.err = err
	for _, k := range f.files {
		again = again || !k.gone.IsZero()
	}
	f.mu.Unlock()
	f.heard(err)
	return again, err == nil
}

// tell tells the informers what was read.
func (f *folder) tell() {
	f.publish()
	select {
	case <-f.read:
	default:
		close(f.read)
	}
}

// notices tell of changes below the folder. Where the system has none, or no
// more of them, the rescan alone finds the changes.
type notices struct {
	events  chan fsnotify.Event // nil: there are none
	watcher *fsnotify.Watcher
}

func (f *folder) notices() notices {
	w, err := fsnotify.NewWatcher()
	if err != nil {
		f.log.Warn().Err(err).Dur("rescan", f.conf.Rescan).Msg("no notices of changed files: the folder is read at intervals")
		return notices{}
	}
	go func() {
		for err := range w.Errors {
			f.log.Debug().Err(err).Msg("notices of changed files")
		}
	}()
	return notices{events: w.Events, watcher: w}
}

// follow asks for notices of every subfolder; the system knows which it gives
// already, and drops those of folders that are gone.
func (n notices) follow(root string) {
	if n.watcher == nil {
		return
	}
	for _, dir := range subfolders(root) {
		_ = n.watcher.Add(dir) // without it the rescan finds the changes
	}
}

func (n notices) close() {
	if n.watcher != nil {
		_ = n.watcher.Close()
	}
}

func subfolders(root string) (out []string) {
	if r, err := filepath.EvalSymlinks(root); err == nil {
		root = r
	}
	_ = filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.IsDir() {
			return nil
		}
		if strings.HasPrefix(d.Name(), ".") && path != root {
			return filepath.SkipDir
		}
		out = append(out, path)
		return nil
	}) // what cannot be walked is reported by the scan
	return out
}

func (f *folder) close() {
	f.mu.Lock()
	defer f.mu.Unlock()
	for kind, b := range f.streams {
		b.Shutdown()
		delete(f.streams, kind)
	}
}

// ListWithContext waits until the folder has been read once.
func (l folderLister) ListWithContext(ctx context.Context, _ metav1.ListOptions) (runtime.Object, error) {
	select {
	case <-l.read:
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
	return l.List(metav1.ListOptions{})
}

// List implements cache.Lister.
func (l folderLister) List(metav1.ListOptions) (runtime.Object, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	list := &metav1.List{ListMeta: metav1.ListMeta{ResourceVersion: l.now()}}
	for _, m := range l.objects {
		if m.Kind == l.kind {
			list.Items = append(list.Items, runtime.RawExtension{Object: runtimeObject(m).DeepCopyObject()})
		}
	}
	return list, nil
}

// now is the version of the kind; the caller holds the lock.
func (l folderLister) now() string { return strconv.FormatUint(l.version[l.kind]+1, 10) }

// WatchWithContext implements cache.WatcherWithContext.
func (l folderLister) WatchWithContext(_ context.Context, o metav1.ListOptions) (watch.Interface, error) {
	return l.Watch(o)
}

// Watch begins where a list ended; if something changed in between, it says
// that the version is gone, and the informer lists again.
func (l folderLister) Watch(o metav1.ListOptions) (watch.Interface, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if o.ResourceVersion != l.now() {
		return nil, apierrors.NewResourceExpired(fmt.Sprintf("version %s of %s is gone, the folder is at %s", o.ResourceVersion, l.kind, l.now()))
	}
	b := l.streams[l.kind]
	if b == nil {
		b = watch.NewBroadcaster(1000, watch.WaitIfChannelFull)
		l.streams[l.kind] = b
	}
	return b.Watch()
}

// IsWatchListSemanticsUnSupported tells the informer to list, then watch.
func (folderLister) IsWatchListSemanticsUnSupported() bool { return true }

// stamped is m with a version, one more than the last change, as List says it.
func stamped(m Manifest, version uint64) Manifest {
	o := runtimeObject(m).DeepCopyObject()
	if a, err := meta.Accessor(o); err == nil {
		a.SetResourceVersion(strconv.FormatUint(version+1, 10))
	}
	m.Object = o.(Object)
	return m
}

// equalObjects compares all but the version.
func equalObjects(a, b Manifest) bool {
	c := runtimeObject(b).DeepCopyObject().(Object)
	c.SetResourceVersion(a.Object.GetResourceVersion())
	return apiequality.Semantic.DeepEqual(a.Object, c)
}

// cmpOr is the order of two places.
func cmpOr(fileA, fileB string, line int, idA, idB string) int {
	return cmp.Or(cmp.Compare(fileA, fileB), line, cmp.Compare(idA, idB))
}
