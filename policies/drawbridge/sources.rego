package drawbridge

# An internal exposure is open to the sources that policy names, or to fewer.
deny contains finding if {
	becomes_internal
	outside := {source |
		some listener in input.wish.listeners
		some source in listener.allowedSources
		not internal_source(source)
	}
	count(outside) > 0
	finding := {
		"rule": "sources",
		"reason": sprintf(
			"source %s lies outside of what an internal exposure may be open to: use sources within %s",
			[listed(outside), listed({source | some source in data.settings.internal.sources})],
		),
	}
}

obligations["allowedSources"] := data.settings.internal.sources if becomes_internal

becomes_internal if input.wish.internal

becomes_internal if made_internal

internal_source(source) if {
	some allowed in data.settings.internal.sources
	net.cidr_contains(allowed, source)
}
