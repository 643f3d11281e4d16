package sandbox

import (
	"strings"
	"testing"
	"time"
)

const nowhere = "00000000-0000-0000-0000-000000000000"

// What the sandbox says about bad input, word for word as Octavia 11.0.0 said
// it in the lab (e2e/conformance compares them live).
func TestWords(t *testing.T) {
	c := start(t, Config{})
	cl := logIn(t, c, "sandbox")
	subnet := cl.subnet()
	lb := func(extra object) object {
		o := object{"vip_subnet_id": subnet}
		for k, v := range extra {
			o[k] = v
		}
		return object{"loadbalancer": o}
	}
	with := func(l object) object {
		o := object{"protocol": "HTTP", "protocol_port": 80}
		for k, v := range l {
			o[k] = v
		}
		return lb(object{"listeners": []object{o}})
	}
	rule := func(r object) object {
		o := object{"type": "PATH", "compare_type": "EQUAL_TO", "value": "/a"}
		for k, v := range r {
			o[k] = v
		}
		return with(object{"l7policies": []object{{"action": "REJECT", "rules": []object{o}}}})
	}
	p := func(extra object) object {
		o := object{"name": "p", "protocol": "HTTP", "lb_algorithm": "ROUND_ROBIN"}
		for k, v := range extra {
			o[k] = v
		}
		return with(object{"default_pool": o})
	}
	hm := func(extra object) object {
		o := object{"type": "HTTP", "delay": 5, "timeout": 3, "max_retries": 2}
		for k, v := range extra {
			o[k] = v
		}
		return p(object{"healthmonitor": o})
	}
	var fifty []object
	for range 51 {
		fifty = append(fifty, object{"type": "PATH", "compare_type": "EQUAL_TO", "value": "/a"})
	}
	tests := []struct {
		name   string
		path   string // default: POST /loadbalancers
		body   any
		status int
		words  string // a part of the faultstring
	}{
		{"pool with TLS", "", p(object{"tls_enabled": true}), 500, "'tls_ciphers'"},
		{"no JSON", "", "{nope", 400, "Request is not in valid JSON format"},
		{"no body", "", nil, 400, `Missing argument: "load_balancer"`},
		{"a list", "", "[]", 500, "'list' object has no attribute 'keys'"},
		{"no wrapper", "", object{"name": "x"}, 400, "Unknown attribute for argument load_balancer: name"},
		{"no VIP", "", object{"loadbalancer": object{"name": "x"}}, 400, "Validation failure: VIP must contain one of: vip_port_id, vip_network_id, vip_subnet_id."},
		{"unknown", "", lb(object{"foo": 1}), 400, "Unknown attribute for argument load_balancer.loadbalancer: foo"},
		{"unknown nested", "", with(object{"foo": 1}), 400, "Unknown attribute for argument load_balancer.loadbalancer.listeners: foo"},
		{"too new", "", with(object{"hsts_max_age": 1}), 400, "Unknown attribute for argument load_balancer.loadbalancer.listeners: hsts_max_age"},
		{"no string", "", lb(object{"name": 1}), 400, "Invalid input for field/attribute name. Value: '1'. Value should be string"},
		{"no list", "", lb(object{"tags": "x"}), 400, "Value not a valid list: x"},
		{"list of numbers", "", lb(object{"tags": []int{1}}), 400, "Invalid input for field/attribute tags. Value: '[1]'. Value should be string"},
		{"no UUID", "", lb(object{"vip_subnet_id": "x"}), 400, "Invalid input for field/attribute vip_subnet_id. Value: 'x'. Value should be UUID format"},
		{"no such subnet", "", lb(object{"vip_subnet_id": nowhere}), 400, "Subnet " + nowhere + " not found."},
		{"foreign address", "", lb(object{"vip_address": "192.168.1.1"}), 500, "IP address 192.168.1.1 is not a valid IP for the specified subnet."},
		{"no such flavor", "", lb(object{"flavor_id": nowhere}), 400, "The selected flavor is not allowed in this deployment: " + nowhere},
		{"no such zone", "", lb(object{"availability_zone": "zz"}), 400, "Validation failure: Invalid availability zone."},
		{"no such provider", "", lb(object{"provider": "zz"}), 400, "Provider 'zz' is not enabled."},
		{"long name", "", lb(object{"name": strings.Repeat("n", 256)}), 400, "Value should have a maximum character requirement of 255"},
		{"protocol", "", with(object{"protocol": "FTP"}), 400, "Invalid input for field/attribute protocol. Value: 'FTP'. Value should be one of: "},
		{"no port", "", lb(object{"listeners": []object{{"protocol": "HTTP"}}}), 400, "Invalid input for field/attribute protocol_port. Value: 'None'. Mandatory field missing."},
		{"port 0", "", with(object{"protocol_port": 0}), 400, "Value should be greater or equal to 1"},
		{"port 65536", "", with(object{"protocol_port": 65536}), 400, "Value should be lower or equal to 65535"},
		{"port in words", "", with(object{"protocol_port": "x"}), 400, "invalid literal for int() with base 10: 'x'"},
		{"port twice", "", lb(object{"listeners": []object{{"protocol": "HTTP", "protocol_port": 80}, {"protocol": "TCP", "protocol_port": 80}}}), 409, "Another Listener on this Load Balancer is already using protocol HTTP and protocol_port 80"},
		{"CIDR", "", with(object{"allowed_cidrs": []string{"x"}}), 400, "Invalid input for field/attribute allowed_cidrs. Value: '['x']'. Value should be IPv4 or IPv6 CIDR format"},
		{"CIDR of another family", "", with(object{"allowed_cidrs": []string{"fd00::/8"}}), 400, "Validation failure: CIDR fd00::/8 IP version incompatible with VIP "},
		{"headers on TCP", "", with(object{"protocol": "TCP", "insert_headers": object{"X-Forwarded-For": "true"}}), 400, "insert-headers is not a valid option for a TCP protocol listener."},
		{"unknown header", "", with(object{"insert_headers": object{"X-Foo": "true"}}), 400, "dict_keys(['X-Foo']) is not a valid option for insert_headers"},
		{"TLS without certificate", "", with(object{"protocol": "TERMINATED_HTTPS"}), 400, "Validation failure: An SNI or default certificate container reference must be provided for TERMINATED_HTTPS protocol listeners."},
		{"pool does not fit", "", p(object{"protocol": "UDP"}), 400, "Validation failure: The pool protocol 'UDP' is invalid while the listener protocol is 'HTTP'."},
		{"pool without name", "", with(object{"default_pool": object{"protocol": "HTTP", "lb_algorithm": "ROUND_ROBIN"}}), 400, "Validation failure: Pools must be named when creating a fully populated loadbalancer."},
		{"pool mentioned only", "", with(object{"default_pool": object{"name": "x"}}), 400, "Validation failure: Pool 'x' was referenced but no full definition was found."},
		{"half a pool", "", with(object{"default_pool": object{"name": "x", "protocol": "HTTP"}}), 400, "Validation failure: Pool definition for 'x' missing required attribute: lb_algorithm"},
		{"member address", "", p(object{"members": []object{{"address": "x", "protocol_port": 1}}}), 400, "Invalid input for field/attribute address. Value: 'x'. Value should be IPv4 or IPv6 format"},
		{"member twice", "", p(object{"members": []object{{"address": "1.1.1.1", "protocol_port": 1}, {"address": "1.1.1.1", "protocol_port": 1}}}), 409, "Another member on this pool is already using ip 1.1.1.1 on protocol_port 1"},
		{"member weight", "", p(object{"members": []object{{"address": "1.1.1.1", "protocol_port": 1, "weight": 257}}}), 400, "Value should be lower or equal to 256"},
		{"member is metadata", "", p(object{"members": []object{{"address": reserved, "protocol_port": 1}}}), 400, reserved + " is not a valid option for member address"},
		{"monitor type", "", hm(object{"type": "UDP-CONNECT"}), 400, "Validation failure: The UDP-CONNECT type is only supported for pools of type UDP/SCTP."},
		{"monitor codes", "", hm(object{"expected_codes": "abc"}), 400, `Value should match the pattern ^(\d{3}(\s*,\s*\d{3})*)$|^(\d{3}-\d{3})$`},
		{"monitor path", "", hm(object{"url_path": "abc"}), 400, "Value must be a valid URL Path string"},
		{"monitor retries", "", hm(object{"max_retries": 11}), 400, "Value should be lower or equal to 10"},
		{"TCP monitor with a path", "", hm(object{"type": "TCP", "url_path": "/x"}), 400, "url_path is not a valid option for health monitors of type TCP"},
		{"domain without version", "", hm(object{"domain_name": "a.b"}), 400, "Validation failure: 'http_version' must be specified when 'domain_name' is provided."},
		{"domain with 1.0", "", hm(object{"domain_name": "a.b", "http_version": 1.0}), 400, "http_version 1.0 is not a valid option for health monitors HTTP 1.1 domain name health check"},
		{"HTTP 3", "", hm(object{"http_version": 3}), 400, "Invalid input for field/attribute http_version. Value: '3.0'. Value should be one of: 1.0, 1.1"},
		{"no action", "", with(object{"l7policies": []object{{}}}), 400, "Invalid input for field/attribute action. Value: 'None'. Mandatory field missing."},
		{"no URL", "", with(object{"l7policies": []object{{"action": "REDIRECT_TO_URL"}}}), 400, "Invalid L7 Policy arguments: redirect_url must not be None"},
		{"bad URL", "", with(object{"l7policies": []object{{"action": "REDIRECT_TO_URL", "redirect_url": "foo"}}}), 400, "Value must be a valid URL string"},
		{"bad code", "", with(object{"l7policies": []object{{"action": "REDIRECT_TO_URL", "redirect_url": "http://a/", "redirect_http_code": 304}}}), 400, "Value should be one of: 301, 302, 303, 307, 308"},
		{"no pool", "", with(object{"l7policies": []object{{"action": "REDIRECT_TO_POOL"}}}), 400, "Invalid L7 Policy arguments: redirect_pool_id or redirect_pool must not be None"},
		{"51 rules", "", with(object{"l7policies": []object{{"action": "REJECT", "rules": fifty}}}), 409, "Too many rules on L7 policy "},
		{"empty value", "", rule(object{"value": ""}), 400, "Error parsing L7Rule: Invalid L7 Rule: L7 rule type requires a value"},
		{"open regex", "", rule(object{"compare_type": "REGEX", "value": "a("}), 400, "Error parsing L7Rule: Unable to parse regular expression: missing ), unterminated subpattern at position 1"},
		{"regex repeats nothing", "", rule(object{"compare_type": "REGEX", "value": "*a"}), 400, "Error parsing L7Rule: Unable to parse regular expression: nothing to repeat at position 0"},
		{"header without key", "", rule(object{"type": "HEADER"}), 400, "Error parsing L7Rule: Invalid L7 Rule: L7 rule type requires a key"},
		{"bad key", "", rule(object{"type": "HEADER", "key": "a b"}), 400, "Error parsing L7Rule: Invalid characters in key"},
		{"file type begins", "", rule(object{"type": "FILE_TYPE", "compare_type": "STARTS_WITH"}), 400, "Error parsing L7Rule: Invalid L7 Rule: invalid comparison type for rule type"},
		{"spaces", "", rule(object{"type": "HOST_NAME", "value": "a b c"}), 400, "Error parsing L7Rule: Invalid characters in comparison value"},
		{"listener without parent", "/listeners", object{"listener": object{"protocol": "HTTP", "protocol_port": 80}}, 400, "Invalid input for field/attribute loadbalancer_id. Value: 'None'. Mandatory field missing."},
		{"listener of nobody", "/listeners", object{"listener": object{"protocol": "HTTP", "protocol_port": 80, "loadbalancer_id": nowhere}}, 404, "Load Balancer " + nowhere + " not found."},
		{"pool without parent", "/pools", object{"pool": object{"protocol": "HTTP", "lb_algorithm": "ROUND_ROBIN"}}, 400, "Validation failure: Must provide at least one of: loadbalancer_id, listener_id"},
		{"monitor of nobody", "/healthmonitors", object{"healthmonitor": object{"type": "TCP", "delay": 5, "timeout": 3, "max_retries": 2, "pool_id": nowhere}}, 404, "Pool " + nowhere + " not found."},
		{"policy of nobody", "/l7policies", object{"l7policy": object{"listener_id": nowhere, "action": "REJECT"}}, 404, "Listener " + nowhere + " not found."},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			path := tt.path
			if path == "" {
				path = "/loadbalancers"
			}
			status, out := cl.lb("POST", path, tt.body)
			if status != tt.status || !strings.Contains(faultString(out), tt.words) {
				t.Errorf("got %d %q\nwant %d %q", status, faultString(out), tt.status, tt.words)
			}
		})
	}
	if left := cl.must(200, "GET", "/loadbalancers", nil)["loadbalancers"].([]any); len(left) != 0 {
		t.Errorf("refused requests left %v", left)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if n := len(c.state.Pools) + len(c.state.Listeners) + len(c.state.Members); n != 0 {
		t.Errorf("refused requests left %d objects", n)
	}
	// The real Octavia leaves the VIP's port behind when it refuses a nested part.
	if len(c.state.Ports) == 0 {
		t.Error("refused requests left no port of a VIP")
	}
	for _, p := range c.state.Ports {
		if p.Owner != "Octavia" || !strings.HasPrefix(p.Name, "octavia-lb-") {
			t.Errorf("refused requests left the port %+v", p)
		}
	}
}

