package guest

import "time"

// Services of the agent, and what a stream of each carries.
const (
	// ServiceFacts: the agent sends Facts at once and whenever they change.
	ServiceFacts = "facts"
	// ServiceStats: the agent sends Stats every second until the stream closes.
	ServiceStats = "stats"
	// ServiceTime: the host sends one TimeMessage, the agent one Reply.
	ServiceTime = "time"
	// ServicePing: the agent sends back each PingMessage.
	ServicePing = "ping"
	// ServiceShutdown: the agent sends one Reply and then ends the machine.
	ServiceShutdown = "shutdown"
	// ServiceDocker: a channel.Conn to dockerd's socket.
	ServiceDocker = "docker"
	// ServicePorts: the agent sends PortMessages, the host a PortReply for each, in
	// order. There is one such stream; its end takes back all ports.
	ServicePorts = "ports"
)

// Reply is the end of a question; an empty Error is success.
type Reply struct {
	Error string `json:"error,omitempty"`
}

// TimeMessage carries the host's clock.
type TimeMessage struct {
	Time time.Time `json:"time"`
}

// PingMessage carries a number to be sent back.
type PingMessage struct {
	N uint64 `json:"n"`
}

// PortMessage asks the host to expose Port under the number ID, or, without Port, to
// take back what it exposed under ID.
type PortMessage struct {
	ID   uint64       `json:"id"`
	Port *PortRequest `json:"port,omitempty"`
}

// PortReply answers the PortMessage of the same ID: the port as granted, or an error
// for the person who asked.
type PortReply struct {
	ID    uint64       `json:"id"`
	Port  *PortRequest `json:"port,omitempty"`
	Error string       `json:"error,omitempty"`
}
