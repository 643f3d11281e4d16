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

func (cl *client) find(kind, name string) string {
	cl.t.Helper()
	_, out := cl.network("GET", "/"+kind+"?name="+name, nil)
	list := out[kind].([]any)
	if len(list) != 1 {
		cl.t.Fatalf("%d %s are called %s", len(list), kind, name)
	}
	return list[0].(object)["id"].(string)
}

// hasIPv6: this machine has a loopback address of IPv6.
func hasIPv6() bool {
	l, err := net.Listen("tcp", "[::1]:0")
	if err != nil {
		return false
	}
	return l.Close() == nil
}

// Sources of IPv6 count as those of IPv4 do.
func TestAllowedSourcesOfIPv6(t *testing.T) {
	c := start(t, Config{DataPlane: true, Nodes: nodes(t, nodeAt(1, 30080, "TCP"))})
	cl := logIn(t, c, "sandbox")
	lb := cl.settled(cl.must(201, "POST", "/loadbalancers", object{"loadbalancer": object{
		"vip_subnet_id": cl.find("subnets", NodeSubnet6Name),
		"listeners":     []object{{"protocol": "HTTP", "protocol_port": 8080, "allowed_cidrs": []string{"fd00::/8"}, "default_pool": poolOf("p", "HTTP", memberOf(1, 30080, nil))}},
	}})["loadbalancer"].(object)["id"].(string))
	at, ok := c.Endpoint(lb["id"].(string), 8080)
	if !ok && !hasIPv6() {
		return // there is nothing to ask on this machine
	}
	if resp, err := http.Get("http://" + at.String()); err == nil {
		resp.Body.Close()
		t.Error("a foreign source got an answer")
	}
	cl.must(200, "PUT", "/listeners/"+lb["listeners"].([]any)[0].(object)["id"].(string), object{"listener": object{"allowed_cidrs": []string{"::1"}}})
	cl.settled(lb["id"].(string))
	resp, err := http.Get("http://" + at.String())
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
}

// Every VIP takes traffic, whatever its family. Sources are of the first one's
// family only, and with VIPs of two they break the load balancer.
func TestAdditionalVIPs(t *testing.T) {
	c := start(t, Config{DataPlane: true, Nodes: nodes(t, nodeAt(1, 30080, "TCP"))})
	cl := logIn(t, c, "sandbox")
	body := object{
		"vip_subnet_id": cl.find("subnets", NodeSubnetName), "additional_vips": []object{{"subnet_id": cl.find("subnets", NodeSubnet6Name), "ip_address": "fd20::77"}},
		"listeners": []object{{"protocol": "HTTP", "protocol_port": 8080, "default_pool": poolOf("p", "HTTP", memberOf(1, 30080, nil))}},
	}
	lb := cl.settled(cl.must(201, "POST", "/loadbalancers", object{"loadbalancer": body})["loadbalancer"].(object)["id"].(string))
	if diff := cmp.Diff([]any{object{"subnet_id": cl.find("subnets", NodeSubnet6Name), "ip_address": "fd20::77"}}, lb["additional_vips"]); diff != "" {
		t.Errorf("additional VIPs (-want +got):\n%s", diff)
	}
	seen := map[string]bool{}
	for _, e := range c.Endpoints() {
		if e.Error != "" && e.Address.Is6() && !hasIPv6() {
			seen[e.Address.String()] = true // it says why it is not open
			continue
		}
		if e.Error != "" {
			t.Errorf("%+v", e)
			continue
		}
		resp, err := http.Get("http://" + e.Real.String())
		if err != nil {
			t.Error(err)
			continue
		}
		resp.Body.Close()
		seen[e.Address.String()] = resp.StatusCode == 200 && e.Additional == e.Address.Is6()
	}
	if diff := cmp.Diff(map[string]bool{lb["vip_address"].(string): true, "fd20::77": true}, seen); diff != "" {
		t.Errorf("addresses that serve (-want +got):\n%s", diff)
	}
	if at, _ := c.Endpoint(lb["id"].(string), 8080); at.Addr().String() != lb["vip_address"] {
		t.Errorf("the endpoint is %s, not the VIP", at)
	}
	listener := "/listeners/" + lb["listeners"].([]any)[0].(object)["id"].(string)
	if status, out := cl.lb("PUT", listener, object{"listener": object{"allowed_cidrs": []string{"fd00::/8"}}}); status != 400 {
		t.Errorf("sources of the other family: %d %v", status, out)
	}
	cl.must(200, "PUT", listener, object{"listener": object{"allowed_cidrs": []string{"127.0.0.0/8"}}})
	if got := cl.settled(lb["id"].(string))["provisioning_status"]; got != Error {
		t.Errorf("sources with VIPs of two families: %v", got)
	}
}

