package drawbridge

# Who joins a group shares a load balancer with its members: the namespace must be let in.
deny contains finding if {
	group := input.wish.group
	not may_join(group)
	finding := {
		"rule": "group",
		"reason": sprintf(
			"namespace %s may not join group %s: use %s or a name that begins with %s., or have the group added to settings.groups.members",
			[input.wish.key.namespace, group, input.wish.key.namespace, input.wish.key.namespace],
		),
	}
}

may_join(group) if own_group(group)

may_join(group) if let_in(group)

# A group of its own is named like the namespace, or begins with its name and a
# dot, which no name of a namespace holds.
own_group(group) if group == input.wish.key.namespace

own_group(group) if startswith(group, concat("", [input.wish.key.namespace, "."]))

let_in(group) if {
	some pattern in for_namespace(data.settings.groups.members)
	glob.match(pattern, null, group)
}

# What exposures on one load balancer share, the older has first.
deny contains finding if {
	count(input.inventory.conflicts) > 0
	found := {conflict_text(conflict) |
		some conflict in input.inventory.conflicts
		not tolerated(conflict)
	}
	count(found) > 0
	finding := {"rule": "group", "reason": listed(found)}
}

# Namespaces of one name in two clusters: the group is of the one that was first,
# unless both are let in.
tolerated(conflict) if {
	conflict.what == "namespace"
	let_in(input.wish.group)
}

conflict_text(conflict) := sprintf("%s %s: %s", [conflict_topic(conflict), holder(conflict.by), remedy[conflict.what]])

conflict_topic(conflict) := sprintf("%s (%s) is taken by %s of", [conflict.subject, conflict.wanted, conflict.held]) if {
	conflict.what == "port"
}

conflict_topic(conflict) := sprintf("%s is routed by", [conflict.subject]) if conflict.what == "route"

conflict_topic(conflict) := sprintf("%s is held by", [conflict.subject]) if conflict.what == "given"

conflict_topic(conflict) := sprintf(
	"%s of the shared load balancer: %s here, but %s in",
	[conflict.subject, conflict.wanted, conflict.held],
) if {
	conflict.what == "setting"
}

conflict_topic(conflict) := sprintf("group %s belongs to namespace %s of another cluster, by", [
	input.wish.group,
	conflict.subject,
]) if {
	conflict.what == "namespace"
}

holder(key) := sprintf("%s %s/%s of cluster %s", [key.kind, key.namespace, key.name, key.cluster])

remedy := {
	"given": "ask for another, or have the other one removed first",
	"namespace": "use another group, or have both let in by settings.groups.members",
	"port": "use another port or group, or have the other one removed first",
	"route": "use another host, path or group, or have the other one removed first",
	"setting": "ask for the same, or have all of the group ask for the other, or use another group",
}
