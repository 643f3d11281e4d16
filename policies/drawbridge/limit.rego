package drawbridge

# A namespace has so many load balancers and no more.
deny contains finding if {
	input.inventory.loadBalancers >= limit
	finding := {
		"rule": "limit",
		"reason": sprintf(
			"namespace %s has %d load balancers, its limit is %v: remove one, or have settings.limits.loadBalancers raised",
			[input.wish.key.namespace, input.inventory.loadBalancers, limit],
		),
	}
}

default limit := 0

limit := for_namespace(data.settings.limits.loadBalancers)
