package drawbridge

# Some ports are never offered through a load balancer.
deny contains finding if {
	forbidden := {sprintf("%d", [listener.port]) |
		some listener in input.wish.listeners
		listener.port in data.settings.ports.forbidden
		not excepted_port(listener.port)
	}
	count(forbidden) > 0
	finding := {
		"rule": "ports",
		"reason": sprintf(
			"port %s is forbidden: listen on another port, or have namespace %s added to settings.ports.exceptions",
			[listed(forbidden), input.wish.key.namespace],
		),
	}
}

excepted_port(port) if port in for_namespace(data.settings.ports.exceptions)
