// Package policies exports the policy bundle that ships with Drawbridge.
package policies
