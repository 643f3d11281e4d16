// Package executor carries out decisions in one cloud: it makes what stands in
// Octavia and Neutron what was decided, and says how it went.
//
// The table is the queue: a decision whose digest no outcome names is owed.
// One executor per cloud is active, by a fenced lease; others stand by. Every
// try begins with a look at what stands, so that a crash at any point, a lost
// answer and a lost lease are all resumed by trying again.
//
// # Units
//
// What is worked on at a time is a unit: what one load balancer serves. That is
// one exposure; the exposures of a group, which share it; or one exposure on a
// load balancer that another made. The desired graph of a unit is composed of
// the parts of its exposures, and the outcome is published for each exposure
// that was owed one, under the digest of its own decision. Steps and calls stand
// in the outcome of the one that had waited longest; the others name it.
//
// Every write needs the approval of the newest wish of the exposure for whose
// sake it is made. What of a unit belongs to the others stays as it is:
//
//   - A wish that is denied or held lets stand the exposure that its signed
//     decision names. That part stays in the composition, so that others move on
//     around it; alone in its unit it is not touched, not even for drift. What of
//     it never stood is not built.
//   - A wish that is not decided yet keeps the part that was applied last, as does
//     one that was refused for good, by the cloud or because it cannot be served,
//     and one whose decision is not valid.
//   - What was applied last is known from the table where the last outcome answers
//     the last decision, and otherwise to the process that applied it; one that has
//     begun since asks history. What history has no more is not guessed: nobody of
//     the group is served, and is told whom it waits for, until that one is decided,
//     corrected or gone.
//   - Of several changes that are refused together, each is tried alone, so that
//     one does not hold up the rest.
//
// # Leaving
//
// An exposure that goes to another unit is built there first. When its outcome
// there is on record, the unit that it left is composed without it; the last one
// out removes the load balancer. A tombstone is answered when nothing of the
// exposure stands anywhere.
//
// Where parts stand is written in the cloud, before anything of them is: the
// load balancer of one exposure bears its key as a tag, that of a group the keys of
// its members, and listeners on a load balancer of another the key of theirs. A
// term begins by listing these tags, so that what an exposure has left is found
// though its decision names only where it is. A member's tag is taken off when its
// part is gone.
//
// A part, and with the last one the load balancer, is removed only with proof: a
// valid decision on the newest wish of that very exposure that nothing may stand,
// or that it is approved elsewhere, with the outcome that it is applied there. A
// member whose tag stands and of which the table knows nothing (history was
// lost, its cluster is silent) blocks its group: that nothing is heard is no
// proof.
//
// # Certificates
//
// They come sealed over the bus, outside the events, and are opened for the one
// request that hands them to the key manager, after their digest was compared.
// What is not there yet is waited for, before anything else is written. Secrets
// bear their unit and digest in their name; a term lists them, so that those of a
// load balancer that is gone go too.
//
// # What others have made
//
// Before a load balancer is created it is looked for one that the
// octavia-ingress-controller or the openstack-cloud-controller-manager has made
// for the same object, by name and tag. Where one stands nothing is created until
// somebody adopts it (see [Adopt]), or sets adopt to never.
package executor
