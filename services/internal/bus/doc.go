// Package bus is the fleet's NATS JetStream as the services see it: publish an
// event, read the table, watch it, read history in order, hold a lease.
//
// HISTORY keeps every event on fleet.>, append only, bounded by age and size.
// STATE is sourced from it and keeps the last message of every subject for
// ever: the table. A row's sequence is always that of HISTORY. Messages are
// CloudEvents in binary mode of the NATS binding; structured mode is read too.
// What cannot be read is a [Record] with Err and is never left out.
//
// # What was found out
//
// By experiment on nats-server 2.15.2 and nats.go 1.55.0, embedded, on two
// shared cores; the figures are for proportion.
//
//   - Sourcing. A row is in STATE, and with a watcher, p50 0.15 ms and p99
//     0.9 ms after the call of Publish (fsync for every write: 0.8 and 8 ms),
//     mostly before its own acknowledgement arrives. Single stalls reached 0.1 s.
//   - A second fsync, of STATE, was 1.2 of the 1.4 ms between a publication and
//     its watcher. A STATE that does not wait for the disk (persist mode async,
//     [Streams].LazyState) brings the row 0.2 ms after the acknowledgement; a server
//     that is killed goes on sourcing behind the last row that it finds on disk.
//   - The server writes "Nats-Stream-Source: HISTORY <sequence> > > <subject>
//     <identity>" into a sourced message, removes Nats-Expected- headers and
//     refuses a publisher that sets that header itself.
//   - A stream with sources de-duplicates by Nats-Msg-Id what it sources, which
//     would lose the newest row when an id comes again after HISTORY's window, or
//     at any distance while STATE is built anew. A window of 0 turns it off for
//     a stream with sources, and only for one.
//   - Recovery. With 30,000 events on 10,000 subjects the server answers 0.1 s
//     after its start, and sourcing goes on by itself; a STATE that was deleted
//     is whole again in 1.7 s. Meanwhile it looks like a small table: therefore
//     [Bus.Table] and [Bus.Watch] wait until STATE has reached the sequence that
//     HISTORY had when they began.
//   - Nats-Expected-Last-Subject-Sequence compares with what HISTORY holds. When
//     the last message of a subject has aged out, every expectation but 0 fails,
//     and 0 passes although STATE has a row: see [ExpectLast], which asks STATE
//     in both cases. A publish that is sent again under its expectation is
//     either a duplicate or a conflict with itself; the id of the last message
//     tells.
//   - A watch: three writers, the server restarted twice, STATE deleted and made
//     again: no row is missed. A consumer that needs no acknowledgement can lose
//     the tail of what was in flight when a connection breaks, and nothing comes
//     after it that would show the gap: a watch begins anew at every reconnect, at
//     every gap in the consumer's sequence, and when the server has sent more
//     than arrived.
//   - A durable consumer gives new messages before those that a dead reader has
//     not acknowledged. Resetting it to its acknowledged floor (2.15) keeps the
//     order, and the reader need not wait for the acknowledgement to time out.
//   - Leases. A standby takes over at most a tenth of the ttl, one second at
//     most, after a release (seen 0.5 s), and one ttl after the last renewal that
//     it saw when the holder dies (ttl 3 s: the old holder knew after 2.5 s, the
//     heir held it after 2.8 s). A check costs 0.1 ms. Per-key expiry on the server was
//     not chosen: by its documentation it counts whole seconds, and it trusts the
//     clock of whichever server leads. The sequence of the bucket starts at its creation time in
//     milliseconds, so that tokens grow even over a bucket that was deleted.
//   - Three servers, two restarted in turn while three writers published 2,400
//     events: 2,400 stored and seen, the lease was proven again 0.05 s after
//     each failure and never lost.
//   - No room. At the limit of the server (max_file_store) a publish fails at once
//     with [ErrStorage] and works again when there is room; STATE then catches
//     up. When the disk itself is full the server switches JetStream off, answers
//     nothing, and must be restarted after room was made; every acknowledged
//     event was still there. So give the server a limit below the size of its disk.
//   - An fsync for every write costs 0.57 ms a publish instead of 0.12 ms. A
//     table of 10,000 rows is replayed and decoded in 0.5 s.
package bus
