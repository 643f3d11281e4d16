package drawbridge_test

import data.drawbridge

test_namespace_has_a_flavor if {
	decision := drawbridge.decision with input as with_namespace("gold") with data.settings as settings
	decision.obligations == {"flavor": "ha"}
	decision.rules == ["flavor"]
}

test_no_flavor_is_the_choice_of_the_wish if {
	decision := drawbridge.decision with input as question with data.settings as settings
	decision.obligations == {}
}

test_everybody_may_have_a_flavor if {
	everybody := json.patch(settings, [{"op": "add", "path": "/flavors/namespaces/*", "value": "basic"}])
	decision := drawbridge.decision with input as question with data.settings as everybody
	decision.obligations == {"flavor": "basic"}
}

test_settings_without_flavors if {
	decision := drawbridge.decision with input as question with data.settings as object.remove(settings, ["flavors"])
	decision.verdict == "approved"
}
