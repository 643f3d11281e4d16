package drawbridge

# Host names must lie below a suffix that the namespace may use.
deny contains finding if {
	strangers := {host | some host in hosts; not allowed_host(host)}
	count(strangers) > 0
	finding := {
		"rule": "hosts",
		"reason": sprintf(
			"host %s is not allowed in namespace %s: use a name below %s, or have the suffix added to settings.hosts.suffixes",
			[listed(strangers), input.wish.key.namespace, listed({suffix | some suffix in suffixes})],
		),
	}
}

hosts contains route.host if {
	some listener in input.wish.listeners
	some route in listener.routes
	route.host
}

default suffixes := []

suffixes := for_namespace(data.settings.hosts.suffixes)

allowed_host(host) if {
	name := trim_prefix(host, "*.")
	some suffix in suffixes
	below(name, suffix)
}

below(_, "*")

below(name, name)

below(name, suffix) if endswith(name, concat("", [".", suffix]))
