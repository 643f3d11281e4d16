package sandbox

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// eventually polls until ok says yes.
func eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(time.Minute); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
		if ok() {
			return
		}
	}
	t.Fatalf("never: %s", what)
}

func nodes(t testing.TB, list ...Backend) *Nodes {
	t.Helper()
	n := NewNodes()
	if err := n.Set(list); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := n.Close(); err != nil {
			t.Error(err)
		}
	})
	return n
}

func nodeAt(n int, port uint16, protocol string) Backend {
	return Backend{Address: netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 0, 0, byte(n)}), port), Protocol: protocol, Label: fmt.Sprintf("node-%d:%d", n, port)}
}

func memberOf(n int, port uint16, extra object) object {
	m := object{"address": fmt.Sprintf("10.0.0.%d", n), "protocol_port": port}
	for k, v := range extra {
		m[k] = v
	}
	return m
}

// expose creates a load balancer whole and waits for it.
func (cl *client) expose(body object) object {
	cl.t.Helper()
	body["vip_subnet_id"] = cl.subnet()
	id := cl.must(201, "POST", "/loadbalancers", object{"loadbalancer": body})["loadbalancer"].(object)["id"].(string)
	return cl.settled(id)
}

// get asks a load balancer's port over HTTP, without following redirects.
func get(t testing.TB, c *Cloud, lb string, port int, host, path string) (int, string, http.Header) {
	t.Helper()
	at, ok := c.Endpoint(lb, port)
	if !ok {
		t.Fatalf("no endpoint for port %d: %+v", port, c.Endpoints())
	}
	req, err := http.NewRequest(http.MethodGet, "http://"+at.String()+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Host = host
	resp, err := (&http.Transport{DisableKeepAlives: true}).RoundTrip(req)
	if err != nil {
		return 0, err.Error(), nil
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(body), resp.Header
}

func poolOf(name, protocol string, members ...object) object {
	return object{"name": name, "protocol": protocol, "lb_algorithm": "ROUND_ROBIN", "members": members}
}

func TestHTTPTraffic(t *testing.T) {
	c := start(t, Config{DataPlane: true, Nodes: nodes(t, nodeAt(1, 30080, "TCP"), nodeAt(2, 30080, "TCP"), nodeAt(1, 30081, "TCP"))})
	cl := logIn(t, c, "sandbox")
	rule := func(kind, compare, value string) object {
		return object{"type": kind, "compare_type": compare, "value": value}
	}
	lb := cl.expose(object{"listeners": []object{{
		"protocol": "HTTP", "protocol_port": 80, "insert_headers": object{"X-Forwarded-For": "true"},
		"l7policies": []object{
			{"action": "REDIRECT_TO_POOL", "redirect_pool": poolOf("api", "HTTP", memberOf(1, 30081, nil)), "rules": []object{rule("PATH", "STARTS_WITH", "/api")}},
			{"action": "REDIRECT_TO_POOL", "redirect_pool": poolOf("web", "HTTP", memberOf(1, 30080, nil), memberOf(2, 30080, nil)), "rules": []object{rule("HOST_NAME", "REGEX", `^web\.example\.org(:\d+)?$`)}},
			{"action": "REDIRECT_PREFIX", "redirect_prefix": "https://new.example.org", "redirect_http_code": 301, "rules": []object{rule("HOST_NAME", "EQUAL_TO", "old.example.org")}},
			{"action": "REJECT", "rules": []object{rule("PATH", "EQUAL_TO", "/secret")}},
		},
	}}})
	id := lb["id"].(string)
	tests := []struct {
		name, host, path string
		status           int
		want             []string // one of these begins the body, or is the location
	}{
		{"path", "x", "/api/1?a=b", 200, []string{"node-1:30081: GET x/api/1?a=b"}},
		{"host", "web.example.org", "/", 200, []string{"node-1:30080", "node-2:30080"}},
		{"host with port", "WEB.example.org:8080", "/", 200, []string{"node-1:30080", "node-2:30080"}},
		{"redirect before pool", "old.example.org", "/api/x?y=1", 301, []string{"https://new.example.org/api/x?y=1"}},
		{"reject before redirect", "old.example.org", "/secret", 403, []string{"<html><body><h1>403 Forbidden"}},
		{"no match and no default pool", "x", "/", 503, []string{"<html><body><h1>503 Service Unavailable"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			status, body, h := get(t, c, id, 80, tt.host, tt.path)
			if l := h.Get("Location"); l != "" {
				body = l
			}
			fits := false
			for _, w := range tt.want {
				fits = fits || strings.HasPrefix(body, w)
			}
			if status != tt.status || !fits {
				t.Errorf("got %d %q", status, body)
			}
		})
	}
	seen := map[string]int{}
	for range 10 {
		_, body, _ := get(t, c, id, 80, "web.example.org", "/")
		seen[strings.SplitN(body, ": ", 2)[0]]++
	}
	if diff := cmp.Diff(map[string]int{"node-1:30080": 5, "node-2:30080": 5}, seen); diff != "" {
		t.Errorf("round robin (-want +got):\n%s", diff)
	}
	stats := cl.must(200, "GET", "/loadbalancers/"+id+"/stats", nil)["stats"].(object)
	if stats["total_connections"].(float64) < 16 || stats["bytes_out"].(float64) == 0 || stats["request_errors"].(float64) != 2 {
		t.Errorf("stats: %v", stats)
	}
}

func TestTCPAndUDPOnOnePort(t *testing.T) {
	c := start(t, Config{DataPlane: true, Nodes: nodes(t, nodeAt(1, 30053, "TCP"), nodeAt(1, 30053, "UDP"))})
	cl := logIn(t, c, "sandbox")
	lb := cl.expose(object{"listeners": []object{
		{"protocol": "TCP", "protocol_port": 5353, "default_pool": poolOf("t", "TCP", memberOf(1, 30053, nil))},
		{"protocol": "UDP", "protocol_port": 5353, "default_pool": poolOf("u", "UDP", memberOf(1, 30053, nil))},
	}})
	vip := netip.MustParseAddrPort(lb["vip_address"].(string) + ":5353").String()
	tcp, err := net.Dial("tcp", vip)
	if err != nil {
		t.Fatal(err)
	}
	defer tcp.Close()
	if _, err := fmt.Fprintln(tcp, "hello there"); err != nil {
		t.Fatal(err)
	}
	r := bufio.NewReader(tcp)
	for _, want := range []string{"node-1:30053\n", "hello there\n"} {
		if got, err := r.ReadString('\n'); got != want {
			t.Errorf("tcp: got %q (%v), want %q", got, err, want)
		}
	}
	udp, err := net.Dial("udp", vip)
	if err != nil {
		t.Fatal(err)
	}
	defer udp.Close()
	buf := make([]byte, 100)
	for _, word := range []string{"one", "two"} {
		if _, err := udp.Write([]byte(word)); err != nil {
			t.Fatal(err)
		}
		_ = udp.SetReadDeadline(time.Now().Add(10 * time.Second))
		n, err := udp.Read(buf)
		if got := string(buf[:n]); got != "node-1:30053: "+word {
			t.Errorf("udp: got %q (%v)", got, err)
		}
	}
}

// A member that is down gets nothing, is in ERROR, and its pool DEGRADED; when
// the node is back, so is the member. Every change moves updated_at's source.
func TestHealthChecks(t *testing.T) {
	n := nodes(t, nodeAt(1, 30080, "TCP"), nodeAt(2, 30080, "TCP"))
	c := start(t, Config{DataPlane: true, Nodes: n})
	cl := logIn(t, c, "sandbox")
	p := poolOf("p", "HTTP", memberOf(1, 30080, nil), memberOf(2, 30080, nil))
	p["healthmonitor"] = object{"type": "HTTP", "delay": 0, "timeout": 1, "max_retries": 2, "max_retries_down": 2}
	id := cl.expose(object{"listeners": []object{{"protocol": "HTTP", "protocol_port": 80, "default_pool": p}}})["id"].(string)
	operating := func(kind string) []string {
		var out []string
		path := "/" + kind
		if kind == "members" {
			path = "/pools/" + cl.must(200, "GET", "/pools", nil)["pools"].([]any)[0].(object)["id"].(string) + "/members"
		}
		for _, o := range cl.must(200, "GET", path, nil)[kind].([]any) {
			out = append(out, o.(object)["operating_status"].(string))
		}
		return out
	}
	eventually(t, "both members up", func() bool { return cmp.Equal(operating("members"), []string{"ONLINE", "ONLINE"}) })
	if err := n.Set([]Backend{nodeAt(1, 30080, "TCP")}); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the pool is degraded", func() bool { return operating("pools")[0] == "DEGRADED" && operating("loadbalancers")[0] == "DEGRADED" })
	for range 6 {
		if status, body, _ := get(t, c, id, 80, "x", "/"); status != 200 || !strings.HasPrefix(body, "node-1") {
			t.Errorf("with one member down: %d %s", status, body)
		}
	}
	if err := n.Set(nil); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the pool is in error", func() bool { return operating("pools")[0] == "ERROR" })
	if status, _, _ := get(t, c, id, 80, "x", "/"); status != 503 {
		t.Errorf("without members: %d", status)
	}
	if err := n.Set([]Backend{nodeAt(2, 30080, "TCP")}); err != nil {
		t.Fatal(err)
	}
	eventually(t, "node 2 serves again", func() bool {
		status, body, _ := get(t, c, id, 80, "x", "/")
		return status == http.StatusOK && strings.HasPrefix(body, "node-2")
	})
}

func TestUDPHealthCheck(t *testing.T) {
	c := start(t, Config{DataPlane: true, Nodes: nodes(t, nodeAt(1, 30053, "UDP"))})
	cl := logIn(t, c, "sandbox")
	// Member 2 is a loopback port where nobody listens.
	p := poolOf("p", "UDP", memberOf(1, 30053, nil), object{"address": "127.0.0.1", "protocol_port": 9})
	p["healthmonitor"] = object{"type": "UDP-CONNECT", "delay": 3, "timeout": 1, "max_retries": 1, "max_retries_down": 1}
	lb := cl.expose(object{"listeners": []object{{"protocol": "UDP", "protocol_port": 53, "default_pool": p}}})
	poolID := lb["pools"].([]any)[0].(object)["id"].(string)
	eventually(t, "one up, one down", func() bool {
		var out []string
		for _, m := range cl.must(200, "GET", "/pools/"+poolID+"/members?sort=address", nil)["members"].([]any) {
			out = append(out, m.(object)["operating_status"].(string))
		}
		return cmp.Equal(out, []string{"ONLINE", "ERROR"})
	})
}

func TestAllowedSources(t *testing.T) {
	c := start(t, Config{DataPlane: true, Nodes: nodes(t, nodeAt(1, 30080, "TCP"))})
	cl := logIn(t, c, "sandbox")
	lb := cl.expose(object{"listeners": []object{{
		"protocol": "HTTP", "protocol_port": 8080, "allowed_cidrs": []string{"127.9.0.0/16"}, "default_pool": poolOf("p", "HTTP", memberOf(1, 30080, nil)),
	}}})
	at, _ := c.Endpoint(lb["id"].(string), 8080)
	from := func(source string) error {
		tr := &http.Transport{DisableKeepAlives: true, DialContext: (&net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(source)}}).DialContext}
		resp, err := (&http.Client{Transport: tr}).Get("http://" + at.String())
		if err == nil {
			err = resp.Body.Close()
		}
		return err
	}
	if err := from("127.9.1.1"); err != nil {
		t.Errorf("an allowed source: %v", err)
	}
	if err := from("127.8.1.1"); err == nil {
		t.Error("a foreign source got an answer")
	}
}

