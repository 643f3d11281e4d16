package drawbridge

# A bundle whose data lacks a setting denies: a forgotten line must not open anything.
deny contains finding if {
	not settings_complete
	missing := {concat(".", path) | some path in required_settings; not has_setting(path)}
	finding := {
		"rule": "settings",
		"reason": sprintf("the policy bundle's data lacks settings.%s: add it to data.yaml", [listed(missing)]),
	}
}

# The same as required_settings, written so that it costs nothing where all is well.
settings_complete if {
	_ = data.settings.approval.label
	_ = data.settings.hosts.suffixes
	_ = data.settings.internal.sources
	_ = data.settings.limits.loadBalancers
	_ = data.settings.ports.forbidden
	_ = data.settings.protection.required
	_ = data.settings.public.label
	_ = data.settings.tls.minimum
	_ = data.settings.tls.required
}

required_settings := {
	["approval", "label"],
	["hosts", "suffixes"],
	["internal", "sources"],
	["limits", "loadBalancers"],
	["ports", "forbidden"],
	["protection", "required"],
	["public", "label"],
	["tls", "minimum"],
	["tls", "required"],
}

has_setting([section, field]) if _ = data.settings[section][field]

# for_namespace is the entry of a table for the namespace that asks; undefined if there is none.
for_namespace(table) := table[qualified_namespace] if {
	_ = table[qualified_namespace]
} else := table[input.wish.key.namespace] if {
	_ = table[input.wish.key.namespace]
} else := table["*"]

qualified_namespace := concat("/", [input.wish.key.cluster, input.wish.key.namespace])

# listed writes a set for people: the first five and how many more there are.
listed(set) := concat(", ", sort(set)) if count(set) <= 5

listed(set) := sprintf("%s and %d more", [concat(", ", array.slice(sort(set), 0, 5)), count(set) - 5]) if count(set) > 5
