package sandbox

import "slices"

// flavor is an Octavia flavor; the topology stands in its profile, which
// users cannot read.
type flavor struct {
	ID          string `json:"id"`
	Name        string `json:"name"`
	Description string `json:"description"`
	Profile     string `json:"profile"`
}

// zoneName is the one availability zone.
const zoneName = "az1"

func (c *Cloud) flavors(r *request) (int, any, error) {
	if c.minor < 6 {
		return 0, nil, pecanError(404, "Not Found", "")
	}
	show := func(f flavor) object {
		return object{"id": f.ID, "name": f.Name, "description": f.Description, "enabled": true, "flavor_profile_id": f.Profile}
	}
	switch r.verb(1) {
	case "GET":
		var all []object
		for _, f := range c.state.Flavors {
			all = append(all, show(f))
		}
		out, err := c.page(r, "flavors", all, []string{"id", "name", "description", "enabled", "flavor_profile_id"})
		return 200, out, err
	case "GET id":
		for _, f := range c.state.Flavors {
			if f.ID == r.path[1] {
				return 200, object{"flavor": show(f)}, nil
			}
		}
		return 0, nil, notFound("Flavor", r.path[1])
	case "POST", "PUT id", "DELETE id":
		return 0, nil, forbidden()
	}
	return 0, nil, wrongMethod(r)
}

// profiles are what the flavors stand for, which only administrators may see.
func (c *Cloud) profiles(r *request) (int, any, error) {
	if c.minor < 6 {
		return 0, nil, pecanError(404, "Not Found", "")
	}
	if !slices.Contains(r.token.roles, roleAdmin) || r.method != "GET" {
		return 0, nil, forbidden()
	}
	var all []object
	for _, f := range c.state.Flavors {
		topology := map[string]string{"single": "SINGLE", "ha": "ACTIVE_STANDBY"}[f.Name]
		o := object{"id": f.Profile, "name": f.Name, "provider_name": amphora, "flavor_data": `{"loadbalancer_topology": "` + topology + `"}`}
		if len(r.path) == 2 && r.path[1] == f.Profile {
			return 200, object{"flavorprofile": o}, nil
		}
		all = append(all, o)
	}
	if len(r.path) == 2 {
		return 0, nil, notFound("Flavor profile", r.path[1])
	}
	out, err := c.page(r, "flavorprofiles", all, []string{"id", "name", "provider_name"})
	return 200, out, err
}

func (c *Cloud) providers(r *request) (int, any, error) {
	if r.verb(1) != "GET" {
		return 0, nil, wrongMethod(r)
	}
	list := []object{
		{"name": amphora, "description": "Octavia amphora driver"},
		{"name": "octavia", "description": "alias of amphora"},
		{"name": noop, "description": "Octavia no-op provider"},
	}
	if c.cfg.WithOVN {
		list = append(list, object{"name": ovn, "description": "OVN provider"})
	}
	return 200, object{"providers": list}, nil
}

func (c *Cloud) zones(r *request) (int, any, error) {
	if c.minor < 14 {
		return 0, nil, pecanError(404, "Not Found", "")
	}
	zone := object{"name": zoneName, "description": "", "enabled": true, "availability_zone_profile_id": zoneProfile}
	switch r.verb(1) {
	case "GET":
		out, err := c.page(r, "availability_zones", []object{zone}, []string{"name", "description", "enabled"})
		return 200, out, err
	case "GET id":
		if r.path[1] == zoneName {
			return 200, object{"availability_zone": zone}, nil
		}
		return 0, nil, notFound("Availability Zone", r.path[1])
	}
	return 0, nil, forbidden()
}

const zoneProfile = "5e0f7a52-6f6c-4d0e-9c39-2b0d8c1f4a11"

var quotaKinds = []string{"load_balancer", "listener", "member", "pool", "health_monitor", "l7policy", "l7rule"}

func (c *Cloud) quotas(r *request) (int, any, error) {
	if r.method != "GET" || len(r.path) != 2 {
		return 0, nil, forbidden()
	}
	if r.path[1] == "defaults" {
		if err := r.may("", false); err != nil {
			return 0, nil, err
		}
	} else if err := r.may(r.path[1], false); err != nil {
		return 0, nil, err
	}
	out := object{}
	for _, kind := range quotaKinds {
		if c.minor < 19 && (kind == "l7policy" || kind == "l7rule") {
			continue
		}
		out[kind] = -1
		if limit, ok := c.cfg.Quota[kind]; ok {
			out[kind] = limit
		}
	}
	return 200, object{"quota": out}, nil
}
