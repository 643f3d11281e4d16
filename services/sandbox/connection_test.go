package sandbox

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// A member of weight 0 keeps who is bound to it and takes nobody else.
func TestDrainingKeepsBound(t *testing.T) {
	client := netip.MustParseAddrPort("10.9.9.9:1")
	other := netip.MustParseAddrPort("10.9.9.8:1")
	for _, tt := range []struct{ kind, cookie string }{{"SOURCE_IP", ""}, {"HTTP_COOKIE", ""}, {"APP_COOKIE", "session"}} {
		t.Run(tt.kind, func(t *testing.T) {
			up := func(id string, weight int) target {
				p := newProbe(nil, id)
				return target{id: id, weight: weight, status: &p.status, active: &p.active}
			}
			b := newBalancer()
			sp := &persistence{Type: tt.kind, Cookie: tt.cookie}
			b.update("ROUND_ROBIN", sp, []target{up("a", 1), up("b", 1)})
			first, _ := b.pick(client, "", nil)
			sticky := ""
			switch tt.kind {
			case "HTTP_COOKIE":
				sticky = first.id
			case "APP_COOKIE":
				sticky = "s1"
				b.learn(sticky, first.id)
			}
			weights := map[string]int{"a": 1, "b": 1, first.id: 0}
			b.update("ROUND_ROBIN", sp, []target{up("a", weights["a"]), up("b", weights["b"])})
			for range 4 {
				if got, ok := b.pick(client, sticky, nil); !ok || got.id != first.id {
					t.Errorf("the client was at %s, now it is at %s", first.id, got.id)
				}
				if got, ok := b.pick(other, "", nil); !ok || got.id == first.id {
					t.Errorf("another client got the draining member %s", got.id)
				}
			}
		})
	}
}

// The member that a cookie names does not see it, and its answer is not for caches.
func TestIndirectCookie(t *testing.T) {
	h := http.Header{"Cookie": {"a=1; SRV=x; b=2", "SRV=y"}}
	strip(h, haproxyCookie)
	if diff := cmp.Diff(http.Header{"Cookie": {"a=1; b=2"}}, h); diff != "" {
		t.Errorf("cookies (-want +got):\n%s", diff)
	}
}

// Beyond the connection limit a client waits until another one has gone.
func TestConnectionLimit(t *testing.T) {
	c := start(t, Config{DataPlane: true, Nodes: nodes(t, nodeAt(1, 30080, "TCP"))})
	cl := logIn(t, c, "sandbox")
	lb := cl.expose(object{"listeners": []object{{"protocol": "TCP", "protocol_port": 8080, "connection_limit": 1, "default_pool": poolOf("p", "TCP", memberOf(1, 30080, nil))}}})
	at, _ := c.Endpoint(lb["id"].(string), 8080)
	dial := func() net.Conn {
		conn, err := net.Dial("tcp", at.String())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { conn.Close() })
		return conn
	}
	greeted := func(conn net.Conn, within time.Duration) bool {
		_ = conn.SetReadDeadline(time.Now().Add(within))
		_, err := io.ReadFull(conn, make([]byte, len("node-1:30080\n")))
		return err == nil
	}
	first := dial()
	if !greeted(first, 10*time.Second) {
		t.Fatal("the first connection is not served")
	}
	second := dial()
	if greeted(second, 2*greeting) {
		t.Error("the second connection is served beside the first")
	}
	if active := cl.must(200, "GET", "/loadbalancers/"+lb["id"].(string)+"/stats", nil)["stats"].(object)["active_connections"]; active != 1.0 {
		t.Errorf("%v connections are active", active)
	}
	first.Close()
	if !greeted(second, 10*time.Second) {
		t.Error("the second connection is not served after the first")
	}
	third := dial()
	cl.must(200, "PUT", "/listeners/"+lb["listeners"].([]any)[0].(object)["id"].(string), object{"listener": object{"connection_limit": nil}})
	cl.settled(lb["id"].(string))
	if !greeted(third, 10*time.Second) {
		t.Error("without a limit the third connection waits")
	}
}

// Members of SCTP have no checks here, but are told to be up; one that answers
// pings is a node.
func TestUncheckedMonitors(t *testing.T) {
	c := start(t, Config{DataPlane: true, Nodes: nodes(t, nodeAt(1, 30080, "TCP"))})
	cl := logIn(t, c, "sandbox")
	p := func(name, protocol, kind string) object {
		o := poolOf(name, protocol, memberOf(1, 9, nil), memberOf(2, 9, nil))
		o["healthmonitor"] = object{"type": kind, "delay": 3, "timeout": 1, "max_retries": 1, "max_retries_down": 1}
		return o
	}
	lb := cl.expose(object{"listeners": []object{
		{"protocol": "SCTP", "protocol_port": 80, "default_pool": p("s", "SCTP", "SCTP")},
		{"protocol": "TCP", "protocol_port": 8081, "default_pool": p("p", "TCP", "PING")},
	}})
	for _, e := range c.Endpoints() {
		if e.Transport == "SCTP" {
			t.Errorf("SCTP is open: %+v", e)
		}
	}
	want := map[string][]string{"s": {online, online}, "p": {online, Error}}
	for _, p := range lb["pools"].([]any) {
		id := p.(object)["id"].(string)
		name := cl.must(200, "GET", "/pools/"+id, nil)["pool"].(object)["name"].(string)
		eventually(t, "the members of "+name, func() bool {
			var got []string
			for _, m := range cl.must(200, "GET", "/pools/"+id+"/members?sort=address", nil)["members"].([]any) {
				got = append(got, m.(object)["operating_status"].(string))
			}
			return cmp.Equal(want[name], got)
		})
	}
}

// A connection that changes its protocol is carried on.
func TestUpgrade(t *testing.T) {
	member := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		conn, rw, err := http.NewResponseController(w).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		defer conn.Close()
		fmt.Fprintf(rw, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: %s\r\n\r\n", r.Header.Get("Upgrade"))
		_ = rw.Flush()
		line, _ := rw.ReadString('\n')
		fmt.Fprint(conn, "you said "+line)
	}))
	defer member.Close()
	to := netip.MustParseAddrPort(strings.TrimPrefix(member.URL, "http://"))
	c := start(t, Config{DataPlane: true})
	lb := logIn(t, c, "sandbox").expose(object{"listeners": []object{{"protocol": "HTTP", "protocol_port": 8080, "default_pool": poolOf("p", "HTTP", object{"address": to.Addr().String(), "protocol_port": to.Port()})}}})
	at, _ := c.Endpoint(lb["id"].(string), 8080)
	conn, err := net.Dial("tcp", at.String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	fmt.Fprint(conn, "GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: words\r\n\r\n")
	br := bufio.NewReader(conn)
	resp, err := http.ReadResponse(br, nil)
	if err != nil || resp.StatusCode != http.StatusSwitchingProtocols || resp.Header.Get("Upgrade") != "words" {
		t.Fatalf("%v %v", resp, err)
	}
	fmt.Fprintln(conn, "hello")
	if got, err := br.ReadString('\n'); got != "you said hello\n" {
		t.Errorf("%q %v", got, err)
	}
}
