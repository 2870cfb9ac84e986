package app

import (
	"context"
	"sync"

	"github.com/slipway-desktop/slipway/backend/engine"
)

// A host runs the engine in this process.
type host struct {
	mu     sync.Mutex
	cancel context.CancelFunc
	ended  chan struct{} // closed when the engine has ended; err is set before
	err    error
}

// start begins to run an engine unless one runs here already.
func (h *host) start(s *shell) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.live() {
		return nil
	}
	image := s.config.image
	if image == "" {
		found, err := engine.FindImage()
		if err != nil {
			return err
		}
		image = found
	}
	e, err := engine.New(engine.Options{Home: s.config.home, Image: image, Version: s.config.version})
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(context.Background())
	h.cancel, h.ended, h.err = cancel, make(chan struct{}), nil
	ended := h.ended
	s.own(func() {
		defer close(ended)
		h.err = e.Run(ctx)
		cancel()
	})
	return nil
}

func (h *host) live() bool {
	select {
	case <-h.ended:
		return false
	default:
		return true
	}
}

func (h *host) running() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.live()
}

// stop ends the engine and waits until its machine is down.
func (h *host) stop() {
	h.mu.Lock()
	cancel, ended := h.cancel, h.ended
	h.mu.Unlock()
	if cancel != nil {
		cancel()
	}
	<-ended
}
