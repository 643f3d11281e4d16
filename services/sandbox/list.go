package sandbox

import (
	"fmt"
	"net/url"
	"slices"
	"sort"
	"strconv"
	"strings"
)

// paging holds the arguments of a list that select nothing.
var paging = []string{"limit", "marker", "sort", "sort_key", "sort_dir", "fields", "page_reverse", "project_id", "tenant_id"}

// page is Octavia's list: filters, tags, order, pages and fields of the
// objects given (octavia/api/common/pagination.py). known are the attributes
// that can be filtered by; name is the collection's.
func (c *Cloud) page(r *request, name string, all []object, known []string) (object, error) {
	limit, err := pageLimit(r)
	if err != nil {
		return nil, err
	}
	order, err := sorting(r)
	if err != nil {
		return nil, err
	}
	keep, err := c.filters(r.query, known)
	if err != nil {
		return nil, err
	}
	all = slices.DeleteFunc(all, func(o object) bool { return !keep(o) })
	if err := order(all, known); err != nil {
		return nil, err
	}
	marker := r.query.Get("marker")
	if marker != "" {
		at := slices.IndexFunc(all, func(o object) bool { return o["id"] == marker })
		if at < 0 {
			return nil, bad("Supplied pagination marker '%s' is not valid.", marker)
		}
		if r.query.Get("page_reverse") == "True" {
			all = all[max(0, at-limit):at]
		} else {
			all = all[at+1:]
		}
	}
	more := len(all) >= limit
	if len(all) > limit {
		all = all[:limit]
	}
	links := []object{}
	if len(all) > 0 {
		args := fmt.Sprintf("?limit=%d", limit)
		for _, key := range []string{"sort", "sort_key"} {
			if v := r.query.Get(key); v != "" {
				args += "&" + key + "=" + v
			}
		}
		if marker != "" {
			links = append(links, object{"rel": "previous", "href": r.url + args + fmt.Sprintf("&marker=%v&page_reverse=True", all[0]["id"])})
		}
		if more {
			links = append(links, object{"rel": "next", "href": r.url + args + fmt.Sprintf("&marker=%v", all[len(all)-1]["id"])})
		}
	}
	out := make([]object, len(all))
	for i, o := range all {
		out[i] = selectFields(o, r.query)
	}
	return object{name: out, name + "_links": links}, nil
}

// maxPage is the page size when none, or a larger one, is asked for
// (octavia.conf pagination_max_limit, which has no bound by default).
const maxPage = 1 << 30

func pageLimit(r *request) (int, error) {
	v := r.query.Get("limit")
	if v == "" || v == "infinite" {
		return maxPage, nil
	}
	n, err := strconv.Atoi(v)
	if err != nil {
		return 0, pecanError(400, "Bad Request", "Supplied pagination limit '%s' is not valid.", v)
	}
	if n < 1 {
		return maxPage, nil
	}
	return n, nil
}

type sortKey struct {
	name string
	desc bool
}

func sorting(r *request) (func([]object, []string) error, error) {
	var keys []sortKey
	add := func(name, dir string) error {
		if dir != "asc" && dir != "desc" {
			return pecanError(400, "Bad Request", "Supplied sort direction '%s' is not valid.", dir)
		}
		keys = append(keys, sortKey{name, dir == "desc"})
		return nil
	}
	var err error
	if s := r.query.Get("sort"); s != "" {
		for _, part := range strings.Split(s, ",") {
			name, dir, given := strings.Cut(part, ":")
			if !given {
				dir = "asc"
			}
			if err == nil {
				err = add(name, strings.ToLower(dir))
			}
		}
	} else if s := r.query.Get("sort_key"); s != "" {
		dirs := strings.Split(r.query.Get("sort_dir"), ",")
		for i, name := range strings.Split(s, ",") {
			dir := "asc"
			if i < len(dirs) && dirs[i] != "" {
				dir = strings.ToLower(dirs[i])
			}
			if err == nil {
				err = add(name, dir)
			}
		}
	}
	if err != nil {
		return nil, err
	}
	return func(all []object, known []string) error {
		for _, k := range keys {
			if !slices.Contains(known, k.name) {
				return bad("Supplied sort key '%s' is not valid.", k.name)
			}
		}
		keys := append(slices.Clone(keys), sortKey{name: "created_at"}, sortKey{name: "id"})
		sort.SliceStable(all, func(i, j int) bool {
			for _, k := range keys {
				a, b := fmt.Sprint(all[i][k.name]), fmt.Sprint(all[j][k.name])
				if x, ok := all[i][k.name].(int); ok {
					a, b = fmt.Sprintf("%010d", x), fmt.Sprintf("%010d", all[j][k.name])
				}
				if a != b {
					return (a < b) != k.desc
				}
			}
			return false
		})
		return nil
	}, nil
}

var tagFilters = []string{"tags", "tags-any", "not-tags", "not-tags-any"}

func (c *Cloud) filters(q url.Values, known []string) (func(object) bool, error) {
	type filter struct {
		name   string
		values []string
	}
	var plain []filter
	tags := map[string][]string{}
	for name, values := range q {
		switch {
		case slices.Contains(paging, name):
		case slices.Contains(tagFilters, name) && c.minor >= 5:
			for _, v := range values {
				tags[name] = append(tags[name], strings.Split(v, ",")...)
			}
		case slices.Contains(known, name) && len(values) == 1:
			plain = append(plain, filter{name, values})
		default:
			return nil, bad("One or more arguments are either duplicate or invalid")
		}
	}
	return func(o object) bool {
		for _, f := range plain {
			if !matches(o[f.name], f.values[0]) {
				return false
			}
		}
		return tagged(o, tags)
	}, nil
}

func matches(have any, want string) bool {
	switch t := have.(type) {
	case nil:
		return want == ""
	case bool:
		return t == truth(want)
	case []string:
		return slices.Contains(t, want)
	case []object:
		return slices.ContainsFunc(t, func(o object) bool { return o["id"] == want })
	}
	return fmt.Sprint(have) == want
}

func tagged(o object, want map[string][]string) bool {
	have, _ := o["tags"].([]string)
	has := func(t string) bool { return slices.Contains(have, t) }
	hasNot := func(t string) bool { return !has(t) }
	if tags, ok := want["tags"]; ok && slices.ContainsFunc(tags, hasNot) {
		return false
	}
	if tags, ok := want["tags-any"]; ok && !slices.ContainsFunc(tags, has) {
		return false
	}
	if tags, ok := want["not-tags"]; ok && !slices.ContainsFunc(tags, hasNot) {
		return false
	}
	if tags, ok := want["not-tags-any"]; ok && slices.ContainsFunc(tags, has) {
		return false
	}
	return true
}

func selectFields(o object, q url.Values) object {
	fields, some := q["fields"]
	if !some {
		return o
	}
	out := object{}
	for _, f := range fields {
		if v, ok := o[f]; ok {
			out[f] = v
		}
	}
	return out
}
