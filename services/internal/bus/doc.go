// Package bus is the fleet's NATS JetStream: HISTORY, which keeps every event,
// and STATE, the table of the last event of every key and stage.
package bus