// What OVN cannot do is refused with 501, in its driver's words.
func TestOVN(t *testing.T) {
	c := start(t, Config{WithOVN: true})
	cl := logIn(t, c, "sandbox")
	id := cl.expose(object{"provider": "ovn"})["id"].(string)
	pool := func(protocol, algorithm string) object {
		return object{"pool": object{"loadbalancer_id": id, "protocol": protocol, "lb_algorithm": algorithm}}
	}
	good := cl.must(201, "POST", "/pools", pool("TCP", "SOURCE_IP_PORT"))["pool"].(object)["id"].(string)
	cl.settled(id)
	tcp := cl.must(201, "POST", "/listeners", object{"listener": object{"loadbalancer_id": id, "protocol": "TCP", "protocol_port": 80, "default_pool_id": good}})["listener"].(object)["id"].(string)
	cl.settled(id)
	listener := func(extra object) object {
		o := object{"loadbalancer_id": id, "protocol": "TCP", "protocol_port": 81}
		for k, v := range extra {
			o[k] = v
		}
		return object{"listener": o}
	}
	whole := func(extra object) object {
		extra["vip_subnet_id"], extra["provider"] = cl.subnet(), "ovn"
		return object{"loadbalancer": extra}
	}
	tests := []struct {
		name, method, path string
		body               object
		words              string
	}{
		{"HTTP", "POST", "/listeners", listener(object{"protocol": "HTTP"}), "OVN provider does not support HTTP protocol"},
		{"sources", "POST", "/listeners", listener(object{"allowed_cidrs": []string{"10.0.0.0/8"}}), "OVN provider does not support allowed_cidrs option"},
		{"sources later", "PUT", "/listeners/" + tcp, object{"listener": object{"allowed_cidrs": []string{"10.0.0.0/8"}}}, "OVN provider does not support allowed_cidrs option"},
		{"pool of HTTP", "POST", "/pools", pool("HTTP", "SOURCE_IP_PORT"), "OVN provider does not support HTTP protocol"},
		{"algorithm", "POST", "/pools", pool("TCP", "ROUND_ROBIN"), "OVN provider does not support ROUND_ROBIN algorithm"},
		{"algorithm later", "PUT", "/pools/" + good, object{"pool": object{"lb_algorithm": "SOURCE_IP"}}, "OVN provider does not support SOURCE_IP algorithm"},
		{"policy", "POST", "/l7policies", object{"l7policy": object{"listener_id": tcp, "action": "REJECT"}}, "does not support a requested action: This provider does not support creating l7policies."},
		{"monitor", "POST", "/healthmonitors", object{"healthmonitor": object{"pool_id": good, "type": "HTTP", "delay": 5, "timeout": 3, "max_retries": 2}}, "OVN provider does not support HTTP health monitor type. Supported types: UDP-CONNECT, TCP"},
		{"monitor elsewhere", "POST", "/pools/" + good + "/members", object{"member": object{"address": "10.0.0.1", "protocol_port": 1, "monitor_port": 2}}, "OVN Load Balancer does not support different member monitor address or port."},
		{"another subnet", "POST", "/pools/" + good + "/members", object{"member": object{"address": "10.0.0.1", "protocol_port": 1}}, "Subnet is required"},
		{"another family", "POST", "/pools/" + good + "/members", object{"member": object{"address": "fd20::1", "protocol_port": 1}}, "does not support mixing IPv4/IPv6"},
		{"whole with HTTP", "POST", "/loadbalancers", whole(object{"listeners": []object{{"protocol": "HTTP", "protocol_port": 80}}}), "OVN provider does not support HTTP protocol"},
		{"whole with an algorithm", "POST", "/loadbalancers", whole(object{"pools": []object{poolOf("p", "TCP")}}), "OVN provider does not support ROUND_ROBIN algorithm"},
		{"zone", "POST", "/loadbalancers", whole(object{"availability_zone": zoneName}), "This provider does not support validating availability zones."},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			status, out := cl.lb(tt.method, tt.path, tt.body)
			if status != 501 || !strings.Contains(faultString(out), tt.words) {
				t.Errorf("got %d %q, want 501 %q", status, faultString(out), tt.words)
			}
		})
	}
	fits := object{"name": "p", "protocol": "UDP", "lb_algorithm": "SOURCE_IP_PORT", "members": []object{memberOf(1, 53, nil)}}
	if status, out := cl.lb("POST", "/loadbalancers", whole(object{"listeners": []object{{"protocol": "UDP", "protocol_port": 53, "default_pool": fits}}})); status != 201 {
		t.Errorf("what OVN can do: %d %v", status, out)
	}
}

