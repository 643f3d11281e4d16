package main

import (
	"bytes"
	"strings"

	"gopkg.in/yaml.v3"

	"drawbridge.dev/events"
)

const banner = "# Written by go generate from the Go types of package events. Do not edit.\n"

// parameters are the tokens of a subject after the stage.
var parameters = []struct{ name, description string }{
	{"cloud", "The cloud that carries the load balancer: an entry of clouds.yaml."},
	{"cluster", "The Kubernetes cluster that the object lives in."},
	{"kind", "The kind of the object: Service or Ingress."},
	{"namespace", "The namespace of the object."},
	{"name", "The name of the object."},
}

// attributes are the CloudEvents attributes of every event, as NATS headers.
var attributes = []struct {
	name, description string
	optional          bool
}{
	{"ce-specversion", "1.0", false},
	{"ce-id", "Deterministic: publishing the same again gives the same id, which is the Nats-Msg-Id too.", false},
	{"ce-source", "The service that says it: /policy, /watcher/<cluster>.", false},
	{"ce-type", "What happened, with the version of the payload.", false},
	{"ce-subject", "The key: cluster/Kind/namespace/name.", false},
	{"ce-time", "RFC 3339, UTC.", false},
	{"ce-cloud", "The cloud, as in the subject.", false},
	{"ce-changeid", "The id of the requested event that began the trip.", false},
	{"ce-causeid", "The id of the direct cause. A wish has none.", true},
	{"ce-traceparent", "W3C trace context.", true},
}

var stages = map[events.Stage]string{
	events.StageRequested: "What objects wish, whole; the last event of a subject is the wish that stands.",
	events.StageDecided:   "What policy answers, signed; the last event of a subject is the answer that stands.",
	events.StageOutcome:   "What the executor reached; the last event of a subject says what stands in the cloud.",
	events.StageDrift:     "Differences between the cloud and the last applied decision, said before they are repaired.",
	events.StageRejected:  "What could not be understood. It stops nothing.",
}

func asyncAPI(src source) ([]byte, error) {
	channels, operations, messages := node{}, node{}, node{}
	for _, p := range payloads {
		stage := string(p.value.Stage())
		carried, refs := node{}, []node{}
		for _, v := range p.types {
			typ := events.Event{Payload: v}.Type()
			verb := strings.Split(strings.TrimPrefix(typ, events.TypePrefix), ".")[0]
			messages[verb] = message(p, typ, src)
			carried[verb] = node{"$ref": "#/components/messages/" + verb}
			refs = append(refs, node{"$ref": "#/channels/" + stage + "/messages/" + verb})
		}
		channels[stage] = channel(p.value.Stage(), carried)
		operations["read-"+stage] = node{"action": "receive", "channel": node{"$ref": "#/channels/" + stage}, "messages": refs}
	}
	doc := node{
		"asyncapi": "3.0.0",
		"info": node{
			"title":   "Drawbridge",
			"version": "1",
			"license": node{"name": "Apache-2.0"},
			"description": "What readers of the bus receive: CloudEvents 1.0 in binary mode by the CloudEvents NATS binding, " +
				"in the JetStream streams HISTORY (all of them) and STATE (the last of each subject). " +
				"Tokens of a subject are percent-escaped: every byte but letters, digits, '-' and '_' is '%' and two upper-case hex digits.",
		},
		"defaultContentType": "application/json",
		"channels":           channels,
		"operations":         operations,
		"components":         node{"messages": messages},
	}
	var b bytes.Buffer
	b.WriteString(banner)
	e := yaml.NewEncoder(&b)
	e.SetIndent(2)
	if err := e.Encode(doc); err != nil {
		return nil, err
	}
	return b.Bytes(), e.Close()
}

func channel(stage events.Stage, messages node) node {
	address, described := events.SubjectRoot+"."+string(stage), node{}
	for _, p := range parameters {
		address += ".{" + p.name + "}"
		described[p.name] = node{"description": p.description}
	}
	return node{"address": address, "description": stages[stage], "parameters": described, "messages": messages}
}

func message(p payload, typ string, src source) node {
	properties, required := node{}, []string{}
	for _, a := range attributes {
		s := node{"type": "string", "description": a.description}
		if a.name == "ce-type" {
			s["const"] = typ
		}
		properties[a.name] = s
		if !a.optional {
			required = append(required, a.name)
		}
	}
	return node{
		"name":        typ,
		"contentType": "application/json",
		"summary":     src.docs[strings.ToUpper(p.name[:1])+p.name[1:]],
		"headers":     node{"type": "object", "properties": properties, "required": required},
		"payload":     node{"$ref": "./schemas/" + p.name + ".json"},
	}
}
