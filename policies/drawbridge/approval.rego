package drawbridge

# Where a person has to agree, what is newly reachable waits. Backends may come
# and go: they change who answers, not what is reachable.
hold contains finding if {
	input.object.namespaceLabels[data.settings.approval.label] == data.settings.approval.value
	not known_surface
	finding := {
		"rule": "approval",
		"reason": sprintf(
			"a person has to agree first: namespace %s is labelled %s=%s",
			[input.wish.key.namespace, data.settings.approval.label, data.settings.approval.value],
		),
	}
}

known_surface if surface(input.wish) == surface(input.approved)

# surface is what an exposure makes reachable, and for whom.
surface(exposure) := {
	"internal": effectively_internal(exposure),
	"listeners": {opened |
		some listener in exposure.listeners
		opened := {
			"protocol": listener.protocol,
			"port": listener.port,
			"backend": object.get(listener, "backend", ""),
			"routes": object.get(listener, "routes", []),
			"sources": effective_sources(listener),
		}
	},
}

effectively_internal(exposure) if {
	exposure.internal
} else if {
	made_internal
} else := false

effective_sources(listener) := {source | some source in listener.allowedSources} if {
	listener.allowedSources
} else := {source | some source in obligations.allowedSources}
