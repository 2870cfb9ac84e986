package engine

import (
	"context"
	"errors"
	"io"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/slipway-desktop/slipway/backend/control"
	"github.com/slipway-desktop/slipway/backend/docker"
)

// containers is the engine as control.Containers.
type containers Engine

func (c *containers) Containers(context.Context) ([]control.Container, error) {
	out := []control.Container{}
	b := (*Engine)(c).currentBoot()
	if b == nil {
		return out, nil
	}
	for _, item := range b.listed() {
		out = append(out, container(item))
	}
	return out, nil
}

func container(c docker.Container) control.Container {
	out := control.Container{
		ID: c.ID, Name: c.Name, Image: c.Image, Command: c.Command, State: c.State, Status: c.Status, CreatedAt: c.CreatedAt,
		Project: c.Compose.Project, Service: c.Compose.Service, Addresses: c.Addresses, Ports: []control.ContainerPort{},
	}
	seen := map[control.ContainerPort]bool{} // Docker lists each port twice, for IPv4 and IPv6
	for _, p := range c.Ports {
		port := control.ContainerPort{Proto: p.Proto, HostPort: int(p.HostPort), ContainerPort: int(p.ContainerPort)}
		if !seen[port] {
			seen[port] = true
			port.HostIP = p.HostIP
			out.Ports = append(out.Ports, port)
		}
	}
	return out
}

func (c *containers) ContainerAction(ctx context.Context, id string, action control.ContainerAction) error {
	client, err := (*Engine)(c).dockerClient()
	if err != nil {
		return err
	}
	switch action {
	case control.ContainerStart:
		err = client.Start(ctx, id)
	case control.ContainerStop:
		err = client.Stop(ctx, id)
	case control.ContainerRestart:
		err = client.Restart(ctx, id)
	case control.ContainerRemove:
		err = client.Remove(ctx, id)
	default:
		return control.Errorf(control.CodeInvalid, "%q is not something a container can do", action).
			WithHint("use start, stop, restart or remove")
	}
	return dockerError(err)
}

func (c *containers) ContainerLogs(ctx context.Context, id string, tail int, follow bool, w io.Writer) error {
	client, err := (*Engine)(c).dockerClient()
	if err != nil {
		return err
	}
	return dockerError(client.Logs(ctx, id, docker.LogsOptions{Tail: tail, Follow: follow}, w))
}

// dockerClient returns a client of the guest's Docker Engine, if there is one.
func (e *Engine) dockerClient() (*docker.Client, error) {
	b := e.currentBoot()
	if b == nil || b.currentSession() == nil {
		return nil, errNotRunning
	}
	return docker.NewClient(e.dialDocker), nil
}

// listed returns the containers that the watch last saw.
func (b *boot) listed() []docker.Container {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Clone(b.containers)
}

// watchContainers keeps the list, and the names of flows, up to date.
func (b *boot) watchContainers(ctx context.Context) error {
	for list := range docker.NewClient(b.e.dialDocker).Watch(ctx) {
		slices.SortFunc(list, func(x, y docker.Container) int { return strings.Compare(x.Name, y.Name) })
		b.mu.Lock()
		b.containers = list
		b.mu.Unlock()
		b.e.names.learn(list)
		// The recording asks for missing names when somebody looks. Look now: a
		// container may be gone before anybody else does.
		b.e.capture.Flows()
		b.settle()
		b.e.hub.changed(control.TopicContainers, control.TopicPorts, control.TopicFlows)
	}
	return nil
}

// watchGuest reads the guest's gauges while somebody follows the events.
func (b *boot) watchGuest(ctx context.Context) error {
	tick := time.NewTicker(gaugeInterval)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		if session := b.currentSession(); session != nil && b.e.hub.followed() {
			b.readGuest(ctx, session)
		}
	}
}

// errNotRunning answers what only a running machine can do.
var errNotRunning = &control.Error{
	Code: control.CodeUnavailable, Message: "the machine is not running",
	Hint: "start it with `slipway up` or in the window", Err: docker.ErrNotRunning,
}

// dockerError gives an answer of dockerd the form that the tree carries.
func dockerError(err error) error {
	var refused *docker.Error
	switch {
	case err == nil:
		return nil
	case errors.Is(err, docker.ErrNotRunning):
		return errNotRunning
	case errors.As(err, &refused):
		code := control.CodeInternal
		switch refused.Status {
		case http.StatusNotFound:
			code = control.CodeNotFound
		case http.StatusConflict:
			code = control.CodeConflict
		case http.StatusBadRequest:
			code = control.CodeInvalid
		}
		return &control.Error{Code: code, Message: refused.Message, Err: err}
	}
	return controlError(err)
}

// checkBind answers whether a container may mount a path of the host.
func (e *Engine) checkBind(path string) error {
	b := e.currentBoot()
	if b == nil {
		return errNotRunning
	}
	return b.shares.Contains(path)
}
