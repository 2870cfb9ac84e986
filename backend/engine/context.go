package engine

import (
	"github.com/slipway-desktop/slipway/backend/control"
	"github.com/slipway-desktop/slipway/backend/docker"
)

// makeContext makes the Docker context that points to this engine. An engine
// without one is still of use through its socket, so a failure is a warning.
func (e *Engine) makeContext() {
	name := e.settings.Values().DockerContext
	if err := e.dockerContext(name).Create(); err != nil {
		e.warn(control.Warning{Code: "docker-context", Title: "The Docker context " + name + " was not made",
			Text: err.Error(), Hint: "use DOCKER_HOST=unix://" + e.home.docker() + ", or choose another name with docker/context"})
		return
	}
	e.mu.Lock()
	e.context = name
	e.mu.Unlock()
	e.clearWarning("docker-context")
}

// moveContext makes the context anew under another name.
func (e *Engine) moveContext(name string) {
	e.mu.Lock()
	same := e.context == name
	e.mu.Unlock()
	if !same {
		e.removeContext()
		e.makeContext()
	}
}

func (e *Engine) removeContext() {
	e.mu.Lock()
	name := e.context
	e.context = ""
	e.mu.Unlock()
	if name == "" {
		return
	}
	if err := e.dockerContext(name).Remove(); err != nil {
		e.log.Warn("the Docker context was not removed", "context", name, "err", err)
	}
}

func (e *Engine) dockerContext(name string) docker.Context {
	return docker.Context{Name: name, Socket: e.home.docker(), Description: "Slipway"}
}
