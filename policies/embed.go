// Package policies exports the policy bundle that ships with Drawbridge: Rego
// of package drawbridge, its settings, and the manifest. How to write another
// one is told in README.md.
package policies

import "embed"

// Bundle is the shipped bundle as a folder, its tests included.
//
//go:embed .manifest data.yaml drawbridge/*.rego
var Bundle embed.FS
