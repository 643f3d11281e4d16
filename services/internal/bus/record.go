package bus

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	cejs "github.com/cloudevents/sdk-go/protocol/nats_jetstream/v2"
	"github.com/cloudevents/sdk-go/v2/binding"
	"github.com/nats-io/nats.go"

	"drawbridge.dev/events"
)

// Record is one message of HISTORY.
type Record struct {
	Event    events.Event
	Subject  string
	Sequence uint64 // in HISTORY
	Err      error  // why the message is no event; Event is zero then
	Data     []byte // as it was published
}

// headerSource is written by the server into what it sources:
// "<stream> <sequence> <filter> <transform> <subject> <identity>" (nats-server, genSourceHeader).
const headerSource = "Nats-Stream-Source"

// encode writes the event in binary mode of the CloudEvents NATS binding.
func encode(e events.Event) (*nats.Msg, error) {
	c, err := events.Encode(e)
	if err != nil {
		return nil, err
	}
	var body bytes.Buffer
	ctx := binding.WithForceBinary(context.Background())
	header, err := cejs.WriteMsg(ctx, binding.ToMessage(&c), &body)
	if err != nil {
		return nil, fmt.Errorf("encode event of %s: %w", e.Key, err)
	}
	return &nats.Msg{Subject: e.Subject(), Header: header, Data: body.Bytes()}, nil
}

// decode reads a message of either mode. What is wrong with it is in Record.Err.
func decode(subject string, sequence uint64, header nats.Header, data []byte) Record {
	r := Record{Subject: subject, Sequence: sequence, Data: data}
	fail := func(err error) Record {
		r.Err = fmt.Errorf("message %d on %s: %w", sequence, subject, err)
		return r
	}
	c, err := binding.ToEvent(context.Background(), cejs.NewMessage(&nats.Msg{Subject: subject, Header: header, Data: data}))
	if err != nil {
		return fail(fmt.Errorf("it is no CloudEvent: %w", err))
	}
	e, err := events.Decode(*c)
	if err != nil {
		return fail(err)
	}
	if want := e.Subject(); want != subject {
		return fail(fmt.Errorf("the event belongs on %s", want))
	}
	r.Event = e
	return r
}

// origin is the HISTORY sequence of a message of STATE.
func origin(header nats.Header) (uint64, error) {
	v := header.Get(headerSource)
	f := strings.Fields(v)
	if len(f) < 2 || f[0] != HistoryStream {
		return 0, fmt.Errorf("header %s %q does not name a message of %s", headerSource, v, HistoryStream)
	}
	n, err := strconv.ParseUint(f[1], 10, 64)
	if err != nil || n == 0 {
		return 0, errors.Join(fmt.Errorf("header %s %q has no sequence", headerSource, v), err)
	}
	return n, nil
}
