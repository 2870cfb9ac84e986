package engine

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"time"

	"github.com/slipway-desktop/slipway/backend/control"
	"github.com/slipway-desktop/slipway/backend/guest"
	"github.com/slipway-desktop/slipway/backend/vm"
)

// guestSide is what the supervisor asks of the engine.
type guestSide Engine

var errNoAgent = errors.New("the guest's agent is not there")

// Boot connects to the agent and returns when Docker answers.
func (g *guestSide) Boot(ctx context.Context, m vm.Instance, phase func(string)) error {
	b := (*Engine)(g).currentBoot()
	if b == nil {
		return errors.New("the boot was given up")
	}
	session, err := b.connect(ctx, m)
	if err != nil {
		return err
	}
	b.own("agent", func(ctx context.Context) error { return b.keepSession(ctx, m, session) })
	return b.awaitDocker(ctx, session, phase)
}

// awaitDocker follows what the guest tells of itself until Docker is ready, and
// names the phases of the boot by it: the network until there is an address, the
// agent until disk and folders are there, then Docker Engine.
func (b *boot) awaitDocker(ctx context.Context, session *guest.Session, phase func(string)) error {
	phase(vm.PhaseNetwork)
	for facts := range session.WatchFacts(ctx) {
		if facts.Address.IsValid() {
			phase(vm.PhaseAgent)
		}
		if facts.Address.IsValid() && slices.ContainsFunc(facts.Phases, func(p guest.Phase) bool { return p.Name == preparedPhase }) {
			phase(vm.PhaseEngine)
		}
		switch facts.Docker {
		case guest.DockerReady:
			b.own("containers", b.watchContainers)
			return nil
		case guest.DockerFailed:
			problem := facts.Problem
			if problem == "" {
				problem = "Docker did not start in the guest."
			}
			return &vm.Fault{Code: vm.CodeBoot, Message: problem, Hint: "Look at the console for what dockerd said."}
		}
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	return errNoAgent
}

// preparedPhase is the agent's last step before it starts Docker.
const preparedPhase = "shares"

// Shutdown asks the guest to power off.
func (g *guestSide) Shutdown(ctx context.Context) error {
	b := (*Engine)(g).currentBoot()
	if b == nil {
		return errNoAgent
	}
	session := b.currentSession()
	if session == nil {
		return errNoAgent
	}
	return session.Shutdown(ctx)
}

// connect begins a session with the agent.
func (b *boot) connect(ctx context.Context, m vm.Instance) (*guest.Session, error) {
	conn, err := m.Agent(ctx)
	if err != nil {
		return nil, fmt.Errorf("open the agent channel: %w", err)
	}
	return guest.Connect(ctx, conn, guest.Options{
		Expose: b.expose, Unexpose: b.unexpose, Log: b.e.log,
	})
}

// reconnectPause is the least time between two sessions.
const reconnectPause = 500 * time.Millisecond

// keepSession runs the session, and a new one each time the agent went away, until
// the machine is down.
func (b *boot) keepSession(ctx context.Context, m vm.Instance, session *guest.Session) error {
	for {
		b.setSession(session)
		follow, stop := context.WithCancel(ctx)
		watch := session.WatchFacts(follow)
		followed := make(chan struct{})
		go func() { // ends with the session: WatchFacts closes its channel
			defer close(followed)
			for facts := range watch {
				b.setFacts(facts)
			}
		}()
		err := session.Run(ctx)
		stop()
		<-followed
		b.setSession(nil)
		if ctx.Err() != nil {
			return nil
		}
		b.e.log.Warn("the guest's agent went away", "err", err)
		for session = nil; session == nil; {
			select {
			case <-ctx.Done():
				return nil
			case <-m.Done():
				return nil
			case <-time.After(reconnectPause):
			}
			if session, err = b.connect(ctx, m); err != nil && ctx.Err() == nil {
				b.e.log.Warn("the guest's agent does not answer", "err", err)
			}
		}
	}
}

func (b *boot) setSession(s *guest.Session) {
	b.mu.Lock()
	b.session = s
	b.mu.Unlock()
	b.e.hub.changed(control.TopicStatus)
}

func (b *boot) currentSession() *guest.Session {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.session
}

func (b *boot) setFacts(f guest.Facts) {
	b.mu.Lock()
	b.facts = f
	b.mu.Unlock()
	b.e.hub.changed(control.TopicStatus)
}

// guest returns the session, nil while there is none, and what the guest last told.
func (b *boot) guest() (*guest.Session, guest.Facts) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.session, b.facts
}

// readGuest takes in the guest's gauges until nobody follows the events any more.
func (b *boot) readGuest(ctx context.Context, session *guest.Session) {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	for s := range session.Stats(ctx) {
		g := &b.e.gauge
		g.mu.Lock()
		g.stats.Time, g.stats.CPUPercent = s.Time, s.CPU
		g.stats.MemoryUsed, g.stats.MemoryTotal = s.MemoryUsed, s.MemoryTotal
		g.stats.DiskUsed, g.stats.DiskTotal = s.DiskUsed, s.DiskTotal
		g.mu.Unlock()
		if !b.e.hub.followed() {
			return
		}
		b.e.hub.changed(control.TopicStats)
	}
}

// dialDocker connects to Docker's socket in the guest.
func (e *Engine) dialDocker(ctx context.Context) (net.Conn, error) {
	if b := e.currentBoot(); b != nil {
		if session := b.currentSession(); session != nil {
			return session.DialDocker(ctx)
		}
	}
	return nil, errNotRunning
}

func (e *Engine) currentBoot() *boot {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.boot
}
