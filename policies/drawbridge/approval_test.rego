package drawbridge_test

import data.drawbridge

asking := with_change("add", "/object/namespaceLabels/drawbridge.dev~1approval", "required")

known := json.patch(asking, [{"op": "replace", "path": "/approved", "value": asking.wish}])

held(asked) if {
	decision := drawbridge.decision with input as asked with data.settings as settings
	decision.verdict == "held"
	decision.rules == ["approval"]
}

test_new_exposure_waits if held(asking)

test_label_of_another_value_does_not_wait if {
	not held(with_change("add", "/object/namespaceLabels/drawbridge.dev~1approval", "no"))
}

test_what_is_approved_does_not_wait if not held(known)

test_members_may_change if {
	not held(json.patch(known, [{
		"op": "replace",
		"path": "/wish/backends/0/members",
		"value": [{"address": "10.0.0.1", "port": 30080}],
	}]))
}

test_what_is_newly_reachable_waits if {
	held(json.patch(known, [{"op": "replace", "path": "/wish/listeners/0/port", "value": 8080}]))
	held(json.patch(known, [{"op": "replace", "path": "/wish/listeners/0/routes/0/path", "value": "/admin"}]))
	held(json.patch(known, [{"op": "add", "path": "/wish/listeners/0/allowedSources", "value": ["8.8.8.0/24"]}]))
	held(json.patch(known, [{"op": "add", "path": "/approved/internal", "value": true}]))
}

test_obligations_are_no_difference if {
	mild := json.patch(settings, [{"op": "replace", "path": "/public/otherwise", "value": "internal"}])
	asked := json.patch(known, [
		{"op": "remove", "path": "/object/namespaceLabels/drawbridge.dev~1public"},
		{"op": "add", "path": "/approved/internal", "value": true},
		{"op": "add", "path": "/approved/listeners/0/allowedSources", "value": settings.internal.sources},
	])
	decision := drawbridge.decision with input as asked with data.settings as mild
	decision.verdict == "approved"
}
