package sandbox

import (
	"context"
	"fmt"
	"net/http"
	"net/netip"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func names(out object, kind string) []string {
	list := []string{}
	for _, o := range out[kind].([]any) {
		list = append(list, o.(object)["name"].(string))
	}
	return list
}

// plain creates an empty load balancer.
func (cl *client) plain(name string, tags ...string) string {
	cl.t.Helper()
	out := cl.must(201, "POST", "/loadbalancers", object{"loadbalancer": object{"name": name, "vip_subnet_id": cl.subnet(), "tags": tags}})
	return out["loadbalancer"].(object)["id"].(string)
}

func TestListing(t *testing.T) {
	c := start(t, Config{})
	cl := logIn(t, c, "sandbox")
	for i, tags := range [][]string{{"a"}, {"a", "b"}, {"b"}, {}, {"k=v,w"}} {
		if i == 4 {
			tags = []string{"k=v"}
		}
		cl.settled(cl.plain(fmt.Sprint("n", i), tags...))
	}
	tests := []struct {
		query string
		want  []string
	}{
		{"?sort=name", []string{"n0", "n1", "n2", "n3", "n4"}},
		{"?sort=name:desc", []string{"n4", "n3", "n2", "n1", "n0"}},
		{"?sort_key=name&sort_dir=desc&limit=2", []string{"n4", "n3"}},
		{"?tags=a&sort=name", []string{"n0", "n1"}},
		{"?tags=a,b", []string{"n1"}},
		{"?tags=a&tags=b", []string{"n1"}},
		{"?tags-any=a,b&sort=name", []string{"n0", "n1", "n2"}},
		{"?not-tags=a&sort=name", []string{"n2", "n3", "n4"}},
		{"?not-tags=a,b&sort=name", []string{"n0", "n2", "n3", "n4"}},
		{"?not-tags-any=a,b&sort=name", []string{"n3", "n4"}},
		{"?tags=k%3Dv&fields=name", []string{"n4"}},
		{"?name=n3", []string{"n3"}},
		{"?provisioning_status=ERROR", []string{}},
	}
	for _, tt := range tests {
		if diff := cmp.Diff(tt.want, names(cl.must(200, "GET", "/loadbalancers"+tt.query, nil), "loadbalancers")); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tt.query, diff)
		}
	}
	for query, words := range map[string]string{
		"?foo=1": "One or more arguments are either duplicate or invalid", "?marker=foo": "Supplied pagination marker 'foo' is not valid.",
		"?sort=foo": "Supplied sort key 'foo' is not valid.",
	} {
		if status, out := cl.lb("GET", "/loadbalancers"+query, nil); status != 400 || faultString(out) != words {
			t.Errorf("%s: %d %v", query, status, out)
		}
	}
	var walked []string
	next := "/loadbalancers?limit=2"
	for pages := 0; next != "" && pages < 9; pages++ {
		out := cl.must(200, "GET", next, nil)
		walked = append(walked, names(out, "loadbalancers")...)
		next = ""
		for _, l := range out["loadbalancers_links"].([]any) {
			if o := l.(object); o["rel"] == "next" {
				next = strings.TrimPrefix(o["href"].(string), c.URL()+lbaas)
			}
		}
	}
	if len(walked) != 5 {
		t.Errorf("the pages hold %v", walked)
	}
	only := cl.must(200, "GET", "/loadbalancers?fields=id&fields=updated_at&limit=1", nil)["loadbalancers"].([]any)[0].(object)
	if len(only) != 2 || only["id"] == nil {
		t.Errorf("fields: %v", only)
	}
}

func TestTenants(t *testing.T) {
	c := start(t, Config{})
	mine, other := logIn(t, c, "sandbox"), logIn(t, c, "sandbox-other")
	observer, nobody := logIn(t, c, "sandbox-observer"), logIn(t, c, "sandbox-norole")
	id := mine.plain("mine")
	port := mine.settled(id)["vip_port_id"].(string)
	for _, tt := range []struct {
		who          *client
		method, path string
		want         int
	}{
		{other, "GET", "/loadbalancers/" + id, 403}, {other, "DELETE", "/loadbalancers/" + id, 403},
		{observer, "GET", "/loadbalancers/" + id, 200}, {observer, "DELETE", "/loadbalancers/" + id, 403},
		{nobody, "GET", "/loadbalancers", 403}, {other, "GET", "/loadbalancers/" + nowhere, 404},
	} {
		if status, out := tt.who.lb(tt.method, tt.path, nil); status != tt.want {
			t.Errorf("%s %s: %d %v, want %d", tt.method, tt.path, status, out, tt.want)
		}
	}
	if got := other.must(200, "GET", "/loadbalancers", nil)["loadbalancers"].([]any); len(got) != 0 {
		t.Errorf("the other tenant sees %v", got)
	}
	if status, out := other.network("GET", "/ports/"+port, nil); status != 404 {
		t.Errorf("the other tenant sees the port: %d %v", status, out)
	}
}