// Changes reach the data plane, and floating IPs come and go with theirs.
func TestPlaneFollows(t *testing.T) {
	c := start(t, Config{DataPlane: true, Nodes: nodes(t, nodeAt(1, 30080, "TCP"), nodeAt(2, 30080, "TCP"))})
	cl := logIn(t, c, "sandbox")
	lb := cl.expose(object{"listeners": []object{{"protocol": "HTTP", "protocol_port": 8080, "default_pool": poolOf("p", "HTTP", memberOf(1, 30080, nil))}}})
	id, poolID := lb["id"].(string), lb["pools"].([]any)[0].(object)["id"].(string)
	cl.must(202, "PUT", "/pools/"+poolID+"/members", object{"members": []object{memberOf(2, 30080, nil)}})
	cl.settled(id)
	if _, body, _ := get(t, c, id, 8080, "x", "/"); !strings.HasPrefix(body, "node-2") {
		t.Errorf("after the batch: %s", body)
	}
	cl.must(202, "PUT", "/pools/"+poolID+"/members", object{"members": []object{memberOf(2, 30080, object{"weight": 0})}})
	cl.settled(id)
	if status, _, _ := get(t, c, id, 8080, "x", "/"); status != 503 {
		t.Errorf("drained: %d", status)
	}
	_, nets := cl.network("GET", "/networks?router:external=true", nil)
	external := nets["networks"].([]any)[0].(object)["id"]
	status, out := cl.network("POST", "/floatingips", object{"floatingip": object{"floating_network_id": external, "port_id": lb["vip_port_id"]}})
	if status != 201 {
		t.Fatalf("floating ip: %d %v", status, out)
	}
	fip := out["floatingip"].(object)
	if at, ok := c.Endpoint(id, 8080); !ok || at.Addr().String() != fip["floating_ip_address"] {
		t.Errorf("endpoint %s, floating ip %v", at, fip["floating_ip_address"])
	}
	if status, _, _ := get(t, c, id, 8080, "x", "/"); status != 503 {
		t.Errorf("by floating ip: %d", status)
	}
	if status, _ := cl.network("DELETE", "/floatingips/"+fip["id"].(string), nil); status != 204 {
		t.Errorf("delete floating ip: %d", status)
	}
	if at, ok := c.Endpoint(id, 8080); !ok || at.Addr().String() != lb["vip_address"] {
		t.Errorf("endpoint %s, vip %v", at, lb["vip_address"])
	}
	cl.must(204, "DELETE", "/loadbalancers/"+id+"?cascade=true", nil)
	cl.settled(id)
	if e := c.Endpoints(); len(e) != 0 {
		t.Errorf("after delete are open: %+v", e)
	}
}

