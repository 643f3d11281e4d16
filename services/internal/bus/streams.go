package bus

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"drawbridge.dev/events"
)

// Names of the streams.
const (
	HistoryStream = "HISTORY"    // every event, append only
	StateStream   = "STATE"      // the last event of every subject, sourced from HISTORY
	LeaseStream   = "KV_LEASES"  // the key-value bucket LEASES
	SecretStream  = "KV_SECRETS" // the key-value bucket SECRETS
	leasePrefix   = "$KV.LEASES."
	secretPrefix  = "$KV.SECRETS." //nolint:gosec // a subject
)

// Streams configures what the streams keep.
type Streams struct {
	MaxAge          time.Duration // of an event in HISTORY; 0: for ever
	MaxBytes        int64         // of HISTORY; 0: no limit of its own
	Replicas        int           // 1, 3 or 5; 0: 1
	DuplicateWindow time.Duration // in which an event id is stored once; 0: 2 minutes

	// LazyState makes a new STATE of one that does not wait for the disk. What a
	// crash takes from its end is sourced from HISTORY again, so that HISTORY has
	// to keep what is younger than the server's sync_interval (2 minutes). For a
	// server that is never to be replicated: the choice is for good.
	LazyState bool
}

const defaultDuplicateWindow = 2 * time.Minute

// Defaults fills what is not set.
func (s Streams) Defaults() Streams {
	if s.Replicas == 0 {
		s.Replicas = 1
	}
	if s.MaxBytes == 0 {
		s.MaxBytes = -1
	}
	if s.DuplicateWindow == 0 {
		s.DuplicateWindow = defaultDuplicateWindow
		if s.MaxAge > 0 {
			s.DuplicateWindow = min(s.DuplicateWindow, s.MaxAge)
		}
	}
	return s
}

// Validate names the field that is wrong.
func (s Streams) Validate() error {
	switch {
	case s.MaxAge < 0:
		return fmt.Errorf("streams: max-age %s is negative", s.MaxAge)
	case s.MaxBytes < -1:
		return fmt.Errorf("streams: max-size %d is negative", s.MaxBytes)
	case s.Replicas != 1 && s.Replicas != 3 && s.Replicas != 5:
		return fmt.Errorf("streams: replicas %d is none of 1, 3, 5", s.Replicas)
	case s.LazyState && s.Replicas > 1:
		return fmt.Errorf("streams: replicas is %d, but a lazy STATE cannot be replicated", s.Replicas)
	case s.MaxAge > 0 && s.DuplicateWindow > s.MaxAge:
		return fmt.Errorf("streams: duplicate-window %s is longer than max-age %s", s.DuplicateWindow, s.MaxAge)
	}
	return nil
}

// EnsureStreams creates the streams or brings them to the configuration. It
// writes nothing where nothing differs, and leaves what it does not configure
// (placement, for example) as an operator set it.
func (b *Bus) EnsureStreams(ctx context.Context, s Streams) error {
	s = s.Defaults()
	if err := s.Validate(); err != nil {
		return err
	}
	for _, c := range []struct {
		name   string
		adjust func(*jetstream.StreamConfig)
		fresh  jetstream.StreamConfig // what can be set at creation only
	}{
		{HistoryStream, s.history, jetstream.StreamConfig{}},
		{StateStream, s.state, jetstream.StreamConfig{PersistMode: s.statePersistence()}},
		// Tokens grow even if the bucket is deleted and made again.
		{LeaseStream, s.leases, jetstream.StreamConfig{FirstSeq: uint64(time.Now().UnixMilli())}},
		{SecretStream, s.secrets, jetstream.StreamConfig{}},
	} {
		if err := b.ensure(ctx, c.name, c.adjust, c.fresh); err != nil {
			return fmt.Errorf("bus: stream %s: %w", c.name, storageError(err))
		}
	}
	return nil
}

