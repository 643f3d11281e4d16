package main

// The commands measure; the counts among them are also part of `go tool task test`.
const (
	counting   = "go test ./e2e/budget -run Counts -count=1"
	together   = "go test ./e2e/budget -run '^$' -bench Together -benchtime 5x"
	deciding   = "go test ./services/policy -run '^$' -bench . -benchmem"
	travel     = "go test ./services/cmd/drawbridge -run '^$' -bench EventToFirstCall -benchtime 300x"
	remember   = "go test ./e2e/budget -run '^$' -bench Memory -benchtime 1x -timeout 20m"
	oneIngress = "an Ingress with 2 hosts x 2 paths and a floating IP"
)

// atMost says whether a figure is within its budget.
func atMost(name string, most float64) func(figures) bool {
	return func(f figures) bool { v, ok := f[name]; return ok && v <= most }
}

func both(a, b func(figures) bool) func(figures) bool {
	return func(f figures) bool { return a(f) && b(f) }
}

func inAllInOne(when string) string {
	return "{BenchmarkMemory/all-in-one drawbridge-" + when + "-MiB} MiB"
}

func inProcesses(when string) string {
	text := ""
	for _, p := range []string{"watcher", "policy", "executor", "auditor", "nats"} {
		text += ", " + p + " {BenchmarkMemory/processes " + p + "-" + when + "-MiB}"
	}
	return text[2:] + " MiB"
}

// rows are the budgets: counts first, then ratios, then what is reported.
var rows = []row{
	{"Expose " + oneIngress, "2 writes, 6 reads beside polls", "writes: {expose-writes}, reads: {expose-reads}", counting,
		both(atMost("expose-writes", 2), atMost("expose-reads", 6))},
	{"Delete it", "2 writes", "writes: {delete-writes}, reads: {delete-reads}", counting, atMost("delete-writes", 2)},
	{"A node is added, with 2 Ingresses of 2 pools each", "1 write for each pool whose members differ",
		"writes: {node-writes} for {node-pools} pools, reads: {node-reads}", counting,
		func(f figures) bool { return f["node-writes"] == f["node-pools"] && f["node-pools"] > 0 }},
	{"Nothing changed, drift looked for", "0 writes", "writes: {drift-writes}, reads: {drift-reads}, in {drift-looks} looks at 2 load balancers", counting, atMost("drift-writes", 0)},
	{"Nothing changed, process restarted", "0 writes", "writes: {restart-writes}", counting, atMost("restart-writes", 0)},
	{"Expose " + oneIngress + ", on a cloud that leaves children of whole creates pending: the first, which finds it out", "none",
		"writes: {stepwise-first-writes}, reads: {stepwise-first-reads}", counting, nil},
	{"The second there", "as the first without finding out, 6 reads", "writes: {stepwise-second-writes}, reads: {stepwise-second-reads}", counting,
		func(f figures) bool {
			return f["stepwise-second-writes"] <= f["stepwise-first-writes"]-2 && f["stepwise-second-reads"] <= 6
		}},

	{"20 exposures applied together, PENDING of 2 s: until all have their address, to one", "3x", "{BenchmarkTogether ratio:%.2f}x ({BenchmarkTogether twenty-s:%.2f} s to {BenchmarkTogether one-s:%.2f} s)", together,
		atMost("BenchmarkTogether ratio", 3)},
	{"Policy decision among 10,000 claims, to one among 10", "1.1x", "{BenchmarkClaimsRatio ratio:%.2f}x ({BenchmarkClaimsRatio ns/10kclaims} ns to {BenchmarkClaimsRatio ns/10claims} ns)", deciding,
		atMost("BenchmarkClaimsRatio ratio", 1.1)},
	{"Watch event to first call at the cloud, one process, an fsync for every message: median, to two publications and a decision", "3x", "{BenchmarkEventToFirstCall ratio:%.2f}x; {BenchmarkEventToFirstCall p10-ratio:%.2f}x at the tenth percentile, in quiet moments", travel,
		both(atMost("BenchmarkEventToFirstCall ratio", 3), atMost("BenchmarkEventToFirstCall p10-ratio", 3))},

	{"Policy decision among 10,000 claims", "reported", "{BenchmarkClaimsRatio ns/10kclaims} ns (median), {BenchmarkDecide/claims=10000 allocs/op} allocations, {BenchmarkDecide/claims=10000 B/op} B", deciding, nil},
	{"Watch event to first call at the cloud", "reported", "p50 {BenchmarkEventToFirstCall p50-ms:%.1f} ms, p99 {BenchmarkEventToFirstCall p99-ms:%.1f} ms; two publications and a decision p50 {BenchmarkEventToFirstCall steps-p50-ms:%.1f} ms", travel, nil},
	{"Resident memory at rest, one process, no exposure", "reported", inAllInOne("0"), remember, nil},
	{"Resident memory at rest, one process, 1,000 exposures", "reported", inAllInOne("1000") + ", at most " + inAllInOne("making1000") + " while they were made", remember, nil},
	{"Resident memory at rest, a process for each, no exposure", "reported", inProcesses("0"), remember, nil},
	{"Resident memory at rest, a process for each, 1,000 exposures", "reported", inProcesses("1000"), remember, nil},
	{"The most while they were made", "reported", inProcesses("making1000"), remember, nil},
}