// Strict-Transport-Security came with API 2.27.
func TestHSTS(t *testing.T) {
	c := start(t, Config{APIVersion: "2.27"})
	cl := logIn(t, c, "sandbox")
	data, _ := bundle(t, "a.example.org")
	ref := cl.store(data)
	id := cl.expose(object{})["id"].(string)
	post := func(extra string) (int, object) {
		cl.settled(id)
		return cl.lb("POST", "/listeners", fmt.Sprintf(`{"listener": {"loadbalancer_id": %q, %s}}`, id, extra))
	}
	tls := fmt.Sprintf(`"protocol": "TERMINATED_HTTPS", "protocol_port": 443, "default_tls_container_ref": %q`, ref)
	for _, tt := range []struct{ body, words string }{
		{`"protocol": "HTTP", "protocol_port": 80, "hsts_max_age": 1`, "can only be used for listeners using the TERMINATED_HTTPS protocol"},
		{tls + `, "hsts_preload": true`, "only make sense if hsts_max_age is set"},
		{tls + `, "hsts_max_age": -1`, "Value should be greater or equal to 0"},
	} {
		if status, out := post(tt.body); status != 400 || !strings.Contains(faultString(out), tt.words) {
			t.Errorf("%s: %d %q", tt.body, status, faultString(out))
		}
	}
	status, out := post(tls + `, "hsts_max_age": 7`)
	if status != 201 {
		t.Fatalf("%d %v", status, out)
	}
	l := out["listener"].(object)
	if l["hsts_max_age"] != 7.0 || l["hsts_preload"] != false || l["hsts_include_subdomains"] != false {
		t.Errorf("%v", l)
	}
	cl.settled(id)
	l = cl.must(200, "PUT", "/listeners/"+l["id"].(string), object{"listener": object{"hsts_max_age": nil}})["listener"].(object)
	if l["hsts_max_age"] != nil {
		t.Errorf("taken back: %v", l)
	}
}

// A cloud without Barbican has it neither in the catalog nor behind its path.
func TestWithoutBarbican(t *testing.T) {
	c := start(t, Config{WithoutBarbican: true})
	cl := logIn(t, c, "sandbox")
	_, out, _ := cl.send("GET", "/identity/v3/auth/catalog", nil)
	for _, s := range out["catalog"].([]any) {
		if s.(object)["type"] == "key-manager" {
			t.Error("the catalog has a key manager")
		}
	}
	if status, _ := cl.vault("GET", "/v1/secrets", nil); status != 404 {
		t.Errorf("its path answers %d", status)
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

// A floating IP comes from the subnet that was asked for, and leads to one
// address of IPv4.
func TestFloatingSubnets(t *testing.T) {
	c := start(t, Config{FloatingSubnets: []Subnet{{Name: "gold", Tags: []string{"fast", "paid"}}, {Name: "iron"}, {Name: "tin", Tags: []string{"paid"}}}, FloatingAddresses: true})
	cl := logIn(t, c, "sandbox")
	external := cl.find("networks", ExternalName)
	_, out := cl.network("GET", "/subnets?tags=paid&network_id="+external, nil)
	seen := map[string]string{}
	for _, s := range out["subnets"].([]any) {
		seen[s.(object)["name"].(string)] = s.(object)["id"].(string)
	}
	if len(seen) != 2 || seen["gold"] == "" || seen["tin"] == "" {
		t.Errorf("subnets with the tag paid: %v", seen)
	}
	floating := func(extra object) (int, object) {
		extra["floating_network_id"] = external
		status, out := cl.network("POST", "/floatingips", object{"floatingip": extra})
		if status == 201 {
			return status, out["floatingip"].(object)
		}
		return status, out
	}
	status, fip := floating(object{"subnet_id": seen["tin"]})
	inside := func(subnet, address string) bool {
		return c.state.Subnets[subnet].CIDR.Contains(netip.MustParseAddr(address))
	}
	if status != 201 || !inside(seen["tin"], fip["floating_ip_address"].(string)) {
		t.Errorf("from tin: %d %v", status, fip)
	}
	if status, out := floating(object{"floating_ip_address": fip["floating_ip_address"]}); status != 409 {
		t.Errorf("an address twice: %d %v", status, out)
	}
	want := c.state.Subnets[seen["gold"]].CIDR.Addr().Next().Next().Next().String()
	if status, out := floating(object{"floating_ip_address": want}); status != 201 || out["floating_ip_address"] != want {
		t.Errorf("an address given: %d %v", status, out)
	}
	two := object{"vip_subnet_id": cl.subnet(), "additional_vips": []object{{"subnet_id": cl.find("subnets", OtherSubnetName)}}}
	lb := cl.must(201, "POST", "/loadbalancers", object{"loadbalancer": two})["loadbalancer"].(object)
	if status, out := floating(object{"port_id": lb["vip_port_id"]}); status != 400 {
		t.Errorf("for a port of two addresses: %d %v", status, out)
	}
	if status, out := floating(object{"port_id": lb["vip_port_id"], "fixed_ip_address": lb["vip_address"]}); status != 201 || out["fixed_ip_address"] != lb["vip_address"] {
		t.Errorf("for one of two addresses: %d %v", status, out)
	}
	six := cl.must(201, "POST", "/loadbalancers", object{"loadbalancer": object{"vip_subnet_id": cl.find("subnets", NodeSubnet6Name)}})["loadbalancer"].(object)
	if status, out := floating(object{"port_id": six["vip_port_id"]}); status != 400 {
		t.Errorf("for a port of IPv6: %d %v", status, out)
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
	if err != nil || resp.StatusCode != 101 || resp.Header.Get("Upgrade") != "words" {
		t.Fatalf("%v %v", resp, err)
	}
	fmt.Fprintln(conn, "hello")
	if got, err := br.ReadString('\n'); got != "you said hello\n" {
		t.Errorf("%q %v", got, err)
	}
}
