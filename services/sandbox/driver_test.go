package sandbox

import (
	"fmt"
	"strings"
	"testing"
)

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
