package sandbox

import (
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// barbican answers for the key manager: secrets, containers of them, and their
// consumers (Barbican 15, API v1).
func (c *Cloud) barbican(r *request) (int, any, http.Header, error) {
	path := slices.DeleteFunc(slices.Clone(r.path), func(s string) bool { return s == "" })
	version := object{
		"id": "v1", "status": "stable",
		"links":       []object{{"rel": "self", "href": r.base + "/v1/"}, {"rel": "describedby", "type": "text/html", "href": "https://docs.openstack.org/"}},
		"media-types": []object{{"base": "application/json", "type": "application/vnd.openstack.key-manager-v1+json"}},
	}
	switch {
	case len(path) == 0:
		return 300, object{"versions": object{"values": []object{version}}}, nil, nil
	case path[0] != "v1":
		return 0, nil, nil, vaultError(404, "Not Found", "Not Found. Sorry but your key is in another castle.")
	case len(path) == 1:
		return 200, object{"version": version}, nil, nil
	case r.token == nil:
		return 0, nil, nil, unauthorized(c.url)
	}
	r.path = path[1:]
	if len(r.body) > vaultRequest {
		return 0, nil, nil, vaultError(400, "Bad Request", "Malformed JSON")
	}
	switch r.path[0] {
	case "secrets":
		return c.secrets(r)
	case "containers":
		return c.containers(r)
	}
	return 0, nil, nil, vaultError(404, "Not Found", "Not Found. Sorry but your key is in another castle.")
}

// vaultError is how Barbican writes an error; without words they are null.
func vaultError(status int, title, words string) error {
	return &refusal{status: status, message: words, body: object{"code": status, "title": title, "description": orNull(words)}}
}

func vaultMissing(kind string) error { return vaultError(404, "Not Found", kind+" not found.") }

// vaultLimit is max_allowed_secret_in_bytes of barbican.conf.
const vaultLimit = 20000

// vaultRequest is max_allowed_request_size_in_bytes: what is longer is not read
// to its end, and then no JSON.
const vaultRequest = 25000

// vaultPages are the length of a page of Barbican's lists, and its longest
// (default_limit_paging and max_limit_paging of barbican.conf).
const (
	vaultPage    = 10
	vaultLongest = 100
)

// vaultStamp is how Barbican writes a time: UTC, no zone.
func vaultStamp(t time.Time) string { return t.UTC().Format(stampLayout) }

// vaultList is Barbican's list: by offset and limit, with the total and links
// to the pages before and after. items are in the order of their making.
func vaultList(r *request, name string, items []object) object {
	number := func(key string, least, otherwise int) int {
		n, err := strconv.Atoi(r.query.Get(key))
		if err != nil || n < least {
			return otherwise
		}
		return n
	}
	limit, offset := min(number("limit", 1, vaultPage), vaultLongest), number("offset", 0, 0)
	total := len(items)
	link := func(at int) string {
		q := url.Values{}
		for k, v := range r.query {
			q[k] = v
		}
		q.Set("limit", strconv.Itoa(limit))
		q.Set("offset", strconv.Itoa(at))
		return r.url + "?" + q.Encode()
	}
	out := object{"total": total}
	if offset > 0 && offset <= total {
		out["previous"] = link(max(0, offset-limit))
	}
	if offset+limit < total {
		out["next"] = link(offset + limit)
	}
	from, to := min(offset, total), min(offset+limit, total)
	out[name] = append([]object{}, items[from:to]...)
	return out
}

// vaultFilter keeps what the query asks for by name.
func vaultFilter(r *request, name string) bool {
	want, given := r.query["name"]
	return !given || slices.Contains(want, name)
}

// roleCreator is who may have secrets by Barbican's default policy.
const roleCreator = "creator"

// maySecret is that policy in short: one who has the role, or is admin, in the
// project of the object.
func (r *request) maySecret(project string) bool {
	return r.token.project == project && (slices.Contains(r.token.roles, roleCreator) || slices.Contains(r.token.roles, "admin"))
}

// noSecret is how Barbican says no; what it says of is "Secret retrieval".
func noSecret(what string) error {
	return vaultError(403, "Forbidden", what+" attempt not allowed - please review your user/project privileges")
}

// attempt is what a call of one object attempts, in Barbican's words.
func (r *request) attempt(kind string) string {
	if r.method == "DELETE" {
		return kind + " deletion"
	}
	return kind + " retrieval"
}

// vaultID is an id as Barbican takes it: a random UUID.
var vaultID = regexp.MustCompile(`^(?i)[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`)

// last is the id at the end of a reference, if it is one of Barbican's kind.
func (c *Cloud) last(ref, kind string) (string, bool) {
	at := strings.LastIndex(ref, "/v1/"+kind+"/")
	if at < 0 {
		return "", false
	}
	id := strings.TrimSuffix(ref[at+len("/v1/"+kind+"/"):], "/")
	return id, uuidForm.MatchString(id)
}

// rebase makes the references of a state file those of this start, which may
// listen elsewhere.
func (c *Cloud) rebase() {
	here := func(ref *string) {
		if at := strings.Index(*ref, "/key-manager/v1/"); at >= 0 {
			*ref = c.url + (*ref)[at:]
		}
	}
	for _, l := range c.state.Listeners {
		here(&l.TLSRef)
		here(&l.ClientCA)
		here(&l.ClientCRL)
		for i := range l.SNIRefs {
			here(&l.SNIRefs[i])
		}
	}
	for _, p := range c.state.Pools {
		here(&p.TLSRef)
		here(&p.CARef)
		here(&p.CRLRef)
	}
	for _, b := range c.state.Containers {
		for name, ref := range b.Refs {
			here(&ref)
			b.Refs[name] = ref
		}
	}
}
