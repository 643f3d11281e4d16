# METADATA
# title: Drawbridge
# description: >-
#   Whether an exposure may stand, and under which obligations. Every rule adds
#   findings to deny or hold, or sets an obligation; this file sums them up.
package drawbridge

# METADATA
# entrypoint: true
decision := {
	"verdict": verdict,
	"reasons": sort([finding.reason | some finding in findings]),
	"rules": sort({rule | some rule in spoken}),
	"obligations": obligations,
}

default verdict := "approved"

verdict := "denied" if count(deny) > 0

verdict := "held" if {
	count(deny) == 0
	count(hold) > 0
}

findings := deny if verdict == "denied"

findings := hold if verdict == "held"

findings := set() if verdict == "approved"

spoken contains finding.rule if some finding in findings

spoken contains obliged[name] if some name, _ in obligations

# The rule behind each obligation.
obliged := {"allowedSources": "sources", "flavor": "flavor", "internal": "public"}
