package drawbridge_test

import data.drawbridge

having(namespace, count) := json.patch(with_namespace(namespace), [{
	"op": "replace",
	"path": "/inventory/loadBalancers",
	"value": count,
}])

limited(asked, to) if {
	decision := drawbridge.decision with input as asked with data.settings as to
	decision.rules == ["limit"]
}

test_limit_of_everybody if {
	not limited(having("shop", 2), settings)
	limited(having("shop", 3), settings)
	limited(having("shop", 4), settings)
}

test_limit_of_a_namespace if {
	not limited(having("small", 0), settings)
	limited(having("small", 1), settings)
}

test_no_limit_is_none_at_all if {
	none := json.patch(settings, [{"op": "replace", "path": "/limits/loadBalancers", "value": {}}])
	limited(having("shop", 0), none)
}

test_reason_says_how_many if {
	decision := drawbridge.decision with input as having("small", 1) with data.settings as settings
	decision.reasons == [concat("", [
		"namespace small has 1 load balancers, its limit is 1: ",
		"remove one, or have settings.limits.loadBalancers raised",
	])]
}
