package sandbox

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"
)

// container is a set of secrets by role: one of type certificate has
// certificate, private_key, and perhaps intermediates.
type container struct {
	ID      string            `json:"id"`
	Project string            `json:"project"`
	Creator string            `json:"creator"`
	Name    string            `json:"name"`
	Type    string            `json:"type"`
	Refs    map[string]string `json:"refs"` // secret's reference by role
	Made    int               `json:"made"`
	Created string            `json:"created"`
}

func (c *Cloud) containerRef(id string) string { return c.url + "/key-manager/v1/containers/" + id }

func (c *Cloud) showContainer(b *container) object {
	refs := []object{}
	for name, ref := range b.Refs {
		refs = append(refs, object{"name": name, "secret_ref": ref})
	}
	slices.SortFunc(refs, func(x, y object) int { return strings.Compare(x["name"].(string), y["name"].(string)) })
	return object{
		"created": b.Created, "updated": b.Created, "status": "ACTIVE", "name": b.Name, "type": b.Type, "creator_id": b.Creator,
		"secret_refs": refs, "container_ref": c.containerRef(b.ID), "consumers": []object{},
	}
}

func (c *Cloud) containers(r *request) (int, any, http.Header, error) {
	if len(r.path) == 1 {
		may := r.maySecret(r.token.project)
		switch {
		case r.method == "POST" && !may:
			return 0, nil, nil, noSecret("Container creation")
		case r.method == "GET" && !may:
			return 0, nil, nil, noSecret("Containers(s) retrieval")
		}
		switch r.method {
		case "POST":
			b, err := c.createContainer(r)
			if err != nil {
				return 0, nil, nil, err
			}
			return 201, object{"container_ref": c.containerRef(b.ID)}, http.Header{"Location": {c.containerRef(b.ID)}}, nil
		case "GET":
			return 200, vaultList(r, "containers", c.listContainers(r)), nil, nil
		}
		return 0, nil, nil, vaultError(405, "Method Not Allowed", "")
	}
	if !vaultID.MatchString(r.path[1]) {
		return 0, nil, nil, vaultError(404, "Not Found", "Not Found. Provided container id is invalid.")
	}
	b := c.state.Containers[strings.ToLower(r.path[1])]
	if b == nil {
		return 0, nil, nil, vaultMissing("Secrets container")
	}
	if !r.maySecret(b.Project) {
		return 0, nil, nil, noSecret(r.attempt("Container"))
	}
	switch r.verb(1) {
	case "GET id":
		return 200, c.showContainer(b), nil, nil
	case "DELETE id":
		delete(c.state.Containers, b.ID)
		return 204, nil, nil, nil
	case "GET consumers":
		return 200, vaultList(r, "consumers", nil), nil, nil
	}
	return 0, nil, nil, vaultError(405, "Method Not Allowed", "")
}

func (c *Cloud) listContainers(r *request) []object {
	var all []*container
	for _, b := range c.state.Containers {
		if b.Project == r.token.project && vaultFilter(r, b.Name) {
			all = append(all, b)
		}
	}
	slices.SortFunc(all, func(a, b *container) int { return a.Made - b.Made })
	out := make([]object, len(all))
	for i, b := range all {
		out[i] = c.showContainer(b)
	}
	return out
}

func (c *Cloud) createContainer(r *request) (*container, error) {
	var in struct {
		Type string `json:"type"`
		Name string `json:"name"`
		Refs []struct {
			Name string `json:"name"`
			Ref  string `json:"secret_ref"`
		} `json:"secret_refs"`
	}
	if err := json.Unmarshal(r.body, &in); err != nil {
		return nil, vaultError(400, "Bad Request", "Malformed JSON")
	}
	b := &container{ID: newID(), Project: r.token.project, Creator: r.token.user.ID, Name: in.Name, Type: in.Type, Refs: map[string]string{}, Created: vaultStamp(r.now)}
	for _, ref := range in.Refs {
		b.Refs[ref.Name] = ref.Ref
	}
	for _, ref := range in.Refs {
		id, ok := c.last(ref.Ref, "secrets")
		if s := c.state.Secrets[id]; !ok || s == nil || !r.maySecret(s.Project) {
			return nil, vaultError(404, "Not Found", "Secret provided for '"+ref.Name+"' doesn't exist.")
		}
	}
	c.state.Made++
	b.Made = c.state.Made
	c.state.Containers[b.ID] = b
	return b, nil
}
