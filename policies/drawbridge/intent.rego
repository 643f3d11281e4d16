package drawbridge

# Where protection is required, what stands is kept when its object goes.
deny contains finding if {
	for_namespace(data.settings.protection.required)
	not input.wish.protected
	finding := {
		"rule": "protection",
		"reason": sprintf(
			"namespace %s requires deletion protection: annotate the object drawbridge.dev/deletion-protection=true",
			[input.wish.key.namespace],
		),
	}
}

# What Octavia cannot change is built anew only where that is allowed.
deny contains finding if {
	input.wish.replace
	not may_replace
	finding := {
		"rule": "replace",
		"reason": sprintf(
			"namespace %s may not have a load balancer replaced: remove drawbridge.dev/replace, or have settings.replace.allowed changed",
			[input.wish.key.namespace],
		),
	}
}

may_replace if for_namespace(data.settings.replace.allowed)

# What the driver of a cloud lacks may be left out there.
obligations["waived"] := waived if {
	waived := waived_features
	count(waived) > 0
}

waived_features := data.settings.waive.clouds[input.wish.cloud] if {
	_ = data.settings.waive.clouds[input.wish.cloud]
} else := data.settings.waive.clouds["*"]
