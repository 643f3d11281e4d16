package harness

import (
	"cmp"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"gopkg.in/yaml.v3"
)

// Cluster is a real API server.
type Cluster struct {
	kubeconfig, server string
	http               *http.Client
	made               map[string]bool // paths that go with a test
}

// resources is the path of a kind: group and version, and its plural.
var resources = map[string][2]string{
	"Namespace": {"/api/v1", "namespaces"},
	"Node":      {"/api/v1", "nodes"},
	"Service":   {"/api/v1", "services"},
	"Secret":    {"/api/v1", "secrets"},
	"Event":     {"/api/v1", "events"},
	"Ingress":   {"/apis/networking.k8s.io/v1", "ingresses"},
}

// OpenCluster reads a kubeconfig with a client certificate.
func OpenCluster(t testing.TB, kubeconfig string) *Cluster {
	t.Helper()
	text, err := os.ReadFile(kubeconfig)
	if err != nil {
		t.Fatal(err)
	}
	var k struct {
		Clusters []struct {
			Cluster struct {
				Server string
				CA     binary `yaml:"certificate-authority-data"`
			}
		}
		Users []struct {
			User struct {
				Cert binary `yaml:"client-certificate-data"`
				Key  binary `yaml:"client-key-data"`
			}
		}
	}
	if err := yaml.Unmarshal(text, &k); err != nil || len(k.Clusters) != 1 || len(k.Users) != 1 {
		t.Fatalf("%s: want one cluster and one user with certificates: %v", kubeconfig, err)
	}
	pair, err := tls.X509KeyPair(k.Users[0].User.Cert, k.Users[0].User.Key)
	if err != nil {
		t.Fatalf("%s: %v", kubeconfig, err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(k.Clusters[0].Cluster.CA)
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots, Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS12}}
	t.Cleanup(transport.CloseIdleConnections)
	return &Cluster{kubeconfig: kubeconfig, server: k.Clusters[0].Cluster.Server,
		http: &http.Client{Transport: transport, Timeout: time.Minute}, made: map[string]bool{}}
}

// binary is base64 in YAML.
type binary []byte

// UnmarshalYAML implements [yaml.Unmarshaler].
func (b *binary) UnmarshalYAML(n *yaml.Node) error {
	n.Tag = "!!binary"
	var s string
	err := n.Decode(&s)
	*b = []byte(s)
	return err
}

// Config implements [Source].
func (c *Cluster) Config() map[string]any { return map[string]any{"kubeconfig": c.kubeconfig} }

// Apply implements [Source]; a status is applied too. What it makes goes with the test.
func (c *Cluster) Apply(t testing.TB, objects ...Object) {
	t.Helper()
	for _, o := range objects {
		if path := c.path(o); !c.made[path] {
			c.made[path] = true
			t.Cleanup(func() {
				c.Delete(t, o)
				delete(c.made, path)
			})
		}
		plain := maps.Clone(o)
		status := plain["status"]
		delete(plain, "status")
		c.patch(t, c.path(o), plain)
		if status != nil {
			only := Object{"apiVersion": o["apiVersion"], "kind": o["kind"], "metadata": map[string]any{"name": o.Name()}, "status": status}
			c.patch(t, c.path(o)+"/status", only)
		}
	}
}

func (c *Cluster) patch(t testing.TB, path string, o Object) {
	t.Helper()
	header := map[string]string{"Content-Type": "application/apply-patch+yaml"}
	Eventually(t, "apply "+path, func() error {
		_, err := callWith(c.http, http.MethodPatch, c.server+path+"?fieldManager=e2e&force=true", header, o, nil)
		return err
	})
}

// Delete implements [Source].
func (c *Cluster) Delete(t testing.TB, o Object) {
	t.Helper()
	_, err := callWith(c.http, http.MethodDelete, c.server+c.path(o), nil, nil, nil)
	var s *StatusError
	if err != nil && (!errors.As(err, &s) || s.Code != http.StatusNotFound) {
		t.Errorf("delete: %v", err)
	}
}

// Get reads an object as it stands.
func (c *Cluster) Get(o Object) (Object, error) {
	var out Object
	_, err := callWith(c.http, http.MethodGet, c.server+c.path(o), nil, nil, &out)
	return out, err
}

// Events are the reasons of the Kubernetes Events about an object.
func (c *Cluster) Events(o Object) ([]string, error) {
	var out struct {
		Items []struct{ Reason, Message string }
	}
	path := fmt.Sprintf("/api/v1/namespaces/%s/events?fieldSelector=involvedObject.kind=%s,involvedObject.name=%s", o.Namespace(), o.Kind(), o.Name())
	_, err := callWith(c.http, http.MethodGet, c.server+path, nil, nil, &out)
	var all []string
	for _, e := range out.Items {
		all = append(all, e.Reason+": "+e.Message)
	}
	return all, err
}

// sweep removes what a test that was killed left in the cluster: everything in
// namespaces that begin with the prefix, them, and such nodes.
func (c *Cluster) sweep(t testing.TB, prefix string) {
	t.Helper()
	for _, kind := range []string{"Ingress", "Service", "Secret", "Node", "Namespace"} {
		var list struct {
			Items []struct {
				Metadata struct{ Name, Namespace string }
			}
		}
		r := resources[kind]
		if _, err := callWith(c.http, http.MethodGet, c.server+r[0]+"/"+r[1], nil, nil, &list); err != nil {
			t.Fatal(err)
		}
		for _, i := range list.Items {
			meta := map[string]any{"name": i.Metadata.Name}
			if i.Metadata.Namespace != "" {
				meta["namespace"] = i.Metadata.Namespace
			}
			if o := (Object{"kind": kind, "metadata": meta}); strings.HasPrefix(cmp.Or(o.Namespace(), o.Name()), prefix) {
				c.Delete(t, o)
			}
		}
	}
}

func (c *Cluster) path(o Object) string {
	r := resources[o.Kind()]
	if o.Namespace() == "" {
		return r[0] + "/" + r[1] + "/" + o.Name()
	}
	return r[0] + "/namespaces/" + o.Namespace() + "/" + r[1] + "/" + o.Name()
}
