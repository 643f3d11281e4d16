package conformance

import "strings"

// More steps: secrets, and what is terminated with them. {p12a}, {p12b}, {pem}
// and {pemkey} are made anew for each cloud (newBundle).

const (
	vault     = "key-manager"
	listenerP = "/v2/lbaas/listeners"
	poolP     = "/v2/lbaas/pools"
)

func store(name, save, attributes string) step {
	s := step{name: name, service: vault, method: "POST", path: "/v1/secrets", body: "{" + attributes + "}"}
	if save != "" {
		s.save = map[string]string{save: "secret_ref"}
	}
	return s
}

const bundle = `"payload_content_type": "application/octet-stream", "payload_content_encoding": "base64", "secret_type": "opaque"`

var secrets = []step{
	{name: "versions of Barbican", service: vault, method: "GET", path: "/"},
	{name: "version of Barbican", service: vault, method: "GET", path: "/v1"},
	{name: "Barbican with a token that is none", as: nobody, service: vault, method: "GET", path: "/v1/secrets"},
	store("store a bundle", "first-secret", `"name": "{run}-a", "payload": "{p12a}", `+bundle),
	store("store another under its name", "second-secret", `"name": "{run}-a", "payload": "{p12b}", `+bundle),
	store("store text", "text", `"name": "{run}-t", "payload": "hello", "payload_content_type": "text/plain"`),
	store("store a certificate", "certificate", `"name": "{run}-c", "payload": "{pem}", "payload_content_type": "text/plain", "secret_type": "certificate"`),
	store("store a key", "key", `"name": "{run}-k", "payload": "{pemkey}", "payload_content_type": "text/plain", "secret_type": "private"`),
	store("secret without a content type", "", `"name": "{run}-x", "payload": "aGVsbG8="`),
	store("secret without an encoding", "", `"name": "{run}-x", "payload": "aGVsbG8=", "payload_content_type": "application/octet-stream"`),
	store("secret in an unknown encoding", "", `"name": "{run}-x", "payload": "aGVsbG8=", "payload_content_type": "application/octet-stream", "payload_content_encoding": "hex"`),
	store("secret that is not in base64", "third-secret", `"name": "{run}-x", "payload": "!!!", `+bundle),
	store("secret of an unknown type", "", `"name": "{run}-x", "payload": "x", "payload_content_type": "text/plain", "secret_type": "other"`),
	store("secret of an unknown content type", "", `"name": "{run}-x", "payload": "x", "payload_content_type": "image/png"`),
	store("empty secret", "", `"name": "{run}-x", "payload": "", "payload_content_type": "text/plain"`),
	store("secret that is too large", "", `"name": "{run}-x", "payload": "`+strings.Repeat("x", 20500)+`", "payload_content_type": "text/plain"`),
	store("request that is too large", "", `"name": "{run}-x", "payload": "`+strings.Repeat("x", 30000)+`", "payload_content_type": "text/plain"`),
	store("secret without a payload", "empty", `"name": "{run}-e"`),
	store("secret whose name is a number", "", `"name": 1, "payload": "x", "payload_content_type": "text/plain"`),
	{name: "secret that is no JSON", service: vault, method: "POST", path: "/v1/secrets", body: `{nope`},
	{name: "show secret", service: vault, method: "GET", path: "{first-secret}"},
	{name: "show secret of a type", service: vault, method: "GET", path: "{certificate}"},
	{name: "payload as JSON", service: vault, method: "GET", path: "{first-secret}/payload"},
	{name: "payload", service: vault, method: "GET", path: "{text}/payload", header: []string{"Accept: text/plain"}},
	{name: "payload of any type", service: vault, method: "GET", path: "{text}/payload", header: []string{"Accept: */*"}},
	{name: "payload that there is not", service: vault, method: "GET", path: "{empty}/payload", header: []string{"Accept: */*"}},
	{name: "payload that is no base64", service: vault, method: "GET", path: "{third-secret}/payload", header: []string{"Accept: application/octet-stream"}},
	{name: "secret as its payload", service: vault, method: "GET", path: "{text}", header: []string{"Accept: text/plain"}},
	{name: "payload of another type", service: vault, method: "GET", path: "{text}/payload", header: []string{"Accept: application/octet-stream"}},
	{name: "secrets by name", service: vault, method: "GET", path: "/v1/secrets?name={run}-a"},
	{name: "first page of secrets", service: vault, method: "GET", path: "/v1/secrets?name={run}-a&limit=1&offset=0", shape: true},
	{name: "second page of secrets", service: vault, method: "GET", path: "/v1/secrets?name={run}-a&limit=1&offset=1", shape: true},
	{name: "secrets by another name", service: vault, method: "GET", path: "/v1/secrets?name={run}-none"},
	{name: "consumers of a secret", service: vault, method: "GET", path: "{text}/consumers"},
	{name: "add a consumer", service: vault, method: "POST", path: "{text}/consumers", body: `{"service": "s", "resource_type": "t", "resource_id": "i"}`},
	{name: "consumers after that", service: vault, method: "GET", path: "{text}/consumers"},
	{name: "take a consumer away", service: vault, method: "DELETE", path: "{text}/consumers", body: `{"service": "s", "resource_type": "t", "resource_id": "i"}`},
	{name: "who may read a secret", service: vault, method: "GET", path: "{text}/acl"},
	{name: "secret of another tenant", as: "other", service: vault, method: "GET", path: "{text}"},
	{name: "another tenant deletes a secret", as: "other", service: vault, method: "DELETE", path: "{text}"},
	{name: "an observer lists secrets", as: "observer", service: vault, method: "GET", path: "/v1/secrets"},
	{name: "an observer stores a secret", as: "observer", service: vault, method: "POST", path: "/v1/secrets", body: `{"name": "x", "payload": "x", "payload_content_type": "text/plain"}`},
	{name: "without a role: show secret", as: "norole", service: vault, method: "GET", path: "{text}"},
	{name: "without a role: list containers", as: "norole", service: vault, method: "GET", path: "/v1/containers"},
	{name: "no such secret", service: vault, method: "GET", path: "/v1/secrets/" + missing},
	{name: "delete no such secret", service: vault, method: "DELETE", path: "/v1/secrets/" + missing},
	{name: "secret by a word", service: vault, method: "GET", path: "/v1/secrets/foo"},
	{name: "create container", service: vault, method: "POST", path: "/v1/containers", body: `{"type": "certificate", "name": "{run}-box", "secret_refs": [{"name": "certificate", "secret_ref": "{certificate}"}, {"name": "private_key", "secret_ref": "{key}"}]}`, save: map[string]string{"container": "container_ref"}},
	{name: "show container", service: vault, method: "GET", path: "{container}"},
	{name: "containers by name", service: vault, method: "GET", path: "/v1/containers?name={run}-box"},
	{name: "container without a certificate", service: vault, method: "POST", path: "/v1/containers", body: `{"type": "certificate", "name": "x", "secret_refs": []}`, save: map[string]string{"hollow": "container_ref"}},
	{name: "container of an unknown secret", service: vault, method: "POST", path: "/v1/containers", body: `{"type": "certificate", "name": "x", "secret_refs": [{"name": "certificate", "secret_ref": "{absent}"}]}`},
	{name: "no such container", service: vault, method: "GET", path: "/v1/containers/" + missing},
}

