package drawbridge_test

import data.drawbridge

joining(namespace, group) := json.patch(with_namespace(namespace), [
	{"op": "add", "path": "/wish/group", "value": group},
	{"op": "replace", "path": "/inventory/group", "value": {"size": 0, "members": []}},
])

conflicting(group, conflict) := json.patch(joining("shop", group), [{
	"op": "replace",
	"path": "/inventory/conflicts",
	"value": [object.union(conflict, {"by": {"cluster": "c1", "kind": "Ingress", "namespace": "blog", "name": "front"}})],
}])

test_namespace_may_join_its_own_groups if {
	every group in {"shop", "shop.eu"} {
		decision := drawbridge.decision with input as joining("shop", group) with data.settings as settings
		decision.verdict == "approved"
	}
}

test_other_groups_are_denied if {
	every group in {"blog", "shopping", "shop-eu", "x.shop"} {
		decision := drawbridge.decision with input as joining("shop", group) with data.settings as settings
		decision.rules == ["group"]
	}
}

test_reason_says_how_to_get_in if {
	decision := drawbridge.decision with input as joining("shop", "blog") with data.settings as settings
	decision.reasons == [concat("", [
		"namespace shop may not join group blog: use shop or a name that begins with shop., ",
		"or have the group added to settings.groups.members",
	])]
}

test_namespace_is_let_in_by_name_and_glob if {
	every group in {"edge", "public-1", "public.eu"} {
		decision := drawbridge.decision with input as joining("guest", group) with data.settings as settings
		decision.verdict == "approved"
	}
	decision := drawbridge.decision with input as joining("guest", "edge-2") with data.settings as settings
	decision.rules == ["group"]
}

test_settings_without_members_let_nobody_in if {
	decision := drawbridge.decision with input as joining("guest", "edge")
		with data.settings as object.remove(settings, ["groups"])
	"group" in decision.rules
}

conflict_reason(conflict) := decision.reasons[0] if {
	decision := drawbridge.decision with input as conflicting("shop", conflict) with data.settings as settings
	decision.rules == ["group"]
}

test_taken_port_names_the_older if {
	conflict_reason({"what": "port", "subject": "TCP port 443", "wanted": "TERMINATED_HTTPS", "held": "HTTP"}) == concat("", [
		"TCP port 443 (TERMINATED_HTTPS) is taken by HTTP of Ingress blog/front of cluster c1: ",
		"use another port or group, or have the other one removed first",
	])
}

test_taken_route_names_the_older if {
	conflict_reason({"what": "route", "subject": "*/ (Prefix) on port 80", "wanted": "", "held": ""}) == concat("", [
		"*/ (Prefix) on port 80 is routed by Ingress blog/front of cluster c1: ",
		"use another host, path or group, or have the other one removed first",
	])
}

test_other_setting_names_both if {
	conflict_reason({"what": "setting", "subject": "internal", "wanted": "true", "held": "false"}) == concat("", [
		"internal of the shared load balancer: true here, but false in Ingress blog/front of cluster c1: ",
		"ask for the same, or have all of the group ask for the other, or use another group",
	])
}

test_given_address_is_of_one if {
	conflict_reason({"what": "given", "subject": "floating IP 203.0.113.1", "wanted": "", "held": ""}) == concat("", [
		"floating IP 203.0.113.1 is held by Ingress blog/front of cluster c1: ",
		"ask for another, or have the other one removed first",
	])
}

namesake := {"what": "namespace", "subject": "shop", "wanted": "c1", "held": "c2"}

test_group_of_a_namesake_is_denied if {
	startswith(conflict_reason(namesake), "group shop belongs to namespace shop of another cluster, by Ingress blog/front")
}

test_namesakes_may_be_let_in if {
	both := json.patch(settings, [{"op": "replace", "path": "/groups/members/*", "value": ["shop"]}])
	decision := drawbridge.decision with input as conflicting("shop", namesake) with data.settings as both
	decision.verdict == "approved"
}
