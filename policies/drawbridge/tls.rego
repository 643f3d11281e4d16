package drawbridge

# Where TLS is required, HTTP does nothing but lead to it.
deny contains finding if {
	for_namespace(data.settings.tls.required)
	plain := {sprintf("%d", [listener.port]) |
		some listener in input.wish.listeners
		listener.protocol == "HTTP"
		serves_plainly(listener)
	}
	count(plain) > 0
	finding := {
		"rule": "tls",
		"reason": sprintf(
			"port %s serves HTTP without TLS, which namespace %s requires: name a certificate, and have HTTP redirected to HTTPS",
			[listed(plain), input.wish.key.namespace],
		),
	}
}

serves_plainly(listener) if listener.backend

serves_plainly(listener) if {
	some route in listener.routes
	not route.redirect
}

# TLS is offered from the least version of the namespace on.
obligations["tlsVersions"] := [version | some version in tls_versions; version >= tls_minimum] if tls_minimum

tls_minimum := for_namespace(data.settings.tls.minimum) if input.wish.listeners[_].tls

# In order of text as well as of age.
tls_versions := ["TLSv1", "TLSv1.1", "TLSv1.2", "TLSv1.3"]

# A minimum that is no version would allow all or none.
deny contains finding if {
	tls_minimum
	not tls_minimum in tls_versions
	finding := {
		"rule": "tls",
		"reason": sprintf(
			"settings.tls.minimum %v is no TLS version: have it set to one of %s",
			[tls_minimum, concat(", ", tls_versions)],
		),
	}
}

# A certificate that expired is not taken on. One that stands is left, so that
# its expiry does not keep a change of members from the load balancer.
deny contains finding if {
	input.wish.listeners[_].tls
	expired := {sprintf("%s on %s", [object.get(certificate, "secret", certificate.digest), certificate.notAfter]) |
		some certificate in input.wish.listeners[_].tls.certificates
		is_past(certificate.notAfter)
		not certificate.digest in standing_certificates
	}
	count(expired) > 0
	finding := {
		"rule": "certificates",
		"reason": sprintf("certificate %s expired: put one that is valid into the Secret", [listed(expired)]),
	}
}

# Nanoseconds count from 1970 to 2262 only; a certificate may say the year 9999 for never.
is_past(moment) if substring(moment, 0, 4) < "1970"

is_past(moment) if {
	substring(moment, 0, 4) >= "1970"
	substring(moment, 0, 4) < "2262"
	time.parse_rfc3339_ns(moment) < time.parse_rfc3339_ns(input.time)
}

standing_certificates := {certificate.digest | some certificate in input.approved.listeners[_].tls.certificates}