func addListener(name, attributes string) step {
	return step{name: name, method: "POST", path: listenerP, body: `{"listener": {"loadbalancer_id": "{lb}", ` + attributes + `}}`}
}

func (s step) saving(name, path string) step {
	s.save = map[string]string{name: path}
	s.settle = "lb"
	return s
}

func change(name, path, kind, attributes string) step {
	return step{name: name, method: "PUT", path: path, body: `{"` + kind + `": {` + attributes + `}}`}
}

func (s step) settling() step {
	s.settle = "lb"
	return s
}

const tls = `"protocol": "TERMINATED_HTTPS", "protocol_port": `

var terminated = []step{
	addListener("terminate TLS", `"name": "tls", `+tls+`443, "default_tls_container_ref": "{first-secret}"`).saving("tls", "listener.id"),
	{name: "show what terminates TLS", method: "GET", path: listenerP + "/{tls}"},
	{name: "consumers of a certificate in use", service: vault, method: "GET", path: "{first-secret}/consumers"},
	addListener("SNI only", `"name": "sni", `+tls+`444, "sni_container_refs": ["{second-secret}", "{first-secret}"], "tls_versions": ["TLSv1.2"], "tls_ciphers": "ECDHE-RSA-AES128-GCM-SHA256", "alpn_protocols": ["http/1.1"], "insert_headers": {"X-Forwarded-For": "true", "X-Forwarded-Port": "true", "X-Forwarded-Proto": "true", "X-SSL-Client-CN": "true"}`).saving("sni", "listener.id"),
	addListener("from a container", tls+`445, "default_tls_container_ref": "{container}"`).saving("box", "listener.id"),
	addListener("certificate that is none", tls+`446, "default_tls_container_ref": "{absent}"`),
	addListener("certificates that are none", tls+`446, "default_tls_container_ref": "{first-secret}", "sni_container_refs": ["{absent}", "{second-secret}"]`),
	addListener("certificate by a word", tls+`446, "default_tls_container_ref": "foo"`),
	addListener("text for a certificate", tls+`446, "default_tls_container_ref": "{text}"`),
	addListener("half of a certificate", tls+`446, "default_tls_container_ref": "{certificate}"`),
	addListener("certificate on HTTP", `"protocol": "HTTP", "protocol_port": 446, "default_tls_container_ref": "{first-secret}"`),
	addListener("certificate on UDP", `"protocol": "UDP", "protocol_port": 446, "default_tls_container_ref": "{first-secret}"`),
	addListener("no TLS versions", tls+`446, "default_tls_container_ref": "{first-secret}", "tls_versions": []`),
	addListener("TLS version that is none", tls+`446, "default_tls_container_ref": "{first-secret}", "tls_versions": ["TLSv9"]`),
	addListener("ciphers with a blank", tls+`446, "default_tls_container_ref": "{first-secret}", "tls_ciphers": "a b"`),
	addListener("no ALPN protocols", tls+`446, "default_tls_container_ref": "{first-secret}", "alpn_protocols": []`),
	addListener("ALPN protocol that is none", tls+`446, "default_tls_container_ref": "{first-secret}", "alpn_protocols": ["h9"]`),
	addListener("client certificates without a CA", tls+`446, "default_tls_container_ref": "{first-secret}", "client_authentication": "MANDATORY"`),
	addListener("client CA without a certificate", tls+`446, "client_ca_tls_container_ref": "{certificate}"`),
	addListener("TLS headers without TLS", `"protocol": "HTTP", "protocol_port": 446, "insert_headers": {"X-SSL-Client-CN": "true"}`),
	addListener("a timeout too long", `"protocol": "TCP", "protocol_port": 446, "timeout_member_data": 2073600001`),
	addListener("fewer connections than none", `"protocol": "TCP", "protocol_port": 446, "connection_limit": -2`),
	addListener("every setting", `"protocol": "TCP", "protocol_port": 446, "connection_limit": 0, "timeout_client_data": 0, "timeout_member_connect": 1, "timeout_member_data": 2073600000, "timeout_tcp_inspect": 7, "allowed_cidrs": ["10.0.0.1"], "tags": ["b", "a"]`).saving("all", "listener.id"),
	change("every setting taken back", listenerP+"/{all}", "listener", `"connection_limit": null, "timeout_client_data": null, "timeout_member_connect": null, "timeout_member_data": null, "timeout_tcp_inspect": null, "allowed_cidrs": null, "tags": null`).settling(),
	change("headers on TCP later", listenerP+"/{all}", "listener", `"insert_headers": {"X-Forwarded-For": "true"}`),
	change("a certificate on TCP later", listenerP+"/{all}", "listener", `"default_tls_container_ref": "{first-secret}"`),
	change("headers taken away", listenerP+"/{sni}", "listener", `"insert_headers": null`).settling(),
	change("unknown headers later", listenerP+"/{sni}", "listener", `"insert_headers": {"X-Foo": "true"}`),
	change("rotate", listenerP+"/{tls}", "listener", `"default_tls_container_ref": "{second-secret}", "sni_container_refs": ["{first-secret}"]`).settling(),
	change("rotate to nothing that is", listenerP+"/{tls}", "listener", `"default_tls_container_ref": "{absent}"`),
	change("rotate to what cannot be read", listenerP+"/{tls}", "listener", `"default_tls_container_ref": "{text}"`),
	change("take SNI away", listenerP+"/{tls}", "listener", `"sni_container_refs": null`).settling(),
	change("take the certificate away", listenerP+"/{tls}", "listener", `"default_tls_container_ref": null`).settling(),
	change("put it back", listenerP+"/{tls}", "listener", `"default_tls_container_ref": "{second-secret}", "sni_container_refs": ["{first-secret}"]`).settling(),
	change("other TLS settings", listenerP+"/{tls}", "listener", `"tls_versions": ["TLSv1.3"], "tls_ciphers": "TLS_AES_256_GCM_SHA384", "alpn_protocols": ["h2"]`).settling(),
	change("TLS settings taken back", listenerP+"/{tls}", "listener", `"tls_versions": null, "tls_ciphers": null, "alpn_protocols": null`).settling(),
	change("no TLS versions later", listenerP+"/{tls}", "listener", `"tls_versions": []`),
	change("client certificates without a CA later", listenerP+"/{tls}", "listener", `"client_authentication": "OPTIONAL"`),
	change("client certificates", listenerP+"/{tls}", "listener", `"client_authentication": "OPTIONAL", "client_ca_tls_container_ref": "{certificate}"`).settling(),
	change("no client certificates", listenerP+"/{tls}", "listener", `"client_authentication": null, "client_ca_tls_container_ref": null`).settling(),
	{name: "listeners by protocol", method: "GET", path: listenerP + "?loadbalancer_id={lb}&protocol=TERMINATED_HTTPS&fields=name&fields=protocol_port"},
	{name: "delete what terminates TLS", method: "DELETE", path: listenerP + "/{sni}", settle: "lb"},
}