func TestPersistence(t *testing.T) {
	c := start(t, Config{DataPlane: true, Nodes: nodes(t, nodeAt(1, 30080, "TCP"), nodeAt(2, 30080, "TCP"), nodeAt(3, 30080, "TCP"))})
	cl := logIn(t, c, "sandbox")
	p := poolOf("p", "HTTP", memberOf(1, 30080, nil), memberOf(2, 30080, nil), memberOf(3, 30080, object{"backup": true}))
	p["session_persistence"] = object{"type": "HTTP_COOKIE"}
	lb := cl.expose(object{"listeners": []object{{"protocol": "HTTP", "protocol_port": 8080, "default_pool": p}}})
	at, _ := c.Endpoint(lb["id"].(string), 8080)
	var cookie *http.Cookie
	first := ""
	for i := range 6 {
		req, err := http.NewRequest(http.MethodGet, "http://"+at.String(), nil)
		if err != nil {
			t.Fatal(err)
		}
		if cookie != nil {
			req.AddCookie(cookie)
		}
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		by := resp.Header.Get("X-Backend")
		resp.Body.Close()
		if i == 0 {
			cookie, first = resp.Cookies()[0], by
		}
		if by != first || strings.HasPrefix(by, "node-3") {
			t.Errorf("request %d went to %s, the first to %s", i, by, first)
		}
	}
}

