// Package traffic sends real traffic through load balancers that the real
// Octavia makes for Drawbridge: amphorae with Octavia's own agent, HAProxy and
// keepalived (e2e/lab, amphora mode). It needs Linux and root.
package traffic
