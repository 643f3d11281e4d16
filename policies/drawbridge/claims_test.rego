package drawbridge_test

import data.drawbridge

claimed_by(cluster, namespace) := with_change("replace", "/inventory/claims", {"www.example.org": {
	"cluster": cluster,
	"kind": "Ingress",
	"namespace": namespace,
	"name": "other",
}})

test_claim_of_another_namespace_denies if {
	decision := drawbridge.decision with input as claimed_by("c1", "blog") with data.settings as settings
	decision.rules == ["claims"]
	decision.reasons == [concat("", [
		"host www.example.org is claimed by Ingress blog/other of cluster c1: ",
		"use another host name, or have the other one removed first",
	])]
}

test_claim_of_another_cluster_denies if {
	decision := drawbridge.decision with input as claimed_by("c2", "shop") with data.settings as settings
	decision.rules == ["claims"]
}

test_claim_of_the_same_namespace_is_shared if {
	decision := drawbridge.decision with input as claimed_by("c1", "shop") with data.settings as settings
	decision.verdict == "approved"
}
