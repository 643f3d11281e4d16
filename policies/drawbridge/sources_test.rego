package drawbridge_test

import data.drawbridge

internal_from(sources) := json.patch(question, [
	{"op": "add", "path": "/wish/internal", "value": true},
	{"op": "add", "path": "/wish/listeners/0/allowedSources", "value": sources},
])

test_internal_is_closed_to_others if {
	decision := drawbridge.decision with input as with_change("add", "/wish/internal", true)
		with data.settings as settings
	decision.obligations == {"allowedSources": settings.internal.sources}
}

test_fewer_sources_are_allowed if {
	decision := drawbridge.decision with input as internal_from(["10.1.0.0/16", "192.168.0.0/16"])
		with data.settings as settings
	decision.verdict == "approved"
}

test_sources_outside_are_denied if {
	every source in {"0.0.0.0/0", "11.0.0.0/8", "8.0.0.0/6", "2001:db8::/32"} {
		decision := drawbridge.decision with input as internal_from(["10.0.0.0/8", source])
			with data.settings as settings
		decision.rules == ["sources"]
		contains(decision.reasons[0], source)
	}
}

test_public_is_open if {
	decision := drawbridge.decision with data.settings as settings
		with input as with_change("add", "/wish/listeners/0/allowedSources", ["8.8.8.0/24"])
	decision.verdict == "approved"
	decision.obligations == {}
}
