package drawbridge

# What others own, and where load balancers stand, is asked for by who may.
deny contains finding if {
	count(placed) > 0
	found := {sprintf("%s %s", [setting, value]) |
		some [setting, value] in placed
		not placeable(setting, value)
	}
	count(found) > 0
	finding := {
		"rule": "placement",
		"reason": sprintf(
			"namespace %s may not ask for %s: leave it out, or have it added to settings.placement",
			[input.wish.key.namespace, listed(found)],
		),
	}
}

placed contains [setting, value] if {
	some setting, value in input.wish.placement
	is_string(value)
}

placed contains ["additionalSubnets", value] if some value in input.wish.placement.additionalSubnets

placed contains [floating_settings[field], value] if {
	some field, value in input.wish.floatingIP
	is_string(value)
}

floating_settings := {
	"address": "floatingAddress",
	"network": "floatingNetwork",
	"subnet": "floatingSubnet",
	"subnetTags": "floatingSubnet",
}

placeable(setting, value) if {
	some pattern in for_namespace(data.settings.placement[setting])
	glob.match(pattern, null, value)
}
