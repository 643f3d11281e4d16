package sandbox

import (
	"hash/fnv"
	"net/netip"
	"sync"
	"sync/atomic"
)

// target is a member as the data plane sees it. It lives as long as the member.
type target struct {
	id      string
	address netip.AddrPort
	weight  int
	backup  bool
	status  *atomic.Pointer[string] // operating status by health checks; nil: not checked yet
	active  *atomic.Int64           // connections
}

// up: what was not checked yet may serve, as HAProxy has it.
func (t *target) up() bool {
	s := t.status.Load()
	return s == nil || *s != Error
}

// balancer spreads over the members of a pool. Its settings are replaced as a
// whole when the pool changes; the turn goes on.
type balancer struct {
	mu        sync.Mutex
	algorithm string
	persist   *persistence
	targets   []target
	current   map[string]int    // smooth weighted round robin
	stuck     map[string]string // source address or cookie: member
}

func newBalancer() *balancer {
	return &balancer{current: map[string]int{}, stuck: map[string]string{}}
}

func (b *balancer) update(algorithm string, persist *persistence, targets []target) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.algorithm, b.persist, b.targets = algorithm, persist, targets
}

// maxStuck bounds the table of persistence, as HAProxy's stick-table is.
const maxStuck = 10000

// pick chooses a member for a client; sticky is the client's cookie, if the
// pool has one; not are members that were tried without success.
func (b *balancer) pick(source netip.AddrPort, sticky string, not map[string]bool) (target, bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	key := ""
	if b.persist != nil {
		switch b.persist.Type {
		case "HTTP_COOKIE":
			if t, ok := b.bound(sticky, not); ok {
				return t, true
			}
		case "SOURCE_IP":
			key = source.Addr().String()
		case "APP_COOKIE":
			key = sticky
		}
	}
	if t, ok := b.bound(b.stuck[key], not); key != "" && ok {
		return t, true
	}
	fit := b.usable(not)
	if len(fit) == 0 {
		return target{}, false
	}
	t := b.choose(fit, source)
	if key != "" && b.persist.Type == "SOURCE_IP" {
		b.stick(key, t.id)
	}
	return t, true
}

// bound is the member that a client is bound to: it has to be up, but may
// drain (weight 0), or be a backup.
func (b *balancer) bound(id string, not map[string]bool) (target, bool) {
	t, ok := byID(b.targets, id)
	return t, ok && t.up() && !not[id]
}

// learn binds an application's cookie to the member that set it.
func (b *balancer) learn(cookie, member string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.stick(cookie, member)
}

func (b *balancer) stick(key, member string) {
	if len(b.stuck) >= maxStuck {
		clear(b.stuck)
	}
	b.stuck[key] = member
}

// usable are the members that are up and have a weight: backups only if no
// other is left.
func (b *balancer) usable(not map[string]bool) []target {
	var first, backup []target
	for _, t := range b.targets {
		switch {
		case !t.up() || t.weight == 0 || not[t.id]:
		case t.backup:
			backup = append(backup, t)
		default:
			first = append(first, t)
		}
	}
	if len(first) > 0 {
		return first
	}
	return backup
}

func byID(list []target, id string) (target, bool) {
	for _, t := range list {
		if t.id == id {
			return t, true
		}
	}
	return target{}, false
}

func (b *balancer) choose(fit []target, source netip.AddrPort) target {
	switch b.algorithm {
	case "SOURCE_IP":
		return hashed(fit, source.Addr().AsSlice())
	case "SOURCE_IP_PORT":
		return hashed(fit, []byte(source.String()))
	case "LEAST_CONNECTIONS":
		best := fit[0]
		for _, t := range fit[1:] {
			if t.active.Load()*int64(best.weight) < best.active.Load()*int64(t.weight) {
				best = t
			}
		}
		return best
	}
	total, best := 0, 0
	for i, t := range fit {
		total += t.weight
		b.current[t.id] += t.weight
		if b.current[t.id] > b.current[fit[best].id] {
			best = i
		}
	}
	b.current[fit[best].id] -= total
	return fit[best]
}

func hashed(fit []target, key []byte) target {
	total := 0
	for _, t := range fit {
		total += t.weight
	}
	h := fnv.New32a()
	_, _ = h.Write(key) // never fails (hash.Hash)
	at := int(h.Sum32() % uint32(total))
	for _, t := range fit {
		if at -= t.weight; at < 0 {
			return t
		}
	}
	return fit[0]
}
