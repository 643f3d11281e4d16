// Package conformance holds the sandbox cloud to the truth: the same requests
// are sent to it and to the real Octavia 11.0.0, Neutron 21, Barbican 15 and
// Keystone 22 of the lab, and the answers compared as a whole: status codes, error words,
// states, and every attribute with its value. What must differ is made equal
// first (ids, times, addresses, URLs).
//
// The real answers are recorded in testdata/octavia-11.0.0.txt, so that the
// sandbox is held to them without the lab too. With the lab
//
//	eval "$(e2e/lab/up)"; go test ./e2e/conformance
//
// asks the real services again; -record writes the file anew.
package conformance
