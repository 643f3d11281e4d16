package harness

import (
	"cmp"
	"fmt"
	"strings"
)

// Namespace is a namespace; one that is public may be reached from outside the
// cloud by the shipped policy.
func Namespace(name string, public bool) Object {
	return Object{"apiVersion": "v1", "kind": "Namespace", "metadata": map[string]any{
		"name": name, "labels": map[string]any{"drawbridge.dev/public": fmt.Sprint(public)}}}
}

// Node is a node that takes traffic.
func Node(name, address string) Object {
	return Object{"apiVersion": "v1", "kind": "Node", "metadata": map[string]any{"name": name}, "status": map[string]any{
		"addresses":  []any{map[string]any{"type": "InternalIP", "address": address}},
		"conditions": []any{map[string]any{"type": "Ready", "status": "True"}}}}
}

// Port is one port of a Service.
type Port struct {
	Protocol       string // TCP, UDP, SCTP
	Port, NodePort int
}

// NodePorts is a Service that an Ingress can name.
func NodePorts(namespace, name string, ports ...Port) Object {
	return service(namespace, name, nil, map[string]any{"type": "NodePort"}, ports)
}

// Balanced is a Service of type LoadBalancer that asks us.
func Balanced(namespace, name string, annotations map[string]any, ports ...Port) Object {
	return service(namespace, name, annotations, map[string]any{"type": "LoadBalancer", "loadBalancerClass": "drawbridge.dev/octavia"}, ports)
}

func service(namespace, name string, annotations, spec map[string]any, ports []Port) Object {
	var list []any
	for _, p := range ports {
		list = append(list, map[string]any{"name": fmt.Sprintf("%s-%d", strings.ToLower(p.Protocol), p.Port), "protocol": p.Protocol, "port": p.Port, "nodePort": p.NodePort})
	}
	spec["ports"] = list
	spec["selector"] = map[string]any{"app": name}
	meta := map[string]any{"namespace": namespace, "name": name}
	if annotations != nil {
		meta["annotations"] = annotations
	}
	return Object{"apiVersion": "v1", "kind": "Service", "metadata": meta, "spec": spec}
}

// Path sends a path of a host to a Service.
type Path struct {
	Host, Path, Service string
	Port                int
	Type                string // pathType; empty: Prefix
}

// Ingress is an Ingress of our class.
func Ingress(namespace, name string, annotations map[string]any, paths ...Path) Object {
	var rules []any
	byHost := map[string]int{}
	for _, p := range paths {
		path := map[string]any{"path": p.Path, "pathType": cmp.Or(p.Type, "Prefix"), "backend": map[string]any{
			"service": map[string]any{"name": p.Service, "port": map[string]any{"number": p.Port}}}}
		at, seen := byHost[p.Host]
		if !seen {
			byHost[p.Host] = len(rules)
			rules = append(rules, map[string]any{"host": p.Host, "http": map[string]any{"paths": []any{path}}})
			continue
		}
		http := rules[at].(map[string]any)["http"].(map[string]any)
		http["paths"] = append(http["paths"].([]any), path)
	}
	meta := map[string]any{"namespace": namespace, "name": name}
	if annotations != nil {
		meta["annotations"] = annotations
	}
	return Object{"apiVersion": "networking.k8s.io/v1", "kind": "Ingress", "metadata": meta,
		"spec": map[string]any{"ingressClassName": "drawbridge", "rules": rules}}
}
