package sandbox

import (
	"cmp"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"sync"
)

// state is everything that survives a restart. It is the snapshot file's form.
type state struct {
	Users         map[string]*user          `json:"users"`    // by id
	Projects      map[string]string         `json:"projects"` // name by id
	Flavors       []flavor                  `json:"flavors"`
	Networks      map[string]*network       `json:"networks"`
	Subnets       map[string]*subnet        `json:"subnets"`
	Ports         map[string]*networkPort   `json:"ports"`
	Floating      map[string]*floatingIP    `json:"floatingIPs"`
	Groups        map[string]*securityGroup `json:"securityGroups"`
	LoadBalancers map[string]*loadBalancer  `json:"loadBalancers"`
	Listeners     map[string]*listener      `json:"listeners"`
	Pools         map[string]*pool          `json:"pools"`
	Members       map[string]*member        `json:"members"`
	Monitors      map[string]*monitor       `json:"monitors"`
	Policies      map[string]*l7Policy      `json:"l7policies"`
	Rules         map[string]*l7Rule        `json:"l7rules"`
	Secrets       map[string]*secret        `json:"secrets"`
	Containers    map[string]*container     `json:"containers"`
	Made          int                       `json:"made"` // secrets and containers so far
}

func newState() *state {
	return &state{
		Users: map[string]*user{}, Projects: map[string]string{},
		Networks: map[string]*network{}, Subnets: map[string]*subnet{}, Ports: map[string]*networkPort{},
		Floating: map[string]*floatingIP{}, Groups: map[string]*securityGroup{},
		LoadBalancers: map[string]*loadBalancer{}, Listeners: map[string]*listener{}, Pools: map[string]*pool{},
		Members: map[string]*member{}, Monitors: map[string]*monitor{}, Policies: map[string]*l7Policy{}, Rules: map[string]*l7Rule{},
		Secrets: map[string]*secret{}, Containers: map[string]*container{},
	}
}

// newID is a UUID as OpenStack's services make them; newHex one without dashes
// as Keystone does.
func newID() string {
	h := newHex()
	return h[:8] + "-" + h[8:12] + "-4" + h[13:16] + "-a" + h[17:20] + "-" + h[20:]
}

func newHex() string {
	var b [16]byte
	rand.Read(b[:]) // never fails (crypto/rand, Go 1.24)
	return hex.EncodeToString(b[:])
}

// loadState reads a snapshot; a file that is not there is a cloud that begins.
func loadState(path string) (*state, bool, error) {
	s := newState()
	if path == "" {
		return s, false, nil
	}
	data, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return s, false, nil
	}
	if err != nil {
		return nil, false, fmt.Errorf("sandbox: state file: %w", err)
	}
	if err := json.Unmarshal(data, s); err != nil {
		return nil, false, fmt.Errorf("sandbox: state file %s is damaged (delete it to begin with an empty cloud): %w", path, err)
	}
	return s, true, nil
}

// saver writes snapshots so that a change is in the file before its answer is
// sent. Changes that happen while one snapshot is written share the next.
type saver struct {
	path string
	mu   sync.Mutex
	done uint64 // version of the state that the file holds
}

// save writes the state unless the file already holds version want.
func (s *saver) save(want uint64, snapshot func() ([]byte, uint64, error)) error {
	if s.path == "" {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.done >= want {
		return nil
	}
	data, version, err := snapshot()
	if err != nil {
		return fmt.Errorf("sandbox: state: %w", err)
	}
	if err := writeFile(s.path, data); err != nil {
		return fmt.Errorf("sandbox: state file: %w", err)
	}
	s.done = version
	return nil
}

// writeFile replaces a file as a whole. It holds credentials: mode 0600.
func writeFile(path string, data []byte) error {
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".*")
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	err = cmp.Or(err, f.Close())
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(f.Name()))
	}
	return nil
}

// listenersOf are the listeners that send to a pool, by default or by policy.
func (s *state) listenersOf(p *pool) []string {
	var out []string
	for _, id := range s.LoadBalancers[p.LoadBalancer].Listeners {
		l := s.Listeners[id]
		uses := l.DefaultPool == p.ID
		for _, policy := range l.Policies {
			uses = uses || s.Policies[policy].Pool == p.ID
		}
		if uses {
			out = append(out, id)
		}
	}
	return out
}

