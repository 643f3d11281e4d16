package sandbox

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"time"
)

// user is one that can log in; the secrets are random and live in the state.
type user struct {
	ID       string   `json:"id"`
	Name     string   `json:"name"`
	Project  string   `json:"project"` // id
	Password string   `json:"password"`
	Roles    []string `json:"roles"`
	// The application credential of the user.
	Credential       string `json:"credential"`
	CredentialSecret string `json:"credentialSecret"`
}

type token struct {
	id      string
	user    *user
	project string
	roles   []string
	method  string
	issued  time.Time
	expires time.Time
}

const identityStamp = "2006-01-02T15:04:05.000000Z"

// authentication is a body of POST /v3/auth/tokens.
type authentication struct {
	Auth struct {
		Identity *struct {
			Methods  []string `json:"methods"`
			Password struct {
				User struct {
					ID       string `json:"id"`
					Name     string `json:"name"`
					Password string `json:"password"`
					Domain   domain `json:"domain"`
				} `json:"user"`
			} `json:"password"`
			Token struct {
				ID string `json:"id"`
			} `json:"token"`
			Credential struct {
				ID     string `json:"id"`
				Name   string `json:"name"`
				Secret string `json:"secret"`
				User   struct {
					ID   string `json:"id"`
					Name string `json:"name"`
				} `json:"user"`
			} `json:"application_credential"`
		} `json:"identity"`
		Scope struct {
			Project struct {
				ID     string `json:"id"`
				Name   string `json:"name"`
				Domain domain `json:"domain"`
			} `json:"project"`
		} `json:"scope"`
	} `json:"auth"`
}

type domain struct {
	ID   string `json:"id"`
	Name string `json:"name"`
}

// ours: there is one domain, Default.
func (d domain) ours() bool {
	return d.ID == "default" || strings.EqualFold(d.Name, "Default") || d == domain{}
}

func (c *Cloud) identityVersion(base string) object {
	return object{
		"id": "v3.14", "status": "stable", "updated": "2020-04-07T00:00:00Z",
		"links":       []object{{"rel": "self", "href": base + "/v3/"}},
		"media-types": []object{{"base": "application/json", "type": "application/vnd.openstack.identity-v3+json"}},
	}
}

// identity answers for Keystone.
func (c *Cloud) identity(r *request, h http.Header) (int, any, http.Header, error) {
	path := strings.Trim(strings.Join(r.path, "/"), "/")
	switch {
	case path == "":
		return 300, object{"versions": object{"values": []object{c.identityVersion(r.base)}}}, http.Header{"Location": {r.base + "/v3/"}}, nil
	case path == "v3":
		return 200, object{"version": c.identityVersion(r.base)}, nil, nil
	case path == "v3/auth/tokens" && r.method == "POST":
		return c.logIn(r)
	case r.token == nil:
		return 0, nil, nil, unauthorized(c.url)
	case path == "v3/auth/tokens":
		return c.subjectToken(r, h.Get("X-Subject-Token"))
	case path == "v3/auth/catalog" && r.method == "GET":
		return 200, object{"catalog": c.catalog()}, nil, nil
	case (path == "v3/projects" || path == "v3/auth/projects") && r.method == "GET":
		id := r.token.project
		return 200, object{"projects": []object{{"id": id, "name": c.state.Projects[id], "domain_id": "default", "enabled": true}}}, nil, nil
	}
	return 0, nil, nil, keystoneError(404, c.url, "Could not find the requested resource.")
}

func (c *Cloud) logIn(r *request) (int, any, http.Header, error) {
	var in authentication
	if err := json.Unmarshal(r.body, &in); err != nil {
		return 0, nil, nil, keystoneError(400, c.url, "Expecting to find valid JSON in request body: %v", err)
	}
	if in.Auth.Identity == nil {
		return 0, nil, nil, keystoneError(400, c.url, "'identity' is a required property")
	}
	u, method := c.prove(r, in)
	if u == nil {
		return 0, nil, nil, unauthorized(c.url)
	}
	want := in.Auth.Scope.Project
	name := c.state.Projects[u.Project]
	if method != "application_credential" && (want.ID != "" && want.ID != u.Project || want.Name != "" && want.Name != name || !want.Domain.ours()) {
		return 0, nil, nil, unauthorized(c.url)
	}
	t := &token{id: "sandbox-" + newHex() + newHex(), user: u, project: u.Project, roles: u.Roles, method: method, issued: r.now, expires: r.now.Add(c.cfg.TokenLifetime)}
	c.dropExpired(r.now)
	c.tokens[t.id] = t
	return 201, object{"token": c.showToken(t)}, http.Header{"X-Subject-Token": {t.id}, "Vary": {"X-Auth-Token"}}, nil
}