func TestIdentity(t *testing.T) {
	c := start(t, Config{})
	cl := logIn(t, c, "sandbox")
	e := entry(t, c, "sandbox")
	if status, out, h := cl.send("POST", "/identity/v3/auth/tokens", passwordBody(e, "wrong")); status != 401 || h.Get("Www-Authenticate") == "" {
		t.Errorf("wrong password: %d %v", status, out)
	}
	a := entry(t, c, "sandbox-appcred")
	byCredential := object{"auth": object{"identity": object{
		"methods": []string{"application_credential"}, "application_credential": object{"id": a.Auth.ID, "secret": a.Auth.Secret},
	}}}
	if status, out, _ := cl.send("POST", "/identity/v3/auth/tokens", byCredential); status != 201 {
		t.Errorf("application credential: %d %v", status, out)
	}
	byToken := object{"auth": object{"identity": object{"methods": []string{"token"}, "token": object{"id": cl.token}}}}
	if status, out, _ := cl.send("POST", "/identity/v3/auth/tokens", byToken); status != 201 {
		t.Errorf("token: %d %v", status, out)
	}
	c.RevokeTokens()
	if status, out := cl.lb("GET", "/loadbalancers", nil); status != 401 {
		t.Errorf("revoked: %d %v", status, out)
	}
	short := start(t, Config{TokenLifetime: time.Nanosecond})
	if status, _ := logIn(t, short, "sandbox").lb("GET", "/loadbalancers", nil); status != 401 {
		t.Errorf("expired: %d", status)
	}
	without := start(t, Config{WithoutOctavia: true, WithoutBarbican: true})
	_, out, _ := logIn(t, without, "sandbox").send("GET", "/identity/v3/auth/catalog", nil)
	if n := len(out["catalog"].([]any)); n != 2 {
		t.Errorf("catalog without Octavia has %d services", n)
	}
}

// An older cloud lists fewer versions, refuses what is newer and does not show it.
func TestOlderVersions(t *testing.T) {
	for _, tt := range []struct {
		version, attribute string
		body               object
		status             int
	}{
		{"2.4", "tags", object{"tags": []string{"a"}}, 400},
		{"2.5", "tags", object{"tags": []string{"a"}}, 201},
		{"2.11", "allowed_cidrs", object{"listeners": []object{{"protocol": "TCP", "protocol_port": 1, "allowed_cidrs": []string{"10.0.0.0/8"}}}}, 400},
		{"2.12", "allowed_cidrs", object{"listeners": []object{{"protocol": "TCP", "protocol_port": 1, "allowed_cidrs": []string{"10.0.0.0/8"}}}}, 201},
		{"2.22", "SCTP", object{"listeners": []object{{"protocol": "SCTP", "protocol_port": 1}}}, 400},
		{"2.23", "SCTP", object{"listeners": []object{{"protocol": "SCTP", "protocol_port": 1}}}, 201},
		{"2.0", "timeouts", object{"listeners": []object{{"protocol": "TCP", "protocol_port": 1, "timeout_client_data": 1}}}, 400},
	} {
		c := start(t, Config{APIVersion: tt.version})
		cl := logIn(t, c, "sandbox")
		_, root, _ := cl.send("GET", "/load-balancer/", nil)
		all := root["versions"].([]any)
		if last := all[len(all)-1].(object); last["id"] != "v"+tt.version || last["status"] != "CURRENT" {
			t.Errorf("%s: the newest version is %v", tt.version, last)
		}
		tt.body["vip_subnet_id"] = cl.subnet()
		status, out := cl.lb("POST", "/loadbalancers", object{"loadbalancer": tt.body})
		if status != tt.status {
			t.Errorf("%s: %s: %d %v, want %d", tt.version, tt.attribute, status, out, tt.status)
		}
		if lb, ok := out["loadbalancer"].(object); ok && c.minor < 26 && lb["additional_vips"] != nil {
			t.Errorf("%s shows additional_vips", tt.version)
		}
	}
	c := start(t, Config{APIVersion: "2.10"})
	cl := logIn(t, c, "sandbox")
	id := cl.settled(cl.must(201, "POST", "/loadbalancers", whole(cl.subnet(), nil))["loadbalancer"].(object)["id"].(string))
	p := id["pools"].([]any)[0].(object)["id"].(string)
	if status, out := cl.lb("PUT", "/pools/"+p+"/members?additive_only=true", object{"members": []object{}}); status != 400 {
		t.Errorf("additive_only before 2.11: %d %v", status, out)
	}
	if _, err := Start(context.Background(), Config{APIVersion: "2.31"}); err == nil {
		t.Error("2.31 was taken")
	}
}

