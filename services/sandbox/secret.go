package sandbox

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
)

// secret is one of Barbican. Its payload is in the state file as it is.
type secret struct {
	ID        string     `json:"id"`
	Project   string     `json:"project"`
	Creator   string     `json:"creator"`
	Name      string     `json:"name"`
	Type      string     `json:"type"`
	Media     string     `json:"media,omitempty"` // text/plain or application/octet-stream
	Payload   []byte     `json:"payload,omitempty"`
	Algorithm string     `json:"algorithm,omitempty"`
	Mode      string     `json:"mode,omitempty"`
	Bits      *int       `json:"bits,omitempty"`
	Expires   string     `json:"expires,omitempty"`
	Consumers []consumer `json:"consumers,omitempty"`
	Made      int        `json:"made"` // order of the making
	Created   string     `json:"created"`
	Updated   string     `json:"updated"`
}

// consumer is who said that it uses a secret.
type consumer struct {
	Service string `json:"service"`
	Type    string `json:"resource_type"`
	ID      string `json:"resource_id"`
}

const (
	plainText = "text/plain"
	octets    = "application/octet-stream"
)

func (c *Cloud) secretRef(id string) string { return c.url + "/key-manager/v1/secrets/" + id }

func (c *Cloud) showSecret(s *secret) object {
	o := object{
		"created": s.Created, "updated": s.Updated, "status": "ACTIVE", "name": s.Name, "secret_type": s.Type,
		"expiration": orNull(s.Expires), "algorithm": orNull(s.Algorithm), "bit_length": pointerOrNull(s.Bits), "mode": orNull(s.Mode),
		"creator_id": s.Creator, "secret_ref": c.secretRef(s.ID),
	}
	if s.Media != "" {
		o["content_types"] = object{"default": s.Media}
	}
	return o
}

func (c *Cloud) secrets(r *request) (int, any, http.Header, error) {
	if len(r.path) == 1 {
		may := r.maySecret(r.token.project)
		switch {
		case r.method == "POST" && !may:
			return 0, nil, nil, noSecret("Secret creation")
		case r.method == "GET" && !may:
			return 0, nil, nil, noSecret("Secret(s) retrieval")
		}
		switch r.method {
		case "POST":
			s, err := c.createSecret(r)
			if err != nil {
				return 0, nil, nil, err
			}
			return 201, object{"secret_ref": c.secretRef(s.ID)}, http.Header{"Location": {c.secretRef(s.ID)}}, nil
		case "GET":
			return 200, vaultList(r, "secrets", c.listSecrets(r)), nil, nil
		}
		return 0, nil, nil, vaultError(405, "Method Not Allowed", "")
	}
	if !vaultID.MatchString(r.path[1]) {
		return 0, nil, nil, vaultError(404, "Not Found", "Not Found. Provided secret id is invalid.")
	}
	s := c.state.Secrets[strings.ToLower(r.path[1])]
	if s == nil {
		return 0, nil, nil, vaultMissing("Secret")
	}
	if !r.maySecret(s.Project) {
		return 0, nil, nil, noSecret(r.attempt("Secret"))
	}
	switch r.verb(1) {
	case "GET id":
		if accept := r.header.Get("Accept"); accept == plainText || accept == octets {
			return c.payload(r, s)
		}
		return 200, c.showSecret(s), nil, nil
	case "DELETE id":
		delete(c.state.Secrets, s.ID)
		delete(c.decoded, s.ID)
		return 204, nil, nil, nil
	case "GET payload":
		return c.payload(r, s)
	case "GET acl":
		return 200, object{"read": object{"project-access": true}}, nil, nil
	case "GET metadata":
		return 200, object{"metadata": object{}}, nil, nil
	case "GET consumers", "POST consumers", "DELETE consumers":
		return c.consumers(r, s)
	}
	return 0, nil, nil, vaultError(405, "Method Not Allowed", "")
}

func (c *Cloud) listSecrets(r *request) []object {
	var all []*secret
	for _, s := range c.state.Secrets {
		if s.Project == r.token.project && vaultFilter(r, s.Name) {
			all = append(all, s)
		}
	}
	slices.SortFunc(all, func(a, b *secret) int { return a.Made - b.Made })
	out := make([]object, len(all))
	for i, s := range all {
		out[i] = c.showSecret(s)
	}
	return out
}

// payload answers with what is stored, as the type that it was stored as.
func (c *Cloud) payload(r *request, s *secret) (int, any, http.Header, error) {
	if s.Media == "" {
		return 0, nil, nil, vaultError(404, "Not Found", "Not Found. Sorry but your secret has no payload.")
	}
	accept := r.header.Get("Accept")
	if s.Media == octets && accept != "" && accept != "*/*" && accept != octets || s.Media == plainText && accept == "application/json" {
		return 0, nil, nil, vaultError(406, "Not Acceptable", "Secret payload retrieval issue seen - Wrong payload content-type.")
	}
	if len(s.Payload) == 0 {
		return 204, nil, nil, nil
	}
	media := s.Media
	if media == plainText {
		media += "; charset=UTF-8"
	}
	return 200, s.Payload, http.Header{"Content-Type": {media}}, nil
}

