package bus_test

import (
	"fmt"
	"testing"

	"github.com/nats-io/nats-server/v2/server"

	"drawbridge.dev/services/internal/bus"
)

// BenchmarkPublish is one event of about 600 bytes, acknowledged; with the
// server's default sync, and with an fsync for every write.
func BenchmarkPublish(b *testing.B) {
	for _, always := range []bool{false, true} {
		b.Run(fmt.Sprintf("fsync=%v", always), func(b *testing.B) {
			_, bs, _ := start(b, bus.Streams{}, func(o *server.Options) { o.SyncAlways = always })
			i := 0
			for b.Loop() {
				i++
				publish(b, bs, rejected(key(i%1000), fmt.Sprint(i)))
			}
		})
	}
}

// BenchmarkTable replays 10,000 rows and decodes them.
func BenchmarkTable(b *testing.B) {
	_, bs, _ := start(b, bus.Streams{})
	for i := range 10_000 {
		publish(b, bs, wish(key(i), "", "u"))
	}
	for b.Loop() {
		if rows, err := bs.Table(b.Context()); err != nil || len(rows) != 10_000 {
			b.Fatal(len(rows), err)
		}
	}
}
