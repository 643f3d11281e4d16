package sandbox

import (
	"net"
	"net/http"
	"net/netip"
	"testing"

	"github.com/google/go-cmp/cmp"
)

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
		seen[e.Address.String()] = resp.StatusCode == http.StatusOK && e.Additional == e.Address.Is6()
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
