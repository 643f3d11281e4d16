package drawbridge_test

import data.drawbridge

ssh := with_change("replace", "/wish/listeners/0/port", 22)

test_forbidden_port_is_denied if {
	decision := drawbridge.decision with input as ssh with data.settings as settings
	decision.verdict == "denied"
	decision.rules == ["ports"]
	startswith(decision.reasons[0], "port 22 is forbidden")
}

test_exception_is_allowed if {
	asked := json.patch(ssh, [{"op": "replace", "path": "/wish/key/namespace", "value": "bastion"}])
	decision := drawbridge.decision with input as asked with data.settings as settings
	decision.verdict == "approved"
}

test_exception_is_for_that_port if {
	asked := json.patch(question, [
		{"op": "replace", "path": "/wish/listeners/0/port", "value": 3389},
		{"op": "replace", "path": "/wish/key/namespace", "value": "bastion"},
	])
	decision := drawbridge.decision with input as asked with data.settings as settings
	decision.rules == ["ports"]
}
