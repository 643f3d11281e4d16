// Package watcher turns the objects of one cluster into wishes on the bus, and
// tells the cluster's users what became of them.
//
// # The loop
//
// Informers hold Services, Ingresses, IngressClasses, Nodes and Namespaces, of an
// API server or of a folder of manifests, EndpointSlices from the first object on
// that sends to pods, and the metadata of Secrets. A change puts the keys that it concerns
// into a queue. For each key the object is translated (package translate, pure)
// and compared with the table of published wishes: what differs is published as
// requested, what is gone or asks no more as a tombstone, what cannot be exposed
// as rejected, once per set of problems; the last wish stays then. Nothing is
// compared before both the informers and the table are complete, and while
// something could not be read an object that is not there counts as unknown, not
// as deleted. A wish whose event is too large is a problem of its object.
//
// The table is that of the bus, restricted to the own cluster. Every publication
// names the row that it follows, so that of two watchers one wins and the other
// looks again.
//
// A wish that moves to another cloud is asked for there at once. The old place
// is withdrawn when the new one is applied, or at once if nothing was ever
// applied at the old one.
//
// # What the users see
//
// Services and Ingresses get the addresses in status.loadBalancer (floating IPs
// where there are any; ipMode VIP), Services the condition drawbridge.dev/Exposed.
// Both get Kubernetes Events: Approved, Denied, Held, Applied, NeedsRecreate, Warning, Failed,
// Removed, Drifted, Invalid. An Event's name is made of what it says: it is not
// told twice, also after a restart; what happens again is counted. What happened
// more than an hour before the start, when Kubernetes has forgotten it, is not
// told again. For a folder all of that goes to the log.
//
// An address is taken from an object that asks us no more only if it is the one
// that we gave it. (A watcher that is stopped between the removal and that write
// leaves the address of an Ingress that went to another class.)
//
// # TLS
//
// Of Secrets the metadata are watched. One that an object names for TLS is
// fetched when it is new or changed; what it holds is checked, and its key sealed
// at once for the executor of every cloud in seal-keys: in clear it is in memory
// only meanwhile. What a wish names is put on the bus (bus.PutSecret) before the
// wish is published, and everything once more after a start. What neither a wish
// nor a decision names any more is deleted an hour later; what is named and lost
// is put again. A Secret that is gone or gets worse changes nothing that stands:
// see package translate. When a certificate begins, nears its end or ends, the
// objects that name it are looked at again.
//
// # Rights
//
// [Rights] are the least ClusterRole on an API server: get, list and watch of
// services, nodes, namespaces, ingresses, ingressclasses, endpointslices and
// secrets; patch of services/status and ingresses/status; create, get and patch
// of events. Of Secrets the metadata alone are watched, and those fetched that an
// object names for TLS; without seal-keys no right to them is needed.
//
// # Memory
//
// Informers drop what is not needed before they store it (source.Trim). Held on
// the heap per 10,000 objects as they are in real clusters, before and after:
// Services 31.3 and 16.8 MB, Ingresses 23.9 and 13.4 MB, Nodes (50 images each)
// 149.6 and 18.7 MB; EndpointSlices of 10 pods each, which are watched only where
// an object sends to pods, 66.2 and 44.3 MB. `go test ./watcher/source -run - -bench Held -benchtime 1x`
// shows it.
package watcher
