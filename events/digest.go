package events

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
)

// Digest is "sha256:" and the hex SHA-256 of v's JSON. Struct fields have a
// fixed order and encoding/json sorts map keys, so equal values have equal digests.
func Digest(v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		panic(fmt.Sprintf("events: %T cannot be marshalled: %v", v, err))
	}
	return digestBytes(b)
}

func digestBytes(b []byte) string {
	sum := sha256.Sum256(b)
	return "sha256:" + hex.EncodeToString(sum[:])
}

// Seal returns r with its exposure normalized and its digest set. Two wishes
// have one digest exactly if they ask for the same.
func (r Requested) Seal() Requested {
	if r.Exposure != nil {
		e := r.Exposure.Normalize()
		r.Exposure = &e
	}
	r.Digest = ""
	r.Digest = Digest(r)
	return r
}

// Seal returns d with its exposure normalized, its digest set and no
// signature. The digest covers the key, so that an approval of one object is
// none of another.
func (d Decided) Seal(k Key) Decided {
	if d.Exposure != nil {
		e := d.Exposure.Normalize()
		d.Exposure = &e
	}
	d.Digest, d.Signature = "", Signature{}
	d.Digest = Digest(struct {
		Key Key `json:"key"`
		Decided
	}{k, d})
	return d
}
