package engine

import (
	"context"
	"maps"
	"os"
	"os/user"
	"slices"
	"sync"
	"time"

	"github.com/slipway-desktop/slipway/backend/control"
	"github.com/slipway-desktop/slipway/backend/vm"
)

// Status returns one snapshot of everything.
func (e *Engine) Status(ctx context.Context) (control.Status, error) {
	s := control.Status{
		Home: e.options.Home, PID: os.Getpid(), StartedAt: e.began,
		Versions: control.Versions{Slipway: e.options.Version, Hypervisor: e.hypervisor(), Guest: map[string]string{}},
		Machine:  e.machineStatus(),
		Docker:   control.DockerStatus{State: "stopped", Host: "unix://" + e.home.docker()},
		Settings: e.settingsState(ctx),
	}
	e.mu.Lock()
	s.Docker.Context = e.context
	for _, code := range slices.Sorted(maps.Keys(e.warnings)) {
		s.Warnings = append(s.Warnings, e.warnings[code])
	}
	e.mu.Unlock()
	if s.Warnings == nil {
		s.Warnings = []control.Warning{}
	}
	if b := e.currentBoot(); b != nil {
		b.fill(&s)
	}
	return s, nil
}

// fill adds what only a machine that is there has.
func (b *boot) fill(s *control.Status) {
	session, facts := b.guest()
	s.Docker.State = "starting"
	if session != nil {
		s.Guest.Connected = true
		maps.Copy(s.Versions.Guest, facts.Versions)
		if facts.Address.IsValid() {
			s.Guest.Address = facts.Address.String()
		}
		s.Docker.Problem = facts.Problem
		if facts.Docker != "" {
			s.Docker.State = facts.Docker
		}
	}
	n := b.net.Stats()
	in, out := b.e.gauge.rates()
	s.Network = control.NetworkStatus{
		Gateway: b.plan.gateway.String(),
		BytesIn: n.ToGuest.Bytes, BytesOut: n.FromGuest.Bytes, RateIn: in, RateOut: out,
		Flows:   int(n.TCPOut.Active + n.TCPIn.Active + n.UDPOut.Active + n.UDPIn.Active + n.ICMP.Active),
		Dropped: n.Drops.Malformed + n.Drops.QueueFull + n.Drops.Spoofed + n.Drops.NoLink,
	}
}

// hypervisor names the driver's program with its version, where it has one.
func (e *Engine) hypervisor() string {
	if d, ok := e.driver.(interface{ Version() string }); ok {
		return d.Version()
	}
	return e.driver.Name()
}

func userName() string {
	if u, err := user.Current(); err == nil && u.Username != "" {
		return u.Username
	}
	return "user"
}

// Events follows all topics.
func (e *Engine) Events(ctx context.Context, fn func(control.Event) error) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	stop := context.AfterFunc(e.life, cancel)
	defer stop()
	var flows, lines uint64
	first := true
	return e.hub.follow(ctx, map[control.Topic]snapshot{
		control.TopicStatus:     func(ctx context.Context) (any, error) { return e.Status(ctx) },
		control.TopicStats:      func(ctx context.Context) (any, error) { return (*machine)(e).Stats(ctx) },
		control.TopicContainers: func(ctx context.Context) (any, error) { return (*containers)(e).Containers(ctx) },
		control.TopicPorts:      func(ctx context.Context) (any, error) { return (*ports)(e).Ports(ctx) },
		control.TopicCapture:    func(context.Context) (any, error) { return e.capture.Status(), nil },
		control.TopicData:       func(ctx context.Context) (any, error) { return e.dataState(ctx) },
		control.TopicPipelines:  func(context.Context) (any, error) { return e.latestRuns(), nil },
		control.TopicSettings:   func(ctx context.Context) (any, error) { return e.settingsState(ctx), nil },
		control.TopicFlows: func(context.Context) (any, error) {
			changes := e.capture.FlowsSince(flows)
			first := flows == 0
			flows = changes.Seq
			if !first && len(changes.Changed)+len(changes.Removed) == 0 && !changes.Reset {
				return nil, nil
			}
			changes.Reset = changes.Reset || first
			return changes, nil
		},
		control.TopicLog: func(context.Context) (any, error) {
			fresh, next := e.book.since(lines)
			lines = next
			if len(fresh) == 0 && !first {
				return nil, nil
			}
			first = false
			return fresh, nil
		},
	}, fn)
}

// A gauge holds the last readings and what rates are made from.
type gauge struct {
	mu      sync.Mutex
	stats   control.Stats
	in, out uint64
	at      time.Time
	rateIn  float64
	rateOut float64
	cpuTime time.Duration
}

func (g *gauge) rates() (in, out float64) {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.rateIn, g.rateOut
}

// gaugeInterval is how often gauges are read while somebody looks.
const gaugeInterval = time.Second

// watchGauges reads the gauges while somebody follows the events, and marks
// the topics that change by themselves.
func (e *Engine) watchGauges(ctx context.Context) error {
	tick := time.NewTicker(gaugeInterval)
	defer tick.Stop()
	var seen uint64
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		if !e.hub.followed() {
			continue
		}
		e.gauge.readEngine()
		b := e.currentBoot()
		if b == nil {
			continue
		}
		e.gauge.readNetwork(b)
		topics := []control.Topic{control.TopicStats, control.TopicStatus, control.TopicPorts}
		// A flow's rate goes on changing after its last packet, until it has scrolled out.
		topics = append(topics, control.TopicFlows)
		if now := e.capture.Status(); now.Last != seen {
			seen = now.Last
			topics = append(topics, control.TopicCapture)
		}
		e.hub.changed(topics...)
	}
}

func (g *gauge) readEngine() {
	cpu, memory := processUsage()
	now := time.Now()
	g.mu.Lock()
	defer g.mu.Unlock()
	if elapsed := now.Sub(g.at); !g.at.IsZero() && elapsed > 0 {
		g.stats.EngineCPU = 100 * float64(cpu-g.cpuTime) / float64(elapsed)
	}
	g.stats.EngineMemory = memory
	g.cpuTime, g.at = cpu, now
}

func (g *gauge) readNetwork(b *boot) {
	n := b.net.Stats()
	size, _ := diskOnHost(b.e.dataDisk()) // a gauge: 0 says enough
	g.mu.Lock()
	defer g.mu.Unlock()
	seconds := gaugeInterval.Seconds()
	if n.ToGuest.Bytes >= g.in && n.FromGuest.Bytes >= g.out { // else a new boot
		g.rateIn = float64(n.ToGuest.Bytes-g.in) / seconds
		g.rateOut = float64(n.FromGuest.Bytes-g.out) / seconds
	}
	g.in, g.out = n.ToGuest.Bytes, n.FromGuest.Bytes
	g.stats.DiskOnHost = size
}

// Stats returns the last reading.
func (m *machine) Stats(context.Context) (control.Stats, error) {
	e := (*Engine)(m)
	if state := e.supervisor.Status().State; state != vm.Running && state != vm.Paused {
		e.gauge.mu.Lock()
		defer e.gauge.mu.Unlock()
		return control.Stats{Time: time.Now(), EngineCPU: e.gauge.stats.EngineCPU, EngineMemory: e.gauge.stats.EngineMemory}, nil
	}
	e.gauge.mu.Lock()
	defer e.gauge.mu.Unlock()
	return e.gauge.stats, nil
}
