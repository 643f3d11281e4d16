package policy_test

import (
	"context"
	"fmt"
	"time"

	"drawbridge.dev/events"
	"drawbridge.dev/services/policy"
)

// What `drawbridge plan` does: the wishes of a folder are decided in order, each
// against what those before it were given. No bus is needed.
func ExampleEngine_Decide() {
	engine, err := policy.NewEngine(context.Background(), policy.Config{})
	if err != nil {
		fmt.Println(err)
		return
	}
	inventory := policy.NewInventory()
	for i, w := range []struct{ namespace, host string }{
		{"shop", "www.example.org"}, {"blog", "*.example.org"}, {"blog", "blog.example.com"},
	} {
		e := website(w.namespace, fmt.Sprint("web-", i), w.host)
		d := engine.Decide(context.Background(), policy.Question{
			Key: e.Key, Cloud: e.Cloud, Time: time.Now(),
			Wish: events.Requested{Exposure: &e, Object: events.Object{
				NamespaceLabels: map[string]string{"drawbridge.dev/public": "true"}}}.Seal(),
			Holdings: inventory.For(e.Cloud, e.Key),
		})
		inventory.Hold(e.Cloud, e.Key, d.Exposure, uint64(i+1))
		fmt.Println(e.Key, d.Verdict, d.Rules)
	}
	// Output:
	// c1/Ingress/shop/web-0 approved []
	// c1/Ingress/blog/web-1 denied [claims]
	// c1/Ingress/blog/web-2 approved []
}

func website(namespace, name, host string) events.Exposure {
	return events.Exposure{
		Key: events.Key{Cluster: "c1", Kind: events.KindIngress, Namespace: namespace, Name: name}, UID: "u", Cloud: "default",
		Listeners: []events.Listener{{Protocol: events.HTTP, Port: 80,
			Routes: []events.Route{{Host: host, Path: "/", PathType: events.PathPrefix, Backend: "web"}}}},
		Backends: []events.Backend{{Name: "web", Protocol: events.HTTP, Members: []events.Member{{Address: "10.0.0.1", Port: 30080}}}},
	}
}
