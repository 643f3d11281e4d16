package drawbridge

# A bundle whose data lacks a setting denies: a forgotten line must not open anything.
deny contains finding if {
	missing := {concat(".", path) | some path in required; not has_setting(path)}
	count(missing) > 0
	finding := {
		"rule": "settings",
		"reason": sprintf("the policy bundle's data lacks settings.%s: add it to data.yaml", [listed(missing)]),
	}
}

required := {
	["approval", "label"],
	["hosts", "suffixes"],
	["internal", "sources"],
	["limits", "loadBalancers"],
	["ports", "forbidden"],
	["public", "label"],
}

has_setting([section, field]) if _ = data.settings[section][field]

# for_namespace is the entry of a table for the namespace that asks.
for_namespace(table) := table[namespace_key(table)]

namespace_key(table) := qualified_namespace if {
	_ = table[qualified_namespace]
} else := input.wish.key.namespace if {
	_ = table[input.wish.key.namespace]
} else := "*"

qualified_namespace := concat("/", [input.wish.key.cluster, input.wish.key.namespace])

namespace_label(name) := input.object.namespaceLabels[name]

# listed writes a set for people: the first five and how many more there are.
listed(set) := concat(", ", sort(set)) if count(set) <= 5

listed(set) := sprintf("%s and %d more", [concat(", ", array.slice(sort(set), 0, 5)), count(set) - 5]) if count(set) > 5
