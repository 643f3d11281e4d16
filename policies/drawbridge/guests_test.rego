package drawbridge_test

import data.drawbridge

home := {"cluster": "c1", "kind": "Ingress", "namespace": "blog", "name": "front"}

visiting(listener) := json.patch(joining("guest", "edge"), [
	{"op": "replace", "path": "/inventory/group", "value": {"size": 1, "members": [home]}},
	{"op": "replace", "path": "/wish/listeners/0", "value": object.union(question.wish.listeners[0], listener)},
])

terminated(hosts) := {"protocol": "TERMINATED_HTTPS", "port": 443, "tls": {"certificates": [{"digest": "d", "hosts": hosts}]}}

test_guest_without_settings_is_welcome if {
	decision := drawbridge.decision with input as visiting({}) with data.settings as settings
	decision.verdict == "approved"
}

test_guest_sets_nothing_for_others if {
	every name, listener in {
		"time-outs": {"timeouts": {"clientData": 1}},
		"connection limit": {"connectionLimit": 1},
		"HSTS": {"hsts": {"maxAge": 1}},
		"TLS versions": {"protocol": "TERMINATED_HTTPS", "tls": {"versions": ["TLSv1"]}},
		"TLS ciphers": {"protocol": "TERMINATED_HTTPS", "tls": {"ciphers": "A"}},
	} {
		decision := drawbridge.decision with input as visiting(listener) with data.settings as settings
		decision.rules == ["guest"]
		startswith(decision.reasons[0], concat("", [name, " of a listener that is shared with Ingress blog/front of cluster c1: "]))
	}
}

test_ports_of_ones_own_may_be_set if {
	decision := drawbridge.decision with input as visiting({"protocol": "TCP", "port": 9000, "routes": [], "connectionLimit": 1})
		with data.settings as settings
	decision.verdict == "approved"
}

test_guest_shows_certificates_of_its_own_hosts if {
	every hosts in [["www.example.org"], ["*.example.org"]] {
		decision := drawbridge.decision with input as visiting(terminated(hosts)) with data.settings as settings
		decision.verdict == "approved"
	}
	decision := drawbridge.decision with input as visiting(terminated(["www.example.org", "shop.example.org"]))
		with data.settings as settings
	decision.rules == ["guest"]
	contains(decision.reasons[0], "the certificate holds shop.example.org")
}

test_members_of_one_namespace_agree_among_themselves if {
	own := json.patch(visiting({"connectionLimit": 1}), [{
		"op": "replace",
		"path": "/inventory/group/members/0/namespace",
		"value": "guest",
	}])
	decision := drawbridge.decision with input as own with data.settings as settings
	decision.verdict == "approved"
}

test_oldest_is_at_home if {
	alone := json.patch(visiting({"connectionLimit": 1}), [{"op": "replace", "path": "/inventory/group/members", "value": []}])
	decision := drawbridge.decision with input as alone with data.settings as settings
	decision.verdict == "approved"
}
