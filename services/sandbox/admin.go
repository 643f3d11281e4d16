package sandbox

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"time"
)

// admin is for tests in other processes and for people, on the same loopback
// listener and without a token. It gives no secret away:
//
//	GET, POST, DELETE /sandbox/faults     the faults; add one (a Fault); clear
//	GET, DELETE       /sandbox/calls      the calls so far; forget them
//	GET               /sandbox/endpoints  where traffic is taken (Endpoint)
//	GET               /sandbox/broken     listeners whose certificates are gone (BrokenReference)
//	PUT               /sandbox/status     {"kind","id","status"}: force one
//	PUT               /sandbox/pending    {"seconds"}: length of PENDING states
//	DELETE            /sandbox/tokens     revoke all
func (c *Cloud) admin(w http.ResponseWriter, req *http.Request) {
	out, err := c.adminCall(req)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	reply{status: http.StatusOK, body: out}.write(w)
}

func (c *Cloud) adminCall(req *http.Request) (any, error) {
	switch req.Method + " " + req.URL.Path {
	case "GET /sandbox/faults":
		return c.Faults(), nil
	case "POST /sandbox/faults":
		var f Fault
		if err := readJSON(req, &f); err != nil {
			return nil, err
		}
		err := c.Inject(f)
		return c.Faults(), err
	case "DELETE /sandbox/faults":
		c.ClearFaults()
		return c.Faults(), nil
	case "GET /sandbox/calls":
		return c.Calls(), nil
	case "DELETE /sandbox/calls":
		c.ResetCalls()
		return c.Calls(), nil
	case "GET /sandbox/endpoints":
		return c.Endpoints(), nil
	case "GET /sandbox/broken":
		return c.BrokenReferences(), nil
	case "PUT /sandbox/status":
		var in struct{ Kind, ID, Status string }
		if err := readJSON(req, &in); err != nil {
			return nil, err
		}
		return object{}, c.SetStatus(in.Kind, in.ID, in.Status)
	case "PUT /sandbox/pending":
		var in struct{ Seconds float64 }
		if err := readJSON(req, &in); err != nil {
			return nil, err
		}
		c.SetPending(time.Duration(in.Seconds * float64(time.Second)))
		return object{}, nil
	case "DELETE /sandbox/tokens":
		c.RevokeTokens()
		return object{}, nil
	}
	return nil, errors.New("sandbox: no such call: " + req.Method + " " + req.URL.Path)
}

func readJSON(req *http.Request, into any) error {
	d := json.NewDecoder(io.LimitReader(req.Body, maxBody))
	d.DisallowUnknownFields()
	return d.Decode(into)
}

// SetPending changes how long the PENDING states that begin from here on last.
func (c *Cloud) SetPending(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.cfg.Pending = d
}
