package watcher

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"

	"drawbridge.dev/events"
	"drawbridge.dev/services/internal/seal"
	"drawbridge.dev/services/watcher/translate"
)

// certificates knows what the Secrets hold that objects name for TLS. A key is
// in memory only while it is read: what is kept of it is sealed for the
// executors.
type certificates struct {
	version func(namespace, name string) string // resourceVersion of a Secret; empty: there is none
	fetch   func(ctx context.Context, namespace, name string) (*corev1.Secret, error)
	keys    map[string]string // public keys by cloud

	mu   sync.Mutex
	held map[string]held // by namespace/name
}

// held is what a Secret held when it was read.
type held struct {
	version string // at that time
	there   bool   // it was one for TLS
	pair    translate.Pair
	sealed  map[string][]byte // by cloud
}

// load reads those of the Secrets, named namespace/name, that are not known as
// they stand. Whatever is wrong in one of them is no error.
func (c *certificates) load(ctx context.Context, names []string) error {
	for _, n := range names {
		namespace, name, _ := strings.Cut(n, "/")
		version := c.version(namespace, name)
		c.mu.Lock()
		known, ok := c.held[n]
		if version == "" {
			delete(c.held, n)
		}
		c.mu.Unlock()
		if version == "" || ok && known.version == version {
			continue
		}
		s, err := c.fetch(ctx, namespace, name)
		if err != nil {
			return fmt.Errorf("read Secret %s: %w", n, err)
		}
		read := c.read(s)
		read.version = version
		c.mu.Lock()
		c.held[n] = read
		c.mu.Unlock()
	}
	return nil
}

// read parses a Secret and seals what it holds for every cloud.
func (c *certificates) read(s *corev1.Secret) (h held) {
	if s == nil {
		return h
	}
	material, pair := parsePair(s)
	h = held{there: true, pair: pair, sealed: map[string][]byte{}}
	if pair.Fault != "" {
		return h
	}
	for cloud, key := range c.keys {
		var err error
		if h.sealed[cloud], err = material.Seal(key); err != nil { // the keys are checked, and randomness does not fail
			h.pair = translate.Pair{Fault: "cannot be sealed: " + err.Error()}
			return h
		}
	}
	return h
}

func parsePair(s *corev1.Secret) (seal.Material, translate.Pair) {
	material, info, err := seal.Parse(s.Data[corev1.TLSCertKey], s.Data[corev1.TLSPrivateKeyKey])
	if err != nil {
		return material, translate.Pair{Fault: "cannot be used: " + err.Error()}
	}
	return material, translate.Pair{NotBefore: info.NotBefore, NotAfter: info.NotAfter, Certificate: events.Certificate{
		Digest: material.Digest(), Hosts: info.Hosts, NotAfter: info.NotAfter.Format(time.RFC3339)}}
}

func pairOf(s *corev1.Secret) translate.Pair {
	_, pair := parsePair(s)
	return pair
}

// pairs are what is known of Secrets, by the names that the object has for them.
func (c *certificates) pairs(names map[string]string) map[string]translate.Pair {
	c.mu.Lock()
	defer c.mu.Unlock()
	out := map[string]translate.Pair{}
	for by, n := range names {
		if h, ok := c.held[n]; ok && h.there {
			out[by] = h.pair
		}
	}
	return out
}

// sealed is what a Secret that is known holds under a digest, for a cloud.
func (c *certificates) sealed(cloud, digest string) ([]byte, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, n := range slices.Sorted(maps.Keys(c.held)) {
		if h := c.held[n]; h.pair.Certificate.Digest == digest && h.sealed[cloud] != nil {
			return h.sealed[cloud], true
		}
	}
	return nil, false
}
