// Package harness runs the product as an operator does, as processes with
// configuration files, and looks at what it did from outside: over the APIs of
// the cloud, of the cluster and of the auditor.
package harness
