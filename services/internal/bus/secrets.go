package bus

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// Secrets are what may not stand in an event: sealed by the watcher of a
// cluster for the executor of a cloud, under the digest that the events name.
// They have a bucket of their own, SECRETS, where each has a subject,
// $KV.SECRETS.<cloud>.<cluster>.<digest>: a watcher can be allowed to write its
// cluster's alone, and an executor to read its cloud's alone. History has none of them.

// deletedFor is how long the marker of a deleted secret stays: the server
// counts whole seconds.
const deletedFor = "1s"

func secretSubject(cloud, cluster, digest string) string {
	return strings.Join([]string{strings.TrimSuffix(secretPrefix, "."), escapeKey(cloud), escapeKey(cluster), escapeKey(digest)}, ".")
}

// PutSecret stores what was sealed for a cloud. Whoever may write there can
// replace it: what is read must be compared with its digest.
func (b *Bus) PutSecret(ctx context.Context, cloud, cluster, digest string, sealed []byte) error {
	msg := &nats.Msg{Subject: secretSubject(cloud, cluster, digest), Data: sealed}
	if limit := b.nc.MaxPayload(); int64(size(msg)) > limit {
		return fmt.Errorf("secret %s: %w: it has %d bytes, the server takes %d (max_payload)", digest, ErrTooLarge, size(msg), limit)
	}
	return b.writeSecret(ctx, msg, digest)
}

// DeleteSecret takes a secret away. That it is not there is no error.
func (b *Bus) DeleteSecret(ctx context.Context, cloud, cluster, digest string) error {
	// A marker of the key-value kind takes its place and goes by itself: to purge
	// a subject would need the right to purge all.
	header := nats.Header{"KV-Operation": {"DEL"}, jetstream.MsgTTLHeader: {deletedFor}}
	return b.writeSecret(ctx, &nats.Msg{Subject: secretSubject(cloud, cluster, digest), Header: header}, digest)
}

func (b *Bus) writeSecret(ctx context.Context, msg *nats.Msg, digest string) error {
	if _, ok := ctx.Deadline(); !ok {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, publishTimeout)
		defer cancel()
	}
	if _, err := b.send(ctx, msg, []jetstream.PublishOpt{jetstream.WithExpectStream(SecretStream)}); err != nil {
		return fmt.Errorf("secret %s: %w", digest, err)
	}
	return nil
}

// Secret reads what is stored under a digest; false if nothing is. A replica may
// answer that does not have the newest yet: who was told of it asks again.
func (b *Bus) Secret(ctx context.Context, cloud, cluster, digest string) ([]byte, bool, error) {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	// The subject stands in the request's, so that a user can be held to his own.
	reply, err := b.nc.RequestWithContext(ctx, jetstream.DefaultAPIPrefix+"DIRECT.GET."+SecretStream+"."+secretSubject(cloud, cluster, digest), nil)
	if err != nil {
		return nil, false, fmt.Errorf("secret %s: stream %s does not answer: %w: %s", digest, SecretStream, err, b.silence())
	}
	switch status := reply.Header.Get("Status"); {
	case status == "404", reply.Header.Get("KV-Operation") != "":
		return nil, false, nil
	case status != "":
		return nil, false, fmt.Errorf("secret %s: stream %s answers %s %s", digest, SecretStream, status, reply.Header.Get("Description"))
	}
	return reply.Data, true, nil
}

// Secrets lists the digests of what a cluster has stored for a cloud. One that
// was deleted within the last seconds may still be in it.
func (b *Bus) Secrets(ctx context.Context, cloud, cluster string) ([]string, error) {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	prefix := strings.TrimSuffix(secretSubject(cloud, cluster, ""), ".") + "."
	var out []string
	s, err := b.js.Stream(ctx, SecretStream)
	if err == nil {
		var info *jetstream.StreamInfo
		if info, err = s.Info(ctx, jetstream.WithSubjectFilter(prefix+"*")); err == nil {
			for subject := range info.State.Subjects {
				digest, ok := unescapeKey(strings.TrimPrefix(subject, prefix))
				if ok {
					out = append(out, digest)
				}
			}
		}
	}
	if err != nil {
		if errors.Is(err, context.DeadlineExceeded) {
			err = fmt.Errorf("%w: %s", err, b.silence())
		}
		return nil, fmt.Errorf("secrets of cluster %s: stream %s: %w", cluster, SecretStream, err)
	}
	slices.Sort(out)
	return out, nil
}