// A restart opens the same ports on the same addresses; meanwhile nobody else
// may use the pools.
func TestPlaneAfterRestart(t *testing.T) {
	n := nodes(t, nodeAt(1, 30080, "TCP"))
	cfg := Config{DataPlane: true, Nodes: n, StateFile: filepath.Join(t.TempDir(), "state.json")}
	first, err := Start(context.Background(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	lb := logIn(t, first, "sandbox").expose(object{"listeners": []object{{"protocol": "HTTP", "protocol_port": 8080, "default_pool": poolOf("p", "HTTP", memberOf(1, 30080, nil))}}})
	id := lb["id"].(string)
	if _, err := Start(context.Background(), cfg); err == nil || !strings.Contains(err.Error(), "another sandbox") {
		t.Errorf("a second sandbox on the same state: %v", err)
	}
	before, _ := first.Endpoint(id, 8080)
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	if conn, err := net.Dial("tcp", before.String()); err == nil {
		conn.Close()
		t.Error("a closed sandbox takes traffic")
	}
	second := start(t, cfg)
	if after, _ := second.Endpoint(id, 8080); after != before {
		t.Errorf("endpoint %s before, %s after", before, after)
	}
	if status, body, _ := get(t, second, id, 8080, "x", "/"); status != 200 {
		t.Errorf("after the restart: %d %s", status, body)
	}
}

func TestBalancer(t *testing.T) {
	member := func(id string, weight int, status string, backup bool) target {
		out := target{id: id, weight: weight, backup: backup, status: new(atomic.Pointer[string]), active: new(atomic.Int64)}
		if status != "" {
			out.status.Store(&status)
		}
		return out
	}
	client := netip.MustParseAddrPort("10.9.9.9:1234")
	tests := []struct {
		name, algorithm string
		targets         []target
		want            map[string]int // of 12 picks
	}{
		{"by weight", "ROUND_ROBIN", []target{member("a", 1, online, false), member("b", 2, online, false)}, map[string]int{"a": 4, "b": 8}},
		{"weight 0 drains", "ROUND_ROBIN", []target{member("a", 1, online, false), member("b", 0, online, false)}, map[string]int{"a": 12}},
		{"down", "ROUND_ROBIN", []target{member("a", 1, Error, false), member("b", 1, online, false)}, map[string]int{"b": 12}},
		{"not checked yet", "ROUND_ROBIN", []target{member("a", 1, "", false)}, map[string]int{"a": 12}},
		{"backup waits", "ROUND_ROBIN", []target{member("a", 1, online, false), member("b", 1, online, true)}, map[string]int{"a": 12}},
		{"backup serves", "ROUND_ROBIN", []target{member("a", 1, Error, false), member("b", 1, online, true)}, map[string]int{"b": 12}},
		{"least connections", "LEAST_CONNECTIONS", []target{member("a", 1, online, false), member("b", 1, online, false)}, map[string]int{"a": 6, "b": 6}},
		{"nobody", "ROUND_ROBIN", nil, map[string]int{}},
	}
	for _, tt := range tests {
		b := newBalancer()
		b.update(tt.algorithm, nil, tt.targets)
		got := map[string]int{}
		for range 12 {
			if t, ok := b.pick(client, "", nil); ok {
				t.active.Add(1)
				got[t.id]++
			}
		}
		if diff := cmp.Diff(tt.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tt.name, diff)
		}
	}
	b := newBalancer()
	b.update("SOURCE_IP", nil, []target{member("a", 1, online, false), member("b", 1, online, false), member("c", 1, online, false)})
	first, _ := b.pick(client, "", nil)
	for port := range uint16(20) {
		if again, _ := b.pick(netip.AddrPortFrom(client.Addr(), port), "", nil); again.id != first.id {
			t.Errorf("SOURCE_IP went to %s, then to %s", first.id, again.id)
		}
	}
}

// A member sees the request as the client sent it, and what the listener inserts.
func TestInsertedHeaders(t *testing.T) {
	got := make(chan *http.Request, 1)
	member := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { got <- r }))
	defer member.Close()
	at := netip.MustParseAddrPort(strings.TrimPrefix(member.URL, "http://"))
	c := start(t, Config{DataPlane: true})
	cl := logIn(t, c, "sandbox")
	lb := cl.expose(object{"listeners": []object{{
		"protocol": "HTTP", "protocol_port": 81, "insert_headers": object{"X-Forwarded-For": "true", "X-Forwarded-Port": "true", "X-Forwarded-Proto": "false"},
		"default_pool": poolOf("p", "HTTP", object{"address": at.Addr().String(), "protocol_port": at.Port()}),
	}}})
	if status, body, _ := get(t, c, lb["id"].(string), 81, "Web.Example.org:99", "/a%2Fb?x=1;y&z"); status != 200 {
		t.Fatalf("%d %s", status, body)
	}
	r := <-got
	want := map[string]string{"host": "Web.Example.org:99", "uri": "/a%2Fb?x=1;y&z", "for": "127.0.0.1", "port": "81", "proto": ""}
	have := map[string]string{"host": r.Host, "uri": r.RequestURI, "for": r.Header.Get("X-Forwarded-For"), "port": r.Header.Get("X-Forwarded-Port"), "proto": r.Header.Get("X-Forwarded-Proto")}
	if diff := cmp.Diff(want, have); diff != "" {
		t.Errorf("the member's view (-want +got):\n%s", diff)
	}
}

