package drawbridge_test

import data.drawbridge

test_approved if {
	drawbridge.decision == {"verdict": "approved", "reasons": [], "rules": [], "obligations": {}} with input as question
		with data.settings as settings
}

test_denied_names_every_rule if {
	asked := json.patch(with_host("www.example.com"), [{"op": "replace", "path": "/wish/listeners/0/port", "value": 22}])
	decision := drawbridge.decision with input as asked with data.settings as settings
	decision.verdict == "denied"
	decision.rules == ["hosts", "ports"]
	count(decision.reasons) == 2
}

test_denied_goes_before_held if {
	asked := json.patch(with_host("www.example.com"), [{
		"op": "add",
		"path": "/object/namespaceLabels/drawbridge.dev~1approval",
		"value": "required",
	}])
	decision := drawbridge.decision with input as asked with data.settings as settings
	decision.verdict == "denied"
	decision.rules == ["hosts"]
}

test_rules_of_obligations_are_named if {
	decision := drawbridge.decision with input as with_change("add", "/wish/internal", true)
		with data.settings as settings
	decision.verdict == "approved"
	decision.rules == ["sources"]
}