func TestQuotas(t *testing.T) {
	c := start(t, Config{Quota: map[string]int{"load_balancer": 2, "member": 1, "floatingip": 1}})
	cl := logIn(t, c, "sandbox")
	body := whole(cl.subnet(), nil)
	if status, out := cl.lb("POST", "/loadbalancers", body); status != 403 || faultString(out) != "Quota has been met for resources: Member" {
		t.Errorf("members: %d %v", status, out)
	}
	cl.plain("a")
	cl.plain("b")
	if status, out := cl.lb("POST", "/loadbalancers", object{"loadbalancer": object{"vip_subnet_id": cl.subnet()}}); status != 403 || faultString(out) != "Quota has been met for resources: Load Balancer" {
		t.Errorf("load balancers: %d %v", status, out)
	}
	_, nets := cl.network("GET", "/networks?router:external=True", nil)
	fip := object{"floatingip": object{"floating_network_id": nets["networks"].([]any)[0].(object)["id"]}}
	if status, out := cl.network("POST", "/floatingips", fip); status != 201 {
		t.Fatalf("%d %v", status, out)
	}
	status, out := cl.network("POST", "/floatingips", fip)
	if e, _ := out["NeutronError"].(object); status != 409 || e["type"] != "OverQuota" || e["message"] != "Quota exceeded for resources: ['floatingip']." {
		t.Errorf("floating IPs: %d %v", status, out)
	}
}

