package drawbridge_test

import data.drawbridge

# The question asked with HTTPS, and HTTP that leads to it.
https := json.patch(question, [
	{"op": "replace", "path": "/wish/listeners/0/protocol", "value": "TERMINATED_HTTPS"},
	{"op": "add", "path": "/wish/listeners/0/tls", "value": {"certificates": [
		{"digest": "sha256:1", "secret": "shop/cert", "notAfter": "2026-06-01T00:00:00Z"},
		{"digest": "sha256:2", "notAfter": "2026-07-01T00:00:00+02:00"},
	]}},
	{"op": "add", "path": "/wish/listeners/-", "value": {"protocol": "HTTP", "port": 8080, "routes": [{
		"host": "www.example.org", "path": "/", "pathType": "Prefix", "redirect": {"scheme": "https", "code": 301},
	}]}},
])

in_namespace(asked, namespace) := json.patch(asked, [{"op": "replace", "path": "/wish/key/namespace", "value": namespace}])

at_time(asked, time) := json.patch(asked, [{"op": "replace", "path": "/time", "value": time}])

test_plain_http_is_denied_where_tls_is_required if {
	decision := drawbridge.decision with input as with_namespace("strict") with data.settings as settings
	decision.rules == ["tls"]
	decision.reasons == [concat("", [
		"port 80 serves HTTP without TLS, which namespace strict requires: ",
		"name a certificate, and have HTTP redirected to HTTPS",
	])]
}

test_default_backend_is_plain_too if {
	only_default := json.patch(with_namespace("strict"), [{"op": "remove", "path": "/wish/listeners/0/routes"}])
	decision := drawbridge.decision with input as only_default with data.settings as settings
	decision.rules == ["tls"]
}

test_redirects_are_allowed_where_tls_is_required if {
	decision := drawbridge.decision with input as in_namespace(https, "strict") with data.settings as settings
	decision.verdict == "approved"
	decision.obligations == {"tlsVersions": ["TLSv1.3"]}
	decision.rules == ["tls"]
}

test_a_plain_route_beside_redirects_is_denied if {
	asked := json.patch(in_namespace(https, "strict"), [{"op": "add", "path": "/wish/listeners/1/routes/-", "value": {
		"host": "www.example.org", "path": "/plain", "pathType": "Prefix", "backend": "shop/web:80",
	}}])
	decision := drawbridge.decision with input as asked with data.settings as settings
	startswith(decision.reasons[0], "port 8080 serves HTTP")
}

test_no_minimum_leaves_versions_to_the_wish if {
	decision := drawbridge.decision with input as https with data.settings as settings
	decision.obligations == {}
}

test_minimum_of_no_version_denies if {
	wrong := json.patch(settings, [{"op": "add", "path": "/tls/minimum/*", "value": "1.2"}])
	decision := drawbridge.decision with input as https with data.settings as wrong
	decision.rules == ["tls"]
	without := drawbridge.decision with input as question with data.settings as wrong
	without.verdict == "approved"
}

test_expired_certificate_is_denied if {
	decision := drawbridge.decision with input as at_time(https, "2026-06-02T00:00:00Z") with data.settings as settings
	decision.rules == ["certificates"]
	decision.reasons == [concat("", [
		"certificate shop/cert on 2026-06-01T00:00:00Z expired: ",
		"put one that is valid into the Secret",
	])]
	both := drawbridge.decision with input as at_time(https, "2026-08-02T00:00:00Z") with data.settings as settings
	startswith(both.reasons[0], "certificate sha256:2 on 2026-07-01T00:00:00+02:00, shop/cert on")
}

test_certificate_that_stands_may_expire if {
	standing := json.patch(at_time(https, "2026-08-02T00:00:00Z"), [{"op": "replace", "path": "/approved", "value": https.wish}])
	decision := drawbridge.decision with input as standing with data.settings as settings
	decision.verdict == "approved"
}

test_certificates_of_any_year if {
	every year, verdict in {"0001": "denied", "1969": "denied", "2025": "denied", "2261": "approved", "9999": "approved"} {
		asked := json.patch(https, [{
			"op": "replace",
			"path": "/wish/listeners/0/tls/certificates/0/notAfter",
			"value": concat("", [year, "-12-31T23:59:59Z"]),
		}])
		decision := drawbridge.decision with input as asked with data.settings as settings
		decision.verdict == verdict
	}
}
