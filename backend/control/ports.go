package control

import "context"

// Ports shows and changes what is reachable from the host.
type Ports interface {
	Ports(ctx context.Context) ([]Port, error)
	// AddPort makes a forward of the user's own, recorded in the setting
	// net/forwards. A taken host port fails with CodeTaken and names the holder.
	AddPort(ctx context.Context, p PortRequest) (Port, error)
	// RemovePort removes a forward of the user's own. One that Docker published
	// is refused with the container to stop instead.
	RemovePort(ctx context.Context, id string) error
}

// PortRequest asks for a forward. HostPort 0 lets the host choose.
type PortRequest struct {
	Proto    string `json:"proto"`  // "tcp" or "udp"
	HostIP   string `json:"hostIp"` // "" means 127.0.0.1
	HostPort int    `json:"hostPort"`
	Target   string `json:"target"` // "container:port" or "address:port"
}

// Port is a published port or a forward of the user's own, as in /net/ports/list.
type Port struct {
	ID          string `json:"id"`
	Proto       string `json:"proto"`
	HostIP      string `json:"hostIp"`
	HostPort    int    `json:"hostPort"`
	TargetIP    string `json:"targetIp"`
	TargetPort  int    `json:"targetPort"`
	Target      string `json:"target"` // container name where known, else the address
	Origin      string `json:"origin"` // "docker" or "manual"
	State       string `json:"state"`  // "open", "waiting" (target not there), "failed"
	Message     string `json:"message,omitempty"`
	Hint        string `json:"hint,omitempty"`
	URL         string `json:"url,omitempty"` // for tcp
	Connections int    `json:"connections"`   // open now
	BytesIn     uint64 `json:"bytesIn"`       // towards the guest
	BytesOut    uint64 `json:"bytesOut"`
}
