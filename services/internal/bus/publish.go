package bus

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/nats-io/nuid"

	"drawbridge.dev/events"
)

// Ack says where an event stands in HISTORY.
type Ack struct {
	Sequence  uint64
	Duplicate bool // HISTORY had it already, at Sequence
}

// PublishOption changes how one event is published.
type PublishOption func(*publication)

type publication struct {
	expect   bool
	expected uint64
}

// ExpectLast refuses the event with [ErrConflict] unless sequence is that of the
// last record of its subject; 0 means that there is none.
func ExpectLast(sequence uint64) PublishOption {
	return func(p *publication) { p.expect, p.expected = true, sequence }
}

const (
	publishTimeout  = 30 * time.Second // for a context without a deadline
	publishWait     = 50 * time.Millisecond
	publishWaitMax  = 2 * time.Second
	errNoSpaceCode  = jetstream.ErrorCode(10077) // JSStreamStoreFailed: the disk said no
	errResourceCode = jetstream.ErrorCode(10023) // JSInsufficientResources: the server's or account's limit is reached
	errAccountCode  = jetstream.ErrorCode(10002) // JSAccountResourcesExceeded
	errMemoryCode   = jetstream.ErrorCode(10028) // JSMemoryResourcesExceeded
	errStorageCode  = jetstream.ErrorCode(10047) // JSStorageResourcesExceeded
)

// Publish stores the event in HISTORY and returns when the server has it. An
// event that HISTORY holds already (by id, within the duplicate window) is a
// success. What did not reach the server is sent again until ctx ends, or for
// 30 s if ctx has no deadline; the id keeps that from storing it twice.
func (b *Bus) Publish(ctx context.Context, e events.Event, opts ...PublishOption) (Ack, error) {
	var p publication
	for _, o := range opts {
		o(&p)
	}
	msg, err := encode(e)
	if err != nil {
		return Ack{}, fmt.Errorf("publish: %w", err)
	}
	fail := func(err error) (Ack, error) {
		return Ack{}, fmt.Errorf("publish %s on %s: %w", e.ID, msg.Subject, err)
	}
	if limit := b.nc.MaxPayload(); int64(size(msg)) > limit {
		return fail(fmt.Errorf("%w: it has %d bytes with its headers, the server takes %d (max_payload): split the object", ErrTooLarge, size(msg), limit))
	}
	if _, ok := ctx.Deadline(); !ok {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, publishTimeout)
		defer cancel()
	}
	ack, err := b.expecting(ctx, msg, e.ID, p)
	if err != nil {
		return fail(err)
	}
	return ack, nil
}

// expecting publishes under the expectation of p. The server compares it with
// what HISTORY holds, and for it a subject whose last message has aged out has
// none. The row that STATE still has settles it then: who expects that row
// expects nothing of HISTORY, and who expects nothing is in conflict with it.
func (b *Bus) expecting(ctx context.Context, msg *nats.Msg, id string, p publication) (Ack, error) {
	opts := []jetstream.PublishOpt{jetstream.WithMsgID(id), jetstream.WithExpectStream(HistoryStream)}
	if !p.expect {
		return b.send(ctx, msg, opts)
	}
	expect := func(n uint64) []jetstream.PublishOpt {
		return append(slices.Clone(opts), jetstream.WithExpectLastSequencePerSubject(n))
	}
	if p.expected == 0 {
		if m, found, err := b.leaderLast(ctx, StateStream, msg.Subject); err != nil || found {
			return b.settle(m, StateStream, id, err)
		}
	}
	ack, err := b.send(ctx, msg, expect(p.expected))
	if !errors.Is(err, ErrConflict) {
		return ack, err
	}
	m, found, lastErr := b.leaderLast(ctx, HistoryStream, msg.Subject)
	if lastErr != nil || found {
		return b.settle(m, HistoryStream, id, lastErr)
	}
	m, found, lastErr = b.leaderLast(ctx, StateStream, msg.Subject)
	if lastErr != nil || !found {
		return Ack{}, errors.Join(lastErr, err)
	}
	if row, _, lastErr := m.record(StateStream); lastErr != nil || row.Sequence != p.expected {
		return b.settle(m, StateStream, id, lastErr)
	}
	return b.send(ctx, msg, expect(0))
}

