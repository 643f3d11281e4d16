package drawbridge_test

import data.drawbridge

host_denied(asked) if {
	decision := drawbridge.decision with input as asked with data.settings as settings
	"hosts" in decision.rules
}

test_suffix_itself_and_below_are_allowed if {
	every host in {"example.org", "www.example.org", "a.b.example.org", "*.example.org"} {
		not host_denied(with_host(host))
	}
}

test_other_names_are_denied if {
	every host in {"example.com", "badexample.org", "example.org.evil.test", "*.org", "org"} {
		host_denied(with_host(host))
	}
}

test_reason_says_what_is_allowed if {
	decision := drawbridge.decision with input as with_host("www.example.com") with data.settings as settings
	decision.reasons == [concat("", [
		"host www.example.com is not allowed in namespace shop: ",
		"use a name below example.org, or have the suffix added to settings.hosts.suffixes",
	])]
}

test_no_host_is_allowed if {
	not host_denied(with_change("remove", "/wish/listeners/0/routes/0/host", null))
}

test_namespace_goes_before_everybody if {
	asked := json.patch(with_host("www.example.com"), [{"op": "replace", "path": "/wish/key/namespace", "value": "open"}])
	not host_denied(asked)
}

test_cluster_and_namespace_go_before_namespace if {
	at_c2 := {"op": "replace", "path": "/wish/key/cluster", "value": "c2"}
	not host_denied(json.patch(with_host("www.shop.test"), [at_c2]))
	host_denied(json.patch(with_host("www.example.org"), [at_c2]))
}

test_namespace_without_suffixes_has_no_host if {
	none := json.patch(settings, [{"op": "replace", "path": "/hosts/suffixes", "value": {}}])
	decision := drawbridge.decision with input as question with data.settings as none
	"hosts" in decision.rules
}