// secretBody is what a secret is made of.
type secretBody struct {
	Name      any     `json:"name"`
	Payload   *string `json:"payload"`
	Media     string  `json:"payload_content_type"`
	Encoding  string  `json:"payload_content_encoding"`
	Type      string  `json:"secret_type"`
	Algorithm string  `json:"algorithm"`
	Mode      string  `json:"mode"`
	Bits      *int    `json:"bit_length"`
	Expires   string  `json:"expiration"`
}

var secretTypes = []string{"symmetric", "passphrase", "private", "public", "certificate", "opaque"}

func (c *Cloud) createSecret(r *request) (*secret, error) {
	var in secretBody
	if err := json.Unmarshal(r.body, &in); err != nil {
		return nil, vaultError(400, "Bad Request", "Malformed JSON")
	}
	data, media, err := in.check()
	if err != nil {
		return nil, err
	}
	if len(data) > vaultLimit {
		return nil, vaultError(413, "Request Entity Too Large", "Provided information too large to process")
	}
	now := vaultStamp(r.now)
	s := &secret{
		ID: newID(), Project: r.token.project, Creator: r.token.user.ID, Type: "opaque", Media: media, Payload: data,
		Algorithm: in.Algorithm, Mode: in.Mode, Bits: in.Bits, Expires: in.Expires, Created: now, Updated: now,
	}
	s.Name, _ = in.Name.(string)
	if s.Name == "" {
		s.Name = s.ID
	}
	if in.Type != "" {
		s.Type = in.Type
	}
	c.state.Made++
	s.Made = c.state.Made
	c.state.Secrets[s.ID] = s
	return s, nil
}

// check is what Barbican says of a secret's parts (barbican/common/validators.py).
func (in secretBody) check() ([]byte, string, error) {
	wrong := func(property, format string, args ...any) error {
		return vaultError(400, "Bad Request", fmt.Sprintf("Provided object does not match schema 'Secret': "+format+" Invalid property: '%s'", append(args, property)...))
	}
	if _, text := in.Name.(string); in.Name != nil && !text {
		return nil, "", wrong("name", "%v is not of type 'string', 'null'.", in.Name)
	}
	if in.Type != "" && !slices.Contains(secretTypes, in.Type) {
		return nil, "", wrong("secret_type", "'%s' is not one of ['symmetric', 'passphrase', 'private', 'public', 'certificate', 'opaque'].", in.Type)
	}
	if in.Payload == nil {
		return nil, "", nil
	}
	switch {
	case strings.TrimSpace(*in.Payload) == "":
		return nil, "", wrong("payload", "If 'payload' specified, must be non empty.")
	case in.Media == "":
		return nil, "", wrong("payload_content_type", "If 'payload' is supplied, 'payload_content_type' must also be supplied..")
	case in.Media != octets && in.Media != plainText:
		return nil, "", wrong("payload_content_type", "payload_content_type is not one of ['text/plain', 'text/plain;charset=utf-8', 'text/plain; charset=utf-8', 'application/octet-stream', 'application/pkcs8'].")
	case in.Media == plainText:
		return []byte(*in.Payload), plainText, nil
	case in.Encoding == "":
		return nil, "", wrong("payload_content_encoding", "payload_content_encoding is not one of ['base64', 'binary'].")
	case in.Encoding != "base64":
		return nil, "", wrong("payload_content_encoding", "'%s' is not one of ['base64'].", in.Encoding)
	}
	return lenient(*in.Payload), octets, nil
}

// lenient is Python's base64: what is no letter of it is left out.
func lenient(text string) []byte {
	text = strings.Map(func(r rune) rune {
		if strings.ContainsRune("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/", r) {
			return r
		}
		return -1
	}, text)
	data, _ := base64.RawStdEncoding.DecodeString(text) // what can be decoded
	return data
}

// consumers answers for who uses a secret. Octavia 11 does not say that it
// does: it only gives itself the right to read.
func (c *Cloud) consumers(r *request, s *secret) (int, any, http.Header, error) {
	if r.method == "GET" {
		list := []object{}
		for _, u := range s.Consumers {
			o := u.show()
			o["created"], o["updated"], o["status"] = s.Updated, s.Updated, "ACTIVE"
			list = append(list, o)
		}
		return 200, vaultList(r, "consumers", list), nil, nil
	}
	var in consumer
	d := json.NewDecoder(bytes.NewReader(r.body))
	if err := d.Decode(&in); err != nil || in.Service == "" || in.Type == "" || in.ID == "" {
		return 0, nil, nil, vaultError(400, "Bad Request", "Provided object does not match schema 'SecretConsumer'")
	}
	at := slices.Index(s.Consumers, in)
	switch {
	case r.method == "DELETE" && at < 0:
		return 0, nil, nil, vaultMissing("Consumer")
	case r.method == "DELETE":
		s.Consumers = slices.Delete(s.Consumers, at, at+1)
	case at < 0:
		s.Consumers = append(s.Consumers, in)
	}
	s.Updated = vaultStamp(r.now)
	o := c.showSecret(s)
	delete(o, "content_types")
	list := []object{}
	for _, u := range s.Consumers {
		list = append(list, u.show())
	}
	o["consumers"] = list
	return 200, o, http.Header{"Location": {c.url + "/key-manager/v1/consumers/" + s.ID + "/consumers"}}, nil
}

func (u consumer) show() object {
	return object{"service": u.Service, "resource_type": u.Type, "resource_id": u.ID}
}
