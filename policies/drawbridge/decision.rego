# METADATA
# title: Drawbridge
# description: >-
#   Whether an exposure may stand, and under which obligations. Every rule adds
#   findings to deny or hold, or sets an obligation; this file sums them up.
package drawbridge

# METADATA
# entrypoint: true
decision := answer("denied", deny) if {
	count(deny) > 0
} else := answer("held", hold) if {
	count(hold) > 0
} else := {
	"verdict": "approved",
	"reasons": [],
	"rules": sort({obliged[name] | some name, _ in obligations}),
	"obligations": obligations,
}

answer(verdict, findings) := {
	"verdict": verdict,
	"reasons": sort([finding.reason | some finding in findings]),
	"rules": sort({finding.rule | some finding in findings}),
	"obligations": {},
}

# The rule behind each obligation.
obliged := {
	"allowedSources": "sources",
	"flavor": "flavor",
	"internal": "public",
	"tlsVersions": "tls",
	"waived": "waive",
}
