package bus

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"drawbridge.dev/events"
)

// stored is a message as the leader of its stream holds it.
type stored struct {
	Subject  string    `json:"subject"`
	Sequence uint64    `json:"seq"`
	Header   []byte    `json:"hdrs"`
	Data     []byte    `json:"data"`
	Time     time.Time `json:"time"`
}

// Last is the newest record of a key and stage; false if there never was one.
// HISTORY is asked first and STATE, which follows it, only for what HISTORY has
// aged out. Both answers come from the stream's leader.
func (b *Bus) Last(ctx context.Context, stage events.Stage, cloud string, k events.Key) (Record, bool, error) {
	return b.lastOf(ctx, events.Subject(stage, cloud, k))
}

func (b *Bus) lastOf(ctx context.Context, subject string) (Record, bool, error) {
	for _, stream := range []string{HistoryStream, StateStream} {
		m, ok, err := b.leaderLast(ctx, stream, subject)
		if err != nil {
			return Record{}, false, fmt.Errorf("last of %s: %w", subject, err)
		}
		if ok {
			r, _, err := m.record(stream)
			return r, err == nil, err
		}
	}
	return Record{}, false, nil
}

// record decodes a message of HISTORY or STATE, and its headers.
func (m stored) record(stream string) (Record, nats.Header, error) {
	var header nats.Header
	if len(m.Header) > 0 {
		h, err := nats.DecodeHeadersMsg(m.Header)
		if err != nil {
			return Record{}, nil, fmt.Errorf("headers of message %d in %s: %w", m.Sequence, stream, err)
		}
		header = h
	}
	sequence := m.Sequence
	if stream == StateStream {
		n, err := origin(header)
		if err != nil {
			return Record{}, nil, fmt.Errorf("message %d of %s: %w", m.Sequence, stream, err)
		}
		sequence = n
	}
	return decode(m.Subject, sequence, header, m.Data), header, nil
}

// leaderLast reads the last message of a subject.
func (b *Bus) leaderLast(ctx context.Context, stream, subject string) (stored, bool, error) {
	return b.leaderGet(ctx, stream, map[string]any{"last_by_subj": subject})
}

// leaderGet reads one message. Unlike a direct get, which any replica may answer
// from behind, this request is served by the leader. What is not answered is
// asked again, for requestTimeout at most.
func (b *Bus) leaderGet(ctx context.Context, stream string, request map[string]any) (stored, bool, error) {
	body, err := json.Marshal(request)
	if err != nil {
		return stored{}, false, err
	}
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	for {
		reply, err := b.ask(ctx, jetstream.DefaultAPIPrefix+"STREAM.MSG.GET."+stream, body)
		if err == nil {
			return lastAnswer(stream, reply)
		}
		if b.nc.IsClosed() || !pause(ctx, askWait) {
			return stored{}, false, fmt.Errorf("stream %s does not answer: %w: %s", stream, err, b.silence())
		}
	}
}

const askWait = 20 * time.Millisecond

// ask gives up when the connection is restored: what was asked before is not
// answered any more.
func (b *Bus) ask(ctx context.Context, subject string, body []byte) ([]byte, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	defer b.onReconnect(func() { cancel(errRestored) })()
	reply, err := b.nc.RequestWithContext(ctx, subject, body)
	if err != nil {
		return nil, err
	}
	return reply.Data, nil
}

func lastAnswer(stream string, reply []byte) (stored, bool, error) {
	var answer struct {
		Error   *jetstream.APIError `json:"error"`
		Message stored              `json:"message"`
	}
	if err := json.Unmarshal(reply, &answer); err != nil {
		return stored{}, false, fmt.Errorf("answer of stream %s: %w", stream, err)
	}
	if answer.Error != nil {
		if answer.Error.ErrorCode == jetstream.JSErrCodeMessageNotFound {
			return stored{}, false, nil
		}
		return stored{}, false, fmt.Errorf("stream %s: %w", stream, answer.Error)
	}
	return answer.Message, true, nil
}
