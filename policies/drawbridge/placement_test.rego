package drawbridge_test

import data.drawbridge

placing(namespace, placement) := json.patch(with_namespace(namespace), [{"op": "add", "path": "/wish/placement", "value": placement}])

floating(namespace, address) := json.patch(with_namespace(namespace), [{"op": "add", "path": "/wish/floatingIP", "value": address}])

placement_denied(asked, to) if {
	decision := drawbridge.decision with input as asked with data.settings as to
	decision.rules == ["placement"]
}

test_others_load_balancers_and_ports_are_denied if {
	placement_denied(placing("shop", {"loadBalancer": "lb-1"}), settings)
	placement_denied(placing("shop", {"port": "p-1"}), settings)
}

test_reason_of_placement if {
	decision := drawbridge.decision with input as placing("shop", {"loadBalancer": "lb-1"}) with data.settings as settings
	decision.reasons == [
		"namespace shop may not ask for loadBalancer lb-1: leave it out, or have it added to settings.placement",
	]
}

test_who_may_is_not_denied if {
	decision := drawbridge.decision with input as placing("migrated", {"loadBalancer": "lb-1"}) with data.settings as settings
	decision.verdict == "approved"
}

test_every_subnet_is_looked_at if {
	not placement_denied(placing("shop", {"subnet": "any", "additionalSubnets": ["blue", "green"]}), settings)
	placement_denied(placing("shop", {"additionalSubnets": ["blue", "red"]}), settings)
}

test_families_and_class_are_no_names_of_others if {
	not placement_denied(placing("shop", {"families": ["IPv4"], "class": "gold"}), settings)
}

test_floating_addresses if {
	not placement_denied(floating("shop", {"address": "203.0.113.7", "keep": true}), settings)
	placement_denied(floating("shop", {"address": "198.51.100.7"}), settings)
	not placement_denied(floating("shop", {"network": "public", "subnet": "a", "subnetTags": "b"}), settings)
}

test_setting_that_is_missing_allows_nobody if {
	none := json.patch(settings, [{"op": "remove", "path": "/placement/subnet"}])
	placement_denied(placing("shop", {"subnet": "any"}), none)
}
