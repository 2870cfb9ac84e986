package capture

import (
	"context"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/slipway-desktop/slipway/backend/packet"
)

// Capture keeps the last frames and the flows. Make one with New; all methods
// may be called at the same time.
type Capture struct {
	snaplen  atomic.Int64 // read on the data path without the lock
	maxBytes int64
	examine  uint64 // packets one Query may look at
	now      func() time.Time
	log      *slog.Logger

	mu        sync.Mutex // held for at most one frame's copy, or one walk of the flow table
	ring      ring
	flows     flowTable
	names     names
	recording bool
	startedAt time.Time
	base      uint64 // number of the last packet before startedAt
	seenBytes uint64
	paused    uint64
	watchers  map[chan struct{}]struct{}
	followers int
}

// New returns a Capture that is recording. It starts nothing and allocates
// little: the ring grows as frames come.
func New(o Options) *Capture {
	if o.MaxFlows <= 0 {
		o.MaxFlows = DefaultMaxFlows
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	maxBytes := boundOf(o.MaxBytes)
	c := &Capture{
		maxBytes: maxBytes, examine: maxExamined, now: o.Now, log: o.Log,
		ring: newRing(maxBytes), names: newNames(o.Names),
		recording: true, startedAt: o.Now(), watchers: map[chan struct{}]struct{}{},
	}
	c.snaplen.Store(int64(max(o.Snaplen, 0)))
	c.flows = newFlowTable(o.MaxFlows, c.names.keep)
	return c
}

// boundOf is the ring's bound that Options.MaxBytes asks for.
func boundOf(maxBytes int64) int64 {
	if maxBytes == 0 {
		return DefaultMaxBytes
	}
	return max(maxBytes, MinMaxBytes)
}

// Resize changes how much is kept, from now on: MaxBytes and Snaplen as in Options.
// A smaller ring forgets its oldest packets at once.
func (c *Capture) Resize(maxBytes int64, snaplen int) {
	c.snaplen.Store(int64(max(snaplen, 0)))
	c.mu.Lock()
	defer c.mu.Unlock()
	c.maxBytes = boundOf(maxBytes)
	c.ring.resize(c.maxBytes)
}

// Frame records a frame that passed at the time. It copies what it keeps; a
// frame longer than packet.MaxFrame is cut to that.
func (c *Capture) Frame(at time.Time, dir Direction, frame []byte) {
	wire := len(frame)
	frame = frame[:min(wire, packet.MaxFrame)]
	var p packet.Parsed
	p.Decode(frame)
	kept := frame
	if n := int(c.snaplen.Load()); n > 0 && len(kept) > n {
		kept = kept[:n]
	}

	c.mu.Lock()
	if !c.recording {
		c.paused++
	} else {
		c.record(&p, at, dir, wire, kept)
	}
	c.mu.Unlock()
}

func (c *Capture) record(p *packet.Parsed, at time.Time, dir Direction, wire int, kept []byte) {
	var id uint64
	if f, began := c.flows.add(p, at, dir, wire); f != nil {
		id = f.id
		c.names.note(f, p)
		if began {
			c.names.resolve(f, at)
		}
	}
	c.names.learn(p, dir)
	c.ring.append(at, dir, wire, id, kept)
	c.seenBytes += uint64(wire)
	for w := range c.watchers {
		select {
		case w <- struct{}{}:
		default:
		}
	}
}

// Pause stops recording; frames that pass are counted and not kept.
func (c *Capture) Pause() { c.setRecording(false) }

// Resume starts recording again.
func (c *Capture) Resume() { c.setRecording(true) }

func (c *Capture) setRecording(on bool) {
	c.mu.Lock()
	changed := c.recording != on
	c.recording = on
	c.mu.Unlock()
	if changed {
		c.log.Info("recording changed", "recording", on)
	}
}

// Clear forgets all packets and flows and sets the counters to 0. Names are
// kept, and packet and flow numbers go on, so that nobody takes a new packet for
// an old one.
func (c *Capture) Clear() {
	now := c.now()
	c.mu.Lock()
	defer c.mu.Unlock()
	c.ring.clear()
	c.flows.clear()
	c.startedAt, c.base = now, c.ring.next-1
	c.seenBytes, c.paused = 0, 0
}

// Status returns the counters.
func (c *Capture) Status() Status {
	c.mu.Lock()
	defer c.mu.Unlock()
	first, last := c.ring.bounds()
	seen := last - c.base
	return Status{
		Recording: c.recording, StartedAt: c.startedAt,
		Packets: c.ring.packets(), Bytes: c.ring.bytes(), MaxBytes: c.maxBytes, Snaplen: int(c.snaplen.Load()),
		First: first, Last: last,
		Seen: seen, SeenBytes: c.seenBytes, Dropped: seen - c.ring.packets(), Paused: c.paused,
		Flows: len(c.flows.byID), MaxFlows: c.flows.max, FlowsDropped: c.flows.dropped,
		NamesDropped: c.names.dns.dropped + c.names.parties.dropped,
		Followers:    c.followers,
	}
}

// Wait returns when a packet with a number greater than after has been
// recorded, or with ctx's error when ctx ends. Whoever shows packets as they
// come waits, asks for a page, and takes a breath before the next Wait.
func (c *Capture) Wait(ctx context.Context, after uint64) error {
	wake := make(chan struct{}, 1)
	c.mu.Lock()
	c.watchers[wake] = struct{}{}
	c.mu.Unlock()
	defer func() {
		c.mu.Lock()
		delete(c.watchers, wake)
		c.mu.Unlock()
	}()
	for {
		c.mu.Lock()
		last := c.ring.next - 1
		c.mu.Unlock()
		if last > after {
			return nil
		}
		select {
		case <-wake:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}
