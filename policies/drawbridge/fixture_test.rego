package drawbridge_test

# A public web site that every rule allows, with the settings that the tests of
# the rules change.
settings := {
	"hosts": {"suffixes": {"*": ["example.org"], "open": ["*"], "c2/shop": ["shop.test"]}},
	"public": {"label": "drawbridge.dev/public", "value": "true", "otherwise": "deny"},
	"internal": {"sources": ["10.0.0.0/8", "192.168.0.0/16"]},
	"ports": {"forbidden": [22, 3389], "exceptions": {"*": [], "bastion": [22]}},
	"limits": {"loadBalancers": {"*": 3, "small": 1}},
	"approval": {"label": "drawbridge.dev/approval", "value": "required"},
	"flavors": {"namespaces": {"gold": "ha"}},
	"groups": {"members": {"*": [], "guest": ["edge", "public*"]}},
	"placement": {
		"additionalSubnets": {"*": ["blue", "green"]},
		"class": {"*": ["*"]},
		"floatingAddress": {"*": ["203.0.113.*"]},
		"floatingNetwork": {"*": ["*"]},
		"floatingSubnet": {"*": ["*"]},
		"loadBalancer": {"*": [], "migrated": ["*"]},
		"port": {"*": []},
		"subnet": {"*": ["*"]},
	},
	"tls": {"required": {"*": false, "strict": true}, "minimum": {"strict": "TLSv1.3"}},
	"protection": {"required": {"*": false, "vault": true}},
	"replace": {"allowed": {"*": true, "vip": false}},
	"waive": {"clouds": {"ovn": ["timeouts", "headers"]}},
}

question := {
	"wish": {
		"key": {"cluster": "c1", "kind": "Ingress", "namespace": "shop", "name": "web"},
		"uid": "u1",
		"cloud": "default",
		"listeners": [{"protocol": "HTTP", "port": 80, "backend": "shop/web:80", "routes": [{
			"host": "www.example.org", "path": "/", "pathType": "Prefix", "backend": "shop/web:80",
		}]}],
		"backends": [{"name": "shop/web:80", "protocol": "HTTP", "members": []}],
	},
	"object": {"labels": {}, "annotations": {}, "namespaceLabels": {"drawbridge.dev/public": "true"}},
	"cluster": {"name": "c1", "labels": {}},
	"approved": null,
	"inventory": {"claims": {}, "loadBalancers": 0, "group": null, "conflicts": []},
	"time": "2026-01-01T00:00:00Z",
}

# with_change is the question with one JSON patch operation applied.
with_change(op, path, value) := json.patch(question, [{"op": op, "path": path, "value": value}])

with_host(host) := with_change("replace", "/wish/listeners/0/routes/0/host", host)

with_namespace(namespace) := with_change("replace", "/wish/key/namespace", namespace)
