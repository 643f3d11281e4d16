package drawbridge

# Host names must lie below a suffix that the namespace may use.
deny contains finding if {
	strangers := {host |
		some host in {route.host | route := input.wish.listeners[_].routes[_]}
		not strings.any_suffix_match(host, suffix_ends)
		not host in suffixes
	}
	count(strangers) > 0
	not "*" in suffixes
	finding := {
		"rule": "hosts",
		"reason": sprintf(
			"host %s is not allowed in namespace %s: use a name below %s, or have the suffix added to settings.hosts.suffixes",
			[listed(strangers), input.wish.key.namespace, listed({suffix | some suffix in suffixes})],
		),
	}
}

default suffixes := []

suffixes := for_namespace(data.settings.hosts.suffixes)

# How the names below a suffix end, and the wildcard above them.
suffix_ends := {concat("", [".", suffix]) | some suffix in suffixes}