// While a load balancer is pending everything answers 409, each in its words.
func TestImmutable(t *testing.T) {
	c := start(t, Config{Pending: time.Hour})
	cl := logIn(t, c, "sandbox")
	lb := cl.must(201, "POST", "/loadbalancers", whole(cl.subnet(), nil))["loadbalancer"].(object)
	id := lb["id"].(string)
	l := lb["listeners"].([]any)[0].(object)
	poolID := lb["pools"].([]any)[0].(object)["id"].(string)
	policy := l["l7policies"].([]any)[0].(object)["id"].(string)
	tests := []struct{ method, path, words string }{
		{"DELETE", "/loadbalancers/" + id + "?cascade=true", "Invalid state PENDING_CREATE of loadbalancer resource " + id},
		{"PUT", "/loadbalancers/" + id, "Invalid state PENDING_CREATE of loadbalancer resource " + id},
		{"POST", "/listeners", "Load Balancer " + id + " is immutable and cannot be updated."},
		{"POST", "/pools", "Load Balancer " + id + " is immutable and cannot be updated."},
		{"POST", "/pools/" + poolID + "/members", "Pool " + poolID + " is immutable and cannot be updated."},
		{"PUT", "/pools/" + poolID + "/members", "Pool " + poolID + " is immutable and cannot be updated."},
		{"POST", "/l7policies", "Load Balancer " + id + " is immutable and cannot be updated."},
		{"POST", "/l7policies/" + policy + "/rules", "L7Policy " + policy + " is immutable and cannot be updated."},
		{"DELETE", "/listeners/" + l["id"].(string), "Load Balancer " + id + " is immutable and cannot be updated."},
	}
	bodies := map[string]object{
		"/loadbalancers/" + id:             {"loadbalancer": object{"name": "x"}},
		"/listeners":                       {"listener": object{"loadbalancer_id": id, "protocol": "TCP", "protocol_port": 81}},
		"/pools":                           {"pool": object{"loadbalancer_id": id, "protocol": "TCP", "lb_algorithm": "ROUND_ROBIN"}},
		"/l7policies":                      {"l7policy": object{"listener_id": l["id"], "action": "REJECT"}},
		"/l7policies/" + policy + "/rules": {"rule": object{"type": "PATH", "compare_type": "EQUAL_TO", "value": "/a"}},
	}
	for _, tt := range tests {
		body := any(nil)
		if b, ok := bodies[tt.path]; ok {
			body = b
		} else if tt.method == "POST" {
			body = object{"member": object{"address": "1.1.1.1", "protocol_port": 1}}
		} else if tt.method == "PUT" {
			body = object{"members": []object{}}
		}
		if status, out := cl.lb(tt.method, tt.path, body); status != 409 || faultString(out) != tt.words {
			t.Errorf("%s %s: %d %q, want 409 %q", tt.method, tt.path, status, faultString(out), tt.words)
		}
	}
}
