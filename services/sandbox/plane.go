package sandbox

type plane struct{}

func newPlane(*Cloud) *plane          { return &plane{} }
func (p *plane) apply(string)         {}
func (p *plane) remove(string)        {}
func (p *plane) refresh()             {}
func (p *plane) close()               {}
func (p *plane) health(string) string { return online }
func (p *plane) stats(string) object {
	return object{"bytes_in": 0, "bytes_out": 0, "active_connections": 0, "total_connections": 0, "request_errors": 0}
}

type Endpoint struct{}

func (c *Cloud) Endpoints() []Endpoint { return nil }

type Nodes struct{}