func (s *state) policiesOf(p *pool) []*l7Policy {
	var out []*l7Policy
	for _, id := range s.LoadBalancers[p.LoadBalancer].Listeners {
		for _, policy := range s.Listeners[id].Policies {
			if s.Policies[policy].Pool == p.ID {
				out = append(out, s.Policies[policy])
			}
		}
	}
	return out
}

// tree calls f for every object of a load balancer below it, parents first.
func (s *state) tree(lb *loadBalancer, f func(kind string, m *meta)) {
	for _, id := range lb.Pools {
		p := s.Pools[id]
		f("pool", &p.meta)
		if p.Monitor != "" {
			f("healthmonitor", &s.Monitors[p.Monitor].meta)
		}
		for _, m := range p.Members {
			f("member", &s.Members[m].meta)
		}
	}
	for _, id := range lb.Listeners {
		l := s.Listeners[id]
		f("listener", &l.meta)
		for _, policy := range l.Policies {
			p := s.Policies[policy]
			f("l7policy", &p.meta)
			for _, r := range p.Rules {
				f("l7rule", &s.Rules[r].meta)
			}
		}
	}
}

func without(list []string, id string) []string {
	return slices.DeleteFunc(list, func(s string) bool { return s == id })
}

func (s *state) dropListener(id string) {
	l := s.Listeners[id]
	if l == nil {
		return
	}
	for _, p := range slices.Clone(l.Policies) {
		s.dropPolicy(p)
	}
	lb := s.LoadBalancers[l.LoadBalancer]
	lb.Listeners = without(lb.Listeners, id)
	delete(s.Listeners, id)
}

func (s *state) dropPolicy(id string) {
	p := s.Policies[id]
	if p == nil {
		return
	}
	for _, r := range p.Rules {
		delete(s.Rules, r)
	}
	l := s.Listeners[p.Listener]
	l.Policies = without(l.Policies, id)
	delete(s.Policies, id)
}

func (s *state) dropRule(id string) {
	r := s.Rules[id]
	if r == nil {
		return
	}
	p := s.Policies[r.Policy]
	p.Rules = without(p.Rules, id)
	delete(s.Rules, id)
}

func (s *state) dropMember(id string) {
	m := s.Members[id]
	if m == nil {
		return
	}
	p := s.Pools[m.Pool]
	p.Members = without(p.Members, id)
	delete(s.Members, id)
}

func (s *state) dropMonitor(id string) {
	m := s.Monitors[id]
	if m == nil {
		return
	}
	s.Pools[m.Pool].Monitor = ""
	delete(s.Monitors, id)
}

func (s *state) dropPool(id string) {
	p := s.Pools[id]
	if p == nil {
		return
	}
	for _, m := range p.Members {
		delete(s.Members, m)
	}
	delete(s.Monitors, p.Monitor)
	lb := s.LoadBalancers[p.LoadBalancer]
	for _, l := range lb.Listeners {
		if s.Listeners[l].DefaultPool == id {
			s.Listeners[l].DefaultPool = ""
		}
	}
	lb.Pools = without(lb.Pools, id)
	delete(s.Pools, id)
}

func (s *state) dropLoadBalancer(id string) {
	lb := s.LoadBalancers[id]
	for _, l := range slices.Clone(lb.Listeners) {
		s.dropListener(l)
	}
	for _, p := range slices.Clone(lb.Pools) {
		s.dropPool(p)
	}
	p := s.Ports[lb.Port]
	switch {
	case lb.OwnsPort:
		s.dropPort(lb.Port)
	case p != nil && p.Name != "octavia-lb-"+lb.ID: // one that was given
		p.Device, p.Owner = "", ""
	}
	delete(s.LoadBalancers, id)
}

// dropPort takes a port away; a floating IP of it stays, without a port.
func (s *state) dropPort(id string) {
	for _, f := range s.Floating {
		if f.Port == id {
			f.Port, f.Fixed = "", ""
		}
	}
	delete(s.Ports, id)
}