// A member that takes the connection but does not answer in time is a 504; one
// that cannot be reached is left for another.
func TestSlowAndDeadMembers(t *testing.T) {
	release := make(chan struct{})
	slow := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-release }))
	defer slow.Close()
	defer close(release)
	at := netip.MustParseAddrPort(strings.TrimPrefix(slow.URL, "http://"))
	c := start(t, Config{DataPlane: true, Nodes: nodes(t, nodeAt(1, 30080, "TCP"))})
	cl := logIn(t, c, "sandbox")
	lb := cl.expose(object{"listeners": []object{
		{"protocol": "HTTP", "protocol_port": 8080, "timeout_member_data": 50, "default_pool": poolOf("slow", "HTTP", object{"address": at.Addr().String(), "protocol_port": at.Port()})},
		{"protocol": "HTTP", "protocol_port": 8081, "default_pool": poolOf("half", "HTTP", object{"address": "127.0.0.1", "protocol_port": 9}, memberOf(1, 30080, nil))},
	}})
	id := lb["id"].(string)
	if status, body, _ := get(t, c, id, 8080, "x", "/"); status != 504 {
		t.Errorf("slow: %d %s", status, body)
	}
	for range 4 {
		if status, body, _ := get(t, c, id, 8081, "x", "/"); status != 200 || !strings.HasPrefix(body, "node-1") {
			t.Errorf("redispatched: %d %s", status, body)
		}
	}
}
