package sandbox

import "maps"

// collection is one kind of what is below a load balancer. All kinds are
// listed, shown and deleted alike.
type collection[T any] struct {
	plural, singular string // keys of answers
	title            string // in Octavia's words
	all              map[string]*T
	meta             func(*T) *meta
	show             func(*T) object
	filters          []string
	hidden           func(*T) object // what can be filtered by and is not shown; nil: nothing

	create, update func(*request) (int, any, error)
	lock           func(*request, *T) error // what a delete has to wait for
}

func (k collection[T]) serve(c *Cloud, r *request) (int, any, error) {
	switch r.verb(1) {
	case "GET":
		return k.list(c, r)
	case "POST":
		return k.create(r)
	case "GET id":
		o, err := find(r, k.all, k.title, r.path[1], k.meta, false)
		if err != nil {
			return 0, nil, err
		}
		return 200, object{k.singular: selectFields(k.show(o), r.query)}, nil
	case "PUT id":
		return k.update(r)
	case "DELETE id":
		o, err := find(r, k.all, k.title, r.path[1], k.meta, true)
		if err != nil {
			return 0, nil, err
		}
		if err := k.lock(r, o); err != nil {
			return 0, nil, err
		}
		m := k.meta(o)
		m.Provisioning, m.Stuck = PendingDelete, false
		return 204, nil, nil
	}
	return 0, nil, wrongMethod(r)
}

func (k collection[T]) list(c *Cloud, r *request) (int, any, error) {
	mine, err := r.scope()
	if err != nil {
		return 0, nil, err
	}
	var all []object
	hidden := object{}
	for _, o := range k.all {
		if !mine(k.meta(o).Project) {
			continue
		}
		shown := k.show(o)
		if k.hidden != nil {
			hidden = k.hidden(o)
			maps.Copy(shown, hidden)
		}
		all = append(all, shown)
	}
	out, err := c.page(r, k.plural, all, k.filters)
	if out != nil {
		for _, o := range out[k.plural].([]object) {
			for key := range hidden {
				delete(o, key)
			}
		}
	}
	return 200, out, err
}