func (b *Bus) ensure(ctx context.Context, name string, adjust func(*jetstream.StreamConfig), fresh jetstream.StreamConfig) error {
	have, err := b.js.Stream(ctx, name)
	if errors.Is(err, jetstream.ErrStreamNotFound) {
		fresh.Name = name
		adjust(&fresh)
		_, err = b.js.CreateStream(ctx, fresh)
		if !errors.Is(err, jetstream.ErrStreamNameAlreadyInUse) {
			return err
		}
		have, err = b.js.Stream(ctx, name)
	}
	if err != nil {
		return err
	}
	want := have.CachedInfo().Config
	adjust(&want)
	if reflect.DeepEqual(want, have.CachedInfo().Config) {
		return nil
	}
	_, err = b.js.UpdateStream(ctx, want)
	return err
}

func (s Streams) history(c *jetstream.StreamConfig) {
	c.Description = "Every event of the fleet, append only"
	c.Subjects = []string{events.SubjectRoot + ".>"}
	c.Storage = jetstream.FileStorage
	c.Retention = jetstream.LimitsPolicy
	c.Discard = jetstream.DiscardOld
	c.MaxAge = s.MaxAge
	c.MaxBytes = s.MaxBytes
	c.Replicas = s.Replicas
	c.Duplicates = s.DuplicateWindow
	c.DenyDelete = true
	c.DenyPurge = true
	c.AllowDirect = true
}

// state turns de-duplication off (0 with a source): HISTORY did it, and an id
// that HISTORY took again after its window is the newest row, also while STATE
// is built anew and both pass within moments.
func (s Streams) state(c *jetstream.StreamConfig) {
	c.Description = "The last event of every key and stage, sourced from HISTORY"
	c.Sources = []*jetstream.StreamSource{{Name: HistoryStream}}
	c.Storage = jetstream.FileStorage
	c.Retention = jetstream.LimitsPolicy
	c.Discard = jetstream.DiscardOld
	c.MaxMsgsPerSubject = 1
	c.Replicas = s.Replicas
	c.Duplicates = 0
	c.AllowDirect = true
}

// statePersistence keeps STATE from waiting for the disk a second time for what
// HISTORY has on disk already.
func (s Streams) statePersistence() jetstream.PersistModeType {
	if s.LazyState {
		return jetstream.AsyncPersistMode
	}
	return jetstream.DefaultPersistMode
}

// leases allows no direct gets: every read is answered by the leader.
func (s Streams) leases(c *jetstream.StreamConfig) {
	c.Description = "Who holds which lease; the sequence is the fencing token"
	c.Subjects = []string{leasePrefix + ">"}
	c.Storage = jetstream.FileStorage
	c.Retention = jetstream.LimitsPolicy
	c.Discard = jetstream.DiscardNew
	c.MaxMsgsPerSubject = 1
	c.Replicas = s.Replicas
	c.DenyDelete = true
}

// secrets allows direct gets, whose requests name the subject, and markers of
// deletion that go by themselves.
func (s Streams) secrets(c *jetstream.StreamConfig) {
	c.Description = "Certificates with their keys, sealed for the executor of a cloud"
	c.Subjects = []string{secretPrefix + ">"}
	c.Storage = jetstream.FileStorage
	c.Retention = jetstream.LimitsPolicy
	c.Discard = jetstream.DiscardNew
	c.MaxMsgsPerSubject = 1
	c.Replicas = s.Replicas
	c.AllowDirect = true
	c.AllowMsgTTL = true
	c.MaxMsgSize = maxSecret
}

// maxSecret is more than a key manager takes: Barbican limits a request to 25,000 bytes.
const maxSecret = 64 << 10

// History is the range of sequences that HISTORY holds. first is last+1 when it holds none.
func (b *Bus) History(ctx context.Context) (first, last uint64, err error) {
	s, err := b.js.Stream(ctx, HistoryStream)
	if err != nil {
		return 0, 0, fmt.Errorf("bus: stream %s: %w", HistoryStream, err)
	}
	st := s.CachedInfo().State
	if st.Msgs == 0 {
		return st.LastSeq + 1, st.LastSeq, nil
	}
	return st.FirstSeq, st.LastSeq, nil
}
