package drawbridge_test

import data.drawbridge

test_every_missing_setting_denies if {
	required := {"approval", "hosts", "internal", "limits", "ports", "protection", "public", "tls"}
	every section in required {
		decision := drawbridge.decision with input as question with data.settings as object.remove(settings, [section])
		decision.verdict == "denied"
		"settings" in decision.rules
		some reason in decision.reasons
		contains(reason, concat("", ["settings.", section]))
	}
}

test_no_settings_at_all if {
	decision := drawbridge.decision with input as question with data.settings as {}
	decision.verdict == "denied"
	some reason in decision.reasons
	endswith(reason, "and 4 more: add it to data.yaml")
}
