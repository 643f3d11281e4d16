package harness

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"testing"
	"time"
)

// Serve answers on the node ports of a Service at the addresses of its nodes,
// as kube-proxy and a pod would: over HTTP with the name of the Service, over
// UDP with the name and what was sent.
func Serve(t testing.TB, service string, nodes []string, ports ...Port) {
	t.Helper()
	for _, node := range nodes {
		for _, p := range ports {
			address := fmt.Sprintf("%s:%d", node, p.NodePort)
			if p.Protocol == "UDP" {
				serveUDP(t, service, address)
			} else {
				serveHTTP(t, service, address)
			}
		}
	}
}

func serveHTTP(t testing.TB, service, address string) {
	t.Helper()
	l, err := net.Listen("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	s := &http.Server{ReadHeaderTimeout: time.Minute, Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprint(w, service)
	})}
	go func() { _ = s.Serve(l) }() // ends with Close
	t.Cleanup(func() { s.Close() })
}

func serveUDP(t testing.TB, service, address string) {
	t.Helper()
	c, err := net.ListenPacket("udp", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	go func() {
		buffer := make([]byte, 1500)
		for {
			n, from, err := c.ReadFrom(buffer)
			if err != nil {
				return
			}
			_, _ = c.WriteTo(append([]byte(service+" "), buffer[:n]...), from) // a lost answer is asked for again
		}
	}()
}

// GetHTTP asks address for a path of a host, over a connection of its own, and
// returns the status and the body.
func GetHTTP(address, host, path string) (int, string, error) {
	req, err := http.NewRequest(http.MethodGet, "http://"+address+path, nil)
	if err != nil {
		return 0, "", err
	}
	if host != "" {
		req.Host = host
	}
	c := &http.Client{Timeout: 5 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := c.Do(req)
	if err != nil {
		return 0, "", err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	return resp.StatusCode, string(body), err
}

// AskUDP sends one datagram and returns the answer.
func AskUDP(address, text string) (string, error) {
	c, err := net.Dial("udp", address)
	if err != nil {
		return "", err
	}
	defer c.Close()
	if err := c.SetDeadline(time.Now().Add(time.Second)); err != nil {
		return "", err
	}
	if _, err := io.WriteString(c, text); err != nil {
		return "", err
	}
	buffer := make([]byte, 1500)
	n, err := c.Read(buffer)
	return string(buffer[:n]), err
}
