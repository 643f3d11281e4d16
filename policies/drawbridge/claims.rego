package drawbridge

# A host name belongs to the namespace that was first to be approved with it.
deny contains finding if {
	taken := {claim_text(host, claim) |
		some host, claim in input.inventory.claims
		foreign(claim)
	}
	count(taken) > 0
	finding := {
		"rule": "claims",
		"reason": sprintf("%s: use another host name, or have the other one removed first", [listed(taken)]),
	}
}

foreign(claim) if claim.namespace != input.wish.key.namespace

foreign(claim) if claim.cluster != input.wish.key.cluster

claim_text(host, claim) := sprintf(
	"host %s is claimed by %s %s/%s of cluster %s",
	[host, claim.kind, claim.namespace, claim.name, claim.cluster],
)
