package drawbridge_test

import data.drawbridge

test_protection_may_be_required if {
	decision := drawbridge.decision with input as with_namespace("vault") with data.settings as settings
	decision.rules == ["protection"]
	contains(decision.reasons[0], "deletion-protection=true")
	protected := json.patch(with_namespace("vault"), [{"op": "add", "path": "/wish/protected", "value": true}])
	allowed := drawbridge.decision with input as protected with data.settings as settings
	allowed.verdict == "approved"
}

replacing(namespace) := json.patch(with_namespace(namespace), [{"op": "add", "path": "/wish/replace", "value": true}])

test_replacement_may_be_forbidden if {
	decision := drawbridge.decision with input as replacing("vip") with data.settings as settings
	decision.rules == ["replace"]
	allowed := drawbridge.decision with input as replacing("shop") with data.settings as settings
	allowed.verdict == "approved"
}

test_features_are_waived_by_cloud if {
	ovn := with_change("replace", "/wish/cloud", "ovn")
	decision := drawbridge.decision with input as ovn with data.settings as settings
	decision.obligations == {"waived": ["timeouts", "headers"]}
	decision.rules == ["waive"]
}

test_cloud_goes_before_all_clouds if {
	everywhere := json.patch(settings, [{"op": "add", "path": "/waive/clouds/*", "value": ["hsts"]}])
	decision := drawbridge.decision with input as question with data.settings as everywhere
	decision.obligations == {"waived": ["hsts"]}
	ovn := drawbridge.decision with input as with_change("replace", "/wish/cloud", "ovn") with data.settings as everywhere
	ovn.obligations == {"waived": ["timeouts", "headers"]}
}
