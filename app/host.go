package app

import (
	"context"
	"fmt"

	"github.com/slipway-desktop/slipway/backend/control"
	"github.com/slipway-desktop/slipway/backend/engine"
)

// A host is an engine that runs in this process.
type host struct {
	cancel context.CancelFunc
	ended  chan struct{}
	err    error // why it ended; set before ended is closed
}

// host runs an engine in this process until shutdown. The one before has ended.
func (s *shell) host() (*host, error) {
	image := s.config.image
	if image == "" {
		found, err := engine.FindImage()
		if err != nil {
			return nil, err
		}
		image = found
	}
	e, err := engine.New(engine.Options{Home: s.config.home, Image: image, Version: s.config.version})
	if err != nil {
		return nil, fmt.Errorf("make an engine: %w", err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	h := &host{cancel: cancel, ended: make(chan struct{})}
	s.mu.Lock()
	s.hosted = h
	s.mu.Unlock()
	go func() { // owned by stop
		defer close(h.ended)
		h.err = e.Run(ctx)
		cancel()
	}()
	return h, nil
}

func (h *host) live() bool {
	select {
	case <-h.ended:
		return false
	default:
		return true
	}
}

// failure is why the engine, which has ended, did so.
func (h *host) failure() error {
	if h.err != nil {
		return h.err
	}
	return control.Errorf(control.CodeUnavailable, "the engine has stopped")
}

// stop ends the engine and waits until its machine is down.
func (h *host) stop() {
	h.cancel()
	<-h.ended
}
