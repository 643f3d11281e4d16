package drawbridge

# Where several namespaces share a load balancer, the oldest of them is at home
# and the others are guests: what is set on a listener that they share holds for
# the host names of all.
deny contains finding if {
	count(at_home) > 0
	asked := {name |
		some listener in shared_listeners
		some name, path in of_the_listener
		object.get(listener, path, null) != null
	}
	count(asked) > 0
	finding := {
		"rule": "guest",
		"reason": sprintf(
			"%s of a listener that is shared with %s: leave it to the oldest exposure of the group, or use another group",
			[listed(asked), listed(at_home)],
		),
	}
}

# A certificate is shown to everyone who asks for a name that it holds.
deny contains finding if {
	count(at_home) > 0
	strangers := {name |
		some listener in shared_listeners
		some certificate in listener.tls.certificates
		some name in certificate.hosts
		not startswith(name, "*.")
		not name in {route.host | some route in listener.routes}
	}
	count(strangers) > 0
	finding := {
		"rule": "guest",
		"reason": sprintf(
			"the certificate holds %s, which the exposure does not route, on a listener that is shared with %s: use a certificate of its own host names, or another group",
			[listed(strangers), listed(at_home)],
		),
	}
}

at_home := {holder(member) |
	some member in input.inventory.group.members
	foreign(member)
}

shared_listeners contains listener if {
	some listener in input.wish.listeners
	listener.protocol in {"HTTP", "TERMINATED_HTTPS"}
}

of_the_listener := {
	"connection limit": ["connectionLimit"],
	"HSTS": ["hsts"],
	"time-outs": ["timeouts"],
	"TLS ciphers": ["tls", "ciphers"],
	"TLS versions": ["tls", "versions"],
}
