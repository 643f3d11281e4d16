package translate

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
)

// portNumber finds a port of a Service by its name or number, with "/" and its
// protocol where it is there in several.
func portNumber(ports []corev1.ServicePort, ref string) (int, error) {
	name, protocol, _ := strings.Cut(ref, "/")
	var found []int
	for i := range ports {
		p := &ports[i]
		if (name == fmt.Sprint(p.Port) || name != "" && name == p.Name) && (protocol == "" || strings.EqualFold(protocol, string(protocolOf(p)))) {
			found = append(found, i)
		}
	}
	switch len(found) {
	case 1:
		return found[0], nil
	case 0:
		return 0, fmt.Errorf("%q is no port of the Service, which has %s", shown(ref), strings.Join(portNames(ports), ", "))
	}
	return 0, fmt.Errorf("%q is %d ports of the Service: name one of %s", shown(ref), len(found), strings.Join(portNames(ports), ", "))
}

func protocolOf(p *corev1.ServicePort) corev1.Protocol {
	return cmp.Or(p.Protocol, corev1.ProtocolTCP)
}

func portNames(ports []corev1.ServicePort) (names []string) {
	for i := range ports {
		names = append(names, fmt.Sprintf("%d/%s", ports[i].Port, protocolOf(&ports[i])))
	}
	return names
}

// portValue is what an annotation says of one port, or, if port is empty, of
// every one that it fits.
type portValue[T any] struct {
	port  string
	value T
}

// parsePorts reads entries separated by commas, each "value" or "port=value".
func parsePorts[T any](parse func(string) (T, error)) func(string) ([]portValue[T], error) {
	return func(s string) ([]portValue[T], error) {
		var out []portValue[T]
		for part := range strings.SplitSeq(s, ",") {
			port, value, named := strings.Cut(strings.TrimSpace(part), "=")
			if !named {
				port, value = "", port
			} else if port = strings.TrimSpace(port); port == "" {
				return nil, fmt.Errorf("%q has an entry without a port before the '='", shown(s))
			}
			v, err := parse(value)
			if err != nil {
				return nil, err
			}
			out = append(out, portValue[T]{port, v})
		}
		return out, nil
	}
}

// whole makes a reader of one value of one that takes ports too.
func whole[T any](parse func(string) ([]portValue[T], error)) func(string) (T, error) {
	return func(s string) (T, error) {
		var none T
		all, err := parse(s)
		switch {
		case err != nil:
			return none, err
		case len(all) != 1 || all[0].port != "":
			return none, errors.New("names ports, or several values: one value is allowed")
		}
		return all[0].value, nil
	}
}

// perPort is what an annotation says of the ports of a Service.
type perPort[T any] struct {
	by    string      // the annotation; empty: there is none
	bare  []T         // for every port that it fits
	named map[int][]T // by index in spec.ports
}

// spread finds the ports that the entries of an annotation name.
func spread[T any](a annotated, ports []corev1.ServicePort, entries []portValue[T], by string) perPort[T] {
	out := perPort[T]{by: by, named: map[int][]T{}}
	for _, e := range entries {
		if e.port == "" {
			out.bare = append(out.bare, e.value)
			continue
		}
		i, err := portNumber(ports, e.port)
		if err != nil {
			a.found.refuse(field(by), "%v", err)
			continue
		}
		out.named[i] = append(out.named[i], e.value)
	}
	return out
}

// single refuses what gives one port two values.
func (v perPort[T]) single(a annotated, ports []corev1.ServicePort) perPort[T] {
	if len(v.bare) > 1 {
		a.found.refuse(field(v.by), "%q has %d values that name no port: one is allowed", shown(a.values[v.by]), len(v.bare))
	}
	for i := range ports {
		if len(v.named[i]) > 1 {
			a.found.refuse(field(v.by), "%q names port %s twice", shown(a.values[v.by]), portNames(ports)[i])
		}
	}
	return v
}

// at is what holds for a port: what names it, else what names none where it fits.
func (v perPort[T]) at(i int, fits bool) (out T, ok bool) {
	if n := v.named[i]; len(n) > 0 {
		return n[0], true
	}
	if len(v.bare) > 0 && fits {
		return v.bare[0], true
	}
	return out, false
}

// give gives what names no port to these, as far as nothing names them.
func (v *perPort[T]) give(ports []int) {
	if v.named == nil {
		v.named = map[int][]T{}
	}
	for _, i := range ports {
		if len(v.named[i]) == 0 {
			v.named[i] = v.bare
		}
	}
	v.bare = nil
}

// hinted are the ports that a Service marks as ones of an application protocol:
// by appProtocol, or, where no port has it, by the well-known number.
func hinted(ports []corev1.ServicePort, application string, number int32) (out []int) {
	marked := func(p corev1.ServicePort) bool {
		return p.AppProtocol != nil && strings.EqualFold(*p.AppProtocol, application)
	}
	said := slices.ContainsFunc(ports, marked)
	for i, p := range ports {
		if protocolOf(&p) == corev1.ProtocolTCP && (marked(p) || !said && p.Port == number) {
			out = append(out, i)
		}
	}
	return out
}
