package drawbridge_test

import data.drawbridge

unlabelled := with_change("replace", "/object/namespaceLabels", {})

test_public_without_label_is_denied if {
	decision := drawbridge.decision with input as unlabelled with data.settings as settings
	decision.verdict == "denied"
	decision.rules == ["public"]
	contains(decision.reasons[0], "drawbridge.dev/public=true")
	contains(decision.reasons[0], "drawbridge.dev/internal=true")
}

test_public_with_another_value_is_denied if {
	decision := drawbridge.decision with data.settings as settings
		with input as with_change("replace", "/object/namespaceLabels/drawbridge.dev~1public", "yes")
	decision.rules == ["public"]
}

test_internal_needs_no_label if {
	asked := json.patch(unlabelled, [{"op": "add", "path": "/wish/internal", "value": true}])
	decision := drawbridge.decision with input as asked with data.settings as settings
	decision.verdict == "approved"
}

test_public_may_be_made_internal if {
	mild := json.patch(settings, [{"op": "replace", "path": "/public/otherwise", "value": "internal"}])
	decision := drawbridge.decision with input as unlabelled with data.settings as mild
	decision.verdict == "approved"
	decision.obligations == {"internal": true, "allowedSources": settings.internal.sources}
	decision.rules == ["public", "sources"]
}

test_misspelled_setting_denies if {
	misspelled := json.patch(settings, [{"op": "replace", "path": "/public/otherwise", "value": "internl"}])
	decision := drawbridge.decision with input as unlabelled with data.settings as misspelled
	decision.verdict == "denied"
}
