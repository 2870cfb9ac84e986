package control

import (
	"context"
	"io"
	"time"
)

// Containers shows and steers the containers of the machine's Docker Engine.
type Containers interface {
	Containers(ctx context.Context) ([]Container, error)
	// ContainerAction does what the name says to a container named by id or name.
	ContainerAction(ctx context.Context, id string, action ContainerAction) error
	// ContainerLogs writes the last lines of a container's log (all if tail is 0),
	// and goes on with new ones if follow is set, until ctx ends.
	ContainerLogs(ctx context.Context, id string, tail int, follow bool, w io.Writer) error
}

// ContainerAction is what can be done to a container.
type ContainerAction string

// The actions.
const (
	ContainerStart   ContainerAction = "start"
	ContainerStop    ContainerAction = "stop"
	ContainerRestart ContainerAction = "restart"
	ContainerRemove  ContainerAction = "remove" // forced: a running one is killed
)

// Container is one container, as in /docker/containers.
type Container struct {
	ID        string          `json:"id"`
	Name      string          `json:"name"`
	Image     string          `json:"image"`
	Command   string          `json:"command"`
	State     string          `json:"state"`  // "created", "running", "paused", "restarting", "exited", "dead"
	Status    string          `json:"status"` // Docker's words: "Up 3 minutes"
	CreatedAt time.Time       `json:"createdAt"`
	Project   string          `json:"project,omitempty"` // compose project
	Service   string          `json:"service,omitempty"` // compose service
	Addresses []string        `json:"addresses"`
	Ports     []ContainerPort `json:"ports"`
}

// ContainerPort is a port of a container; HostPort is 0 if it is not published.
type ContainerPort struct {
	Proto         string `json:"proto"`
	HostIP        string `json:"hostIp,omitempty"`
	HostPort      int    `json:"hostPort,omitempty"`
	ContainerPort int    `json:"containerPort"`
}