// dropExpired keeps the table of tokens as small as what is valid.
func (c *Cloud) dropExpired(now time.Time) {
	for id, t := range c.tokens {
		if !now.Before(t.expires) {
			delete(c.tokens, id)
		}
	}
}

// prove finds the user that the credentials are of, or nil.
func (c *Cloud) prove(r *request, in authentication) (*user, string) {
	id := in.Auth.Identity
	switch {
	case slices.Contains(id.Methods, "password"):
		p := id.Password.User
		for _, u := range c.state.Users {
			if (p.ID == u.ID || p.ID == "" && p.Name == u.Name && p.Domain.ours()) && p.Password == u.Password {
				return u, "password"
			}
		}
	case slices.Contains(id.Methods, "application_credential"):
		a := id.Credential
		for _, u := range c.state.Users {
			byName := a.ID == "" && a.Name == credentialName(u) && (a.User.ID == u.ID || a.User.Name == u.Name)
			if (a.ID == u.Credential || byName) && a.Secret == u.CredentialSecret {
				return u, "application_credential"
			}
		}
	case slices.Contains(id.Methods, "token"):
		if t := c.valid(id.Token.ID, r.now); t != nil {
			return t.user, "token"
		}
	}
	return nil, ""
}

func credentialName(u *user) string { return u.Name + "-credential" }

// valid is the token of an id, unless it has expired or was revoked.
func (c *Cloud) valid(id string, now time.Time) *token {
	if t := c.tokens[id]; t != nil && now.Before(t.expires) {
		return t
	}
	return nil
}

// subjectToken shows, checks or revokes a token. Users may look at their own only.
func (c *Cloud) subjectToken(r *request, id string) (int, any, http.Header, error) {
	t := c.valid(id, r.now)
	if t == nil || t.user != r.token.user && !slices.Contains(r.token.roles, "admin") {
		verb := map[string]string{"GET": "validate_token", "HEAD": "check_token", "DELETE": "revoke_token"}[r.method]
		return 0, nil, nil, keystoneError(403, c.url, "You are not authorized to perform the requested action: identity:%s.", verb)
	}
	switch r.method {
	case "GET":
		return 200, object{"token": c.showToken(t)}, http.Header{"X-Subject-Token": {t.id}}, nil
	case "HEAD":
		return 200, nil, http.Header{"X-Subject-Token": {t.id}}, nil
	case "DELETE":
		delete(c.tokens, t.id)
		return 204, nil, nil, nil
	}
	return 0, nil, nil, keystoneError(405, c.url, "The method is not allowed for the requested URL.")
}

func (c *Cloud) showToken(t *token) object {
	roles := []object{}
	for _, name := range t.roles {
		roles = append(roles, object{"id": "role-" + name, "name": name})
	}
	home := object{"id": "default", "name": "Default"}
	return object{
		"methods": []string{t.method}, "audit_ids": []string{t.id[8:30]}, "is_domain": false, "roles": roles, "catalog": c.catalog(),
		"issued_at": t.issued.UTC().Format(identityStamp), "expires_at": t.expires.UTC().Format(identityStamp),
		"user":    object{"id": t.user.ID, "name": t.user.Name, "domain": home, "password_expires_at": nil},
		"project": object{"id": t.project, "name": c.state.Projects[t.project], "domain": home},
	}
}

// Region is the one region of the sandbox.
const Region = "RegionOne"

func (c *Cloud) catalog() []object {
	entry := func(kind, name, path string) object {
		var endpoints []object
		for _, face := range []string{"public", "internal", "admin"} {
			endpoints = append(endpoints, object{
				"id": face + "-" + name, "interface": face, "region": Region, "region_id": Region, "url": c.url + path,
			})
		}
		return object{"id": "service-" + name, "type": kind, "name": name, "endpoints": endpoints}
	}
	list := []object{entry("identity", "keystone", "/identity/v3"), entry("network", "neutron", "/network")}
	if !c.cfg.WithoutOctavia {
		list = append(list, entry("load-balancer", "octavia", "/load-balancer"))
	}
	if !c.cfg.WithoutBarbican {
		list = append(list, entry("key-manager", "barbican", "/key-manager"))
	}
	return list
}