// A restart with the same file finds everything, settled, with the same
// credentials; without the file nothing is found.
func TestRestart(t *testing.T) {
	cfg := Config{Pending: time.Hour, StateFile: filepath.Join(t.TempDir(), "state.json")}
	first, err := Start(context.Background(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	cl := logIn(t, first, "sandbox")
	lb := cl.must(201, "POST", "/loadbalancers", whole(cl.subnet(), nil))["loadbalancer"].(object)
	gone := cl.plain("gone")
	if err := first.SetStatus("loadbalancer", gone, Active); err != nil {
		t.Fatal(err)
	}
	cl.must(204, "DELETE", "/loadbalancers/"+gone, nil)
	password := entry(t, first, "sandbox").Auth.Password
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	second := start(t, cfg)
	if entry(t, second, "sandbox").Auth.Password != password {
		t.Error("the password changed")
	}
	cl = logIn(t, second, "sandbox")
	got := cl.must(200, "GET", "/loadbalancers/"+lb["id"].(string), nil)["loadbalancer"].(object)
	if got["provisioning_status"] != Active || got["vip_address"] != lb["vip_address"] || len(got["pools"].([]any)) != 2 {
		t.Errorf("after the restart: %v", got)
	}
	if status, _ := cl.lb("GET", "/loadbalancers/"+gone, nil); status != 404 {
		t.Errorf("what was in PENDING_DELETE: %d", status)
	}
	if rules := cl.must(200, "GET", "/l7policies", nil)["l7policies"].([]any)[0].(object)["rules"].([]any); len(rules) != 1 {
		t.Errorf("rules after the restart: %v", rules)
	}
	cfg.Users = []User{{Entry: "x", Name: "x", Project: "x"}}
	if _, err := Start(context.Background(), cfg); err == nil || !strings.Contains(err.Error(), "x of project x is not in the state file") {
		t.Errorf("a user that the state does not know: %v", err)
	}
}

func TestFaults(t *testing.T) {
	c := start(t, Config{})
	cl := logIn(t, c, "sandbox")
	inject := func(f Fault) {
		t.Helper()
		if err := c.Inject(f); err != nil {
			t.Fatal(err)
		}
	}
	subnet := cl.subnet()
	create := func(name string) (int, object) {
		return cl.lb("POST", "/loadbalancers", object{"loadbalancer": object{"name": name, "vip_subnet_id": subnet}})
	}
	inject(Fault{Method: "POST", PathPattern: "/loadbalancers$", Times: 2, Status: 503})
	for i, want := range []int{503, 503, 201} {
		if status, out := create("a"); status != want {
			t.Errorf("request %d: %d %v, want %d", i, status, out, want)
		}
	}
	inject(Fault{Method: "POST", PathPattern: "/loadbalancers$", Times: 1, DropAnswer: true})
	if status, out := create("dropped"); status != 0 {
		t.Errorf("a dropped answer: %d %v", status, out)
	}
	if got := names(cl.must(200, "GET", "/loadbalancers?name=dropped", nil), "loadbalancers"); len(got) != 1 {
		t.Error("the work of a dropped answer was not done")
	}
	if n := len(c.Faults()); n != 0 {
		t.Errorf("%d faults are left", n)
	}
	status, _, _ := cl.send("POST", "/sandbox/faults", object{"method": "GET", "path": "/flavors", "status": 500, "body": `{"x":1}`})
	if status != 200 {
		t.Errorf("admin: %d", status)
	}
	if status, out := cl.lb("GET", "/flavors", nil); status != 500 || out["x"] != 1.0 {
		t.Errorf("injected by HTTP: %d %v", status, out)
	}
	if status, _, _ := cl.send("DELETE", "/sandbox/faults", nil); status != 200 {
		t.Errorf("clear: %d", status)
	}
	cl.must(200, "GET", "/flavors", nil)
	c.ResetCalls()
	cl.must(400, "GET", "/flavors?x", nil)
	want := []Call{{Method: "GET", Path: lbaas + "/flavors", Query: "x", Status: 400, Project: "k8s"}}
	got := c.Calls()
	for i := range got {
		got[i].Time, got[i].Took = time.Time{}, 0
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("calls (-want +got):\n%s", diff)
	}
}

// With the fault of Octavia 11 a whole create leaves its children pending
// under an ACTIVE load balancer; a cascade delete works, and so does a
// stepwise create.
func TestWholeCreateBroken(t *testing.T) {
	c := start(t, Config{WholeCreateBroken: true})
	cl := logIn(t, c, "sandbox")
	id := cl.must(201, "POST", "/loadbalancers", whole(cl.subnet(), nil))["loadbalancer"].(object)["id"].(string)
	if lb := cl.settled(id); lb["provisioning_status"] != Active {
		t.Fatalf("%v", lb)
	}
	if l := cl.must(200, "GET", "/listeners", nil)["listeners"].([]any)[0].(object); l["provisioning_status"] != PendingCreate {
		t.Errorf("listener: %v", l["provisioning_status"])
	}
	cl.must(204, "DELETE", "/loadbalancers/"+id+"?cascade=true", nil)
	if left := cl.settled(id); left != nil {
		t.Errorf("after the delete: %v", left)
	}
	id = cl.plain("steps")
	cl.settled(id)
	cl.must(201, "POST", "/listeners", object{"listener": object{"loadbalancer_id": id, "protocol": "TCP", "protocol_port": 80}})
	cl.settled(id)
	if l := cl.must(200, "GET", "/listeners", nil)["listeners"].([]any)[0].(object); l["provisioning_status"] != Active {
		t.Errorf("listener made by itself: %v", l["provisioning_status"])
	}
}

func TestBrokenStates(t *testing.T) {
	c := start(t, Config{})
	cl := logIn(t, c, "sandbox")
	id := cl.plain("a")
	cl.settled(id)
	if err := c.SetStatus("loadbalancer", id, Error); err != nil {
		t.Fatal(err)
	}
	if status, out := cl.lb("PUT", "/loadbalancers/"+id, object{"loadbalancer": object{"name": "b"}}); status != 409 || !strings.Contains(faultString(out), "Invalid state ERROR") {
		t.Errorf("change in ERROR: %d %v", status, out)
	}
	cl.must(204, "DELETE", "/loadbalancers/"+id, nil)
	if left := cl.settled(id); left != nil {
		t.Errorf("delete in ERROR: %v", left)
	}
	if err := c.SetStatus("loadbalancer", id, Error); err == nil {
		t.Error("the status of nothing was set")
	}
}

// Every change of a child moves the load balancer's updated_at.
func TestUpdatedAt(t *testing.T) {
	c := start(t, Config{})
	cl := logIn(t, c, "sandbox")
	id := cl.must(201, "POST", "/loadbalancers", whole(cl.subnet(), nil))["loadbalancer"].(object)["id"].(string)
	lb := cl.settled(id)
	poolID := lb["pools"].([]any)[0].(object)["id"].(string)
	listenerID := lb["listeners"].([]any)[0].(object)["id"].(string)
	monitorID := cl.must(200, "GET", "/pools/"+poolID, nil)["pool"].(object)["healthmonitor_id"].(string)
	policyID := cl.must(200, "GET", "/l7policies", nil)["l7policies"].([]any)[0].(object)["id"].(string)
	back := func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.state.LoadBalancers[id].Updated = "2000-01-01T00:00:00"
	}
	for _, tt := range []struct {
		method, path string
		body         object
		want         int
	}{
		{"PUT", "/listeners/" + listenerID, object{"listener": object{"name": "x"}}, 200},
		{"PUT", "/pools/" + poolID, object{"pool": object{"name": "x"}}, 200},
		{"POST", "/pools/" + poolID + "/members", object{"member": object{"address": "127.0.0.1", "protocol_port": 9}}, 201},
		{"PUT", "/pools/" + poolID + "/members", object{"members": []object{{"address": "127.0.0.1", "protocol_port": 9}}}, 202},
		{"PUT", "/healthmonitors/" + monitorID, object{"healthmonitor": object{"delay": 9}}, 200},
		{"PUT", "/l7policies/" + policyID, object{"l7policy": object{"name": "x"}}, 200},
		{"POST", "/l7policies/" + policyID + "/rules", object{"rule": object{"type": "PATH", "compare_type": "EQUAL_TO", "value": "/"}}, 201},
		{"DELETE", "/healthmonitors/" + monitorID, nil, 204},
	} {
		back()
		body := any(tt.body)
		if tt.body == nil {
			body = nil
		}
		cl.must(tt.want, tt.method, tt.path, body)
		if got := cl.settled(id)["updated_at"]; got == "2000-01-01T00:00:00" {
			t.Errorf("%s %s left updated_at as it was", tt.method, tt.path)
		}
	}
	back()
	cl.must(202, "PUT", "/pools/"+lb["pools"].([]any)[1].(object)["id"].(string)+"/members", object{"members": []object{}})
	cl.settled(id)
	back()
	cl.must(202, "PUT", "/pools/"+lb["pools"].([]any)[1].(object)["id"].(string)+"/members", object{"members": []object{}})
	if got := cl.settled(id)["updated_at"]; got != "2000-01-01T00:00:00" {
		t.Error("a batch of nothing into nothing moved updated_at")
	}
}

func TestConfig(t *testing.T) {
	for name, cfg := range map[string]Config{
		"every interface": {Address: "0.0.0.0:0"}, "a name": {Address: "localhost:0"}, "no port": {Address: "127.0.0.1"},
		"foreign VIPs": {VIPs: netip.MustParsePrefix("10.0.0.0/24")}, "negative": {Pending: -1},
	} {
		if c, err := Start(context.Background(), cfg); err == nil {
			t.Errorf("%s was taken", name)
			c.Close()
		}
	}
}

func TestPortBelow1024(t *testing.T) {
	denied := &netError{syscall.EACCES}
	for _, tt := range []struct {
		name string
		busy bool
		want uint16
	}{{"the next is free", false, 10080}, {"the next is taken too", true, 0}} {
		got, err := listenAt(netip.MustParseAddr("127.0.0.1"), 80, func(a netip.AddrPort) (uint16, error) {
			switch {
			case a.Port() == 80:
				return 0, denied
			case a.Port() == 10080 && tt.busy:
				return 0, &netError{syscall.EADDRINUSE}
			}
			return a.Port(), nil
		})
		if err != nil || got != tt.want {
			t.Errorf("%s: %d %v, want %d", tt.name, got, err, tt.want)
		}
	}
}

type netError struct{ error }

func (e *netError) Unwrap() error { return e.error }

// A thousand load balancers are cheap: no goroutine each, and a list of all
// in one call.
func TestThousand(t *testing.T) {
	c := start(t, Config{})
	cl := logIn(t, c, "sandbox")
	subnet := cl.subnet()
	for range 1000 {
		cl.must(201, "POST", "/loadbalancers", whole(subnet, nil))
	}
	eventually(t, "all are ACTIVE", func() bool {
		return len(cl.must(200, "GET", "/loadbalancers?fields=id&provisioning_status=ACTIVE", nil)["loadbalancers"].([]any)) == 1000
	})
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.timers) != 0 {
		t.Errorf("%d timers are left", len(c.timers))
	}
}

// The cost of a whole create and its settling, on a cloud that grows with them.
func BenchmarkWholeCreate(b *testing.B) {
	for _, saved := range []bool{false, true} {
		b.Run(fmt.Sprintf("saved=%v", saved), func(b *testing.B) {
			cfg := Config{VIPs: netip.MustParsePrefix("127.64.0.0/12")}
			if saved {
				cfg.StateFile = filepath.Join(b.TempDir(), "state.json")
			}
			c := start(b, cfg)
			cl := logIn(b, c, "sandbox")
			body := whole(cl.subnet(), nil)
			for b.Loop() {
				cl.must(http.StatusCreated, "POST", "/loadbalancers", body)
			}
		})
	}
}