// settle tells whether the last message of the subject is ours: an earlier
// attempt that was stored without an answer is no conflict.
func (b *Bus) settle(last stored, stream, id string, err error) (Ack, error) {
	if err != nil {
		return Ack{}, err
	}
	r, header, err := last.record(stream)
	switch {
	case err != nil:
		return Ack{}, err
	case header.Get(jetstream.MsgIDHeader) == id, r.Event.ID == id:
		return Ack{Sequence: r.Sequence, Duplicate: true}, nil
	}
	return Ack{}, fmt.Errorf("%w: record %d is the last", ErrConflict, r.Sequence)
}

// size is what the server counts against max_payload; the reserve is for the
// headers of the publish options.
func size(m *nats.Msg) int {
	const reserve = 256
	n := len(m.Data) + reserve
	for k, vs := range m.Header {
		for _, v := range vs {
			n += len(k) + len(v) + len(": \r\n")
		}
	}
	return n
}

// send publishes until the server answers or ctx ends.
func (b *Bus) send(ctx context.Context, msg *nats.Msg, opts []jetstream.PublishOpt) (Ack, error) {
	for attempt := 1; ; attempt++ {
		try, cancel := context.WithTimeout(ctx, requestTimeout)
		ack, err := b.js.PublishMsg(try, msg, append(slices.Clone(opts), jetstream.WithRetryAttempts(0))...)
		cancel()
		if err == nil {
			b.wrote(nil)
			if ack.Duplicate && !b.stands(ctx, msg.Subject, ack.Sequence) {
				opts = append(slices.Clone(opts), jetstream.WithMsgID(nuid.Next()))
				continue
			}
			return Ack{Sequence: ack.Sequence, Duplicate: ack.Duplicate}, nil
		}
		if conflict(err) {
			return Ack{}, fmt.Errorf("%w (%w)", ErrConflict, err)
		}
		if ctx.Err() == nil {
			b.wrote(err)
		}
		if !unanswered(err) {
			return Ack{}, storageError(err)
		}
		if !pause(ctx, jitter(backoff(attempt, publishWait, publishWaitMax))) {
			return Ack{}, fmt.Errorf("%w after %d attempts: %w: %s", context.Cause(ctx), attempt, err, b.silence())
		}
	}
}

// stands says whether the message that the server takes for the same is on the
// subject. The server compares ids across the whole stream, and an event's can
// be foretold: who may publish on a subject of his own could have it swallowed.
func (b *Bus) stands(ctx context.Context, subject string, sequence uint64) bool {
	m, found, err := b.leaderGet(ctx, HistoryStream, map[string]any{"seq": sequence})
	return err == nil && found && m.Subject == subject
}

// silence says what to look at when nothing answers. A server whose disk ran
// full switches JetStream off until it is restarted, and says so only in its log.
func (b *Bus) silence() string {
	if b.nc.IsConnected() {
		return "the NATS server is connected but JetStream does not answer: check its disk and its log, then restart it"
	}
	return "the NATS server is not connected: check that it runs"
}

func conflict(err error) bool {
	code := errorCode(err)
	return code == jetstream.JSErrCodeStreamWrongLastSequence || code == jetstream.JSErrCodeStreamWrongLastSequenceConstant
}

// unanswered reports errors after which the same message may be sent again.
func unanswered(err error) bool {
	return errors.Is(err, jetstream.ErrNoStreamResponse) || errors.Is(err, nats.ErrNoResponders) ||
		errors.Is(err, nats.ErrTimeout) || errors.Is(err, context.DeadlineExceeded) ||
		errors.Is(err, nats.ErrDisconnected) || errors.Is(err, nats.ErrReconnectBufExceeded)
}

// storageError marks an error of the server that means: no room.
func storageError(err error) error {
	switch errorCode(err) {
	case errNoSpaceCode, errResourceCode, errAccountCode, errMemoryCode, errStorageCode:
		return fmt.Errorf("%w (%w)", ErrStorage, err)
	}
	return err
}

func errorCode(err error) jetstream.ErrorCode {
	var api *jetstream.APIError
	if errors.As(err, &api) {
		return api.ErrorCode
	}
	var js jetstream.JetStreamError
	if errors.As(err, &js) && js.APIError() != nil {
		return js.APIError().ErrorCode
	}
	return 0
}
