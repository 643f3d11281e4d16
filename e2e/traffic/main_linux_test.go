// Package scenarios is the product at work, from a manifest to an answer through
// a load balancer: in every shape, on every cloud and with every kind of source.
package traffic

import (
	"os"
	"testing"

	"drawbridge.dev/e2e/harness"
)

func TestMain(m *testing.M) { os.Exit(harness.Main(m)) }
