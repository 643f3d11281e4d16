package drawbridge

# Only a labelled namespace may be reached from outside the cloud.
deny contains finding if {
	public_without_permission
	not made_internal
	finding := {
		"rule": "public",
		"reason": sprintf(
			"namespace %s may not be exposed publicly: have it labelled %s=%s, or annotate the object drawbridge.dev/internal=true",
			[input.wish.key.namespace, data.settings.public.label, data.settings.public.value],
		),
	}
}

obligations["internal"] if made_internal

made_internal if {
	public_without_permission
	data.settings.public.otherwise == "internal"
}

public_without_permission if {
	not input.wish.internal
	not may_be_public
}

may_be_public if input.object.namespaceLabels[data.settings.public.label] == data.settings.public.value
