package executor

import (
	"fmt"
	"testing"
	"time"
)

// TestOldest: what is quiet is read once in every readEvery looks, in even shares.
func TestOldest(t *testing.T) {
	for _, n := range []int{0, 1, 2, readEvery, 5*readEvery + 3} {
		rows := map[unit]stand{}
		var quiet []unit
		for i := range n {
			k := unit{group: fmt.Sprint(i)}
			rows[k], quiet = stand{seen: time.Unix(int64(i+1), 0)}, append(quiet, k)
		}
		read := map[unit]int{}
		for look := range readEvery {
			share := oldest(rows, quiet, look)
			if len(share) > (n+readEvery-1)/readEvery {
				t.Errorf("of %d, look %d reads %d", n, look, len(share))
			}
			for _, k := range share {
				read[k]++
				rows[k] = stand{seen: time.Unix(int64(n+look+1), 0)}
			}
		}
		for _, k := range quiet {
			if read[k] != 1 {
				t.Errorf("of %d, %s is read %d times", n, k.group, read[k])
			}
		}
	}
}
