package capture

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"runtime"
	"time"

	"github.com/slipway-desktop/slipway/backend/capture/pcapng"
)

// ErrTooManyFollowers is returned by Follow beyond MaxFollowers.
var ErrTooManyFollowers = errors.New("too many programs follow the capture; stop one of them")

// WritePcapng writes the packets in the ring that match the filter as a pcapng
// file and returns how many those were. Packets that come meanwhile are left
// out; packets pushed out of the ring before a slow w took them are counted in
// the file's last block.
//
// Names known at that time go into the file as name resolution blocks, and as a
// comment on the first packet of each flow. Nothing is redacted.
func (c *Capture) WritePcapng(ctx context.Context, w io.Writer, filter string) (int, error) {
	x, err := c.newExport(w, filter)
	if err != nil {
		return 0, err
	}
	c.mu.Lock()
	first, last := c.ring.bounds()
	c.mu.Unlock()
	if first > 0 {
		x.next = first
		if err := x.upTo(ctx, last); err != nil {
			return x.written, err
		}
	}
	return x.written, x.finish()
}

// Follow writes a pcapng file that begins with the next packet and goes on until
// ctx ends, then returns nil. The header is written at once, packets as soon as
// there are no more to write with them. A reader too slow for the ring loses
// packets; the packet after the gap and the last block say how many.
//
// A Write that blocks holds Follow up beyond ctx: close w to end that.
func (c *Capture) Follow(ctx context.Context, w io.Writer, filter string) error {
	x, err := c.newExport(w, filter)
	if err != nil {
		return err
	}
	wake, next, err := c.follow()
	if err != nil {
		return err
	}
	x.next = next
	defer c.unfollow(wake)
	if err := x.out.Flush(); err != nil {
		return err
	}
	for {
		c.mu.Lock()
		last := c.ring.next - 1
		c.mu.Unlock()
		if err := x.upTo(ctx, last); err != nil && ctx.Err() == nil {
			return err
		}
		if err := x.out.Flush(); err != nil {
			return err
		}
		select {
		case <-wake:
		case <-ctx.Done():
			return x.finish()
		}
	}
}

// follow registers a follower: what wakes it, and the first packet it will get.
func (c *Capture) follow() (wake chan struct{}, next uint64, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.followers == MaxFollowers {
		return nil, 0, ErrTooManyFollowers
	}
	c.followers++
	wake = make(chan struct{}, 1)
	c.watchers[wake] = struct{}{}
	return wake, c.ring.next, nil
}

func (c *Capture) unfollow(wake chan struct{}) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.followers--
	delete(c.watchers, wake)
}

// export writes packets to a pcapng file in order.
type export struct {
	c       *Capture
	out     *pcapng.Writer
	view    *view
	filter  *Filter
	next    uint64 // the packet to look at
	started time.Time
	seen    uint64 // packets looked at
	lost    uint64 // packets gone before they could be
	gap     uint64 // of those, since the last one written
	written int
	named   map[netip.Addr]string // names already in the file
	flows   map[uint64]struct{}   // flows already commented on
}

// maxNoted bounds what an export remembers; beyond it, it may repeat itself.
const maxNoted = 1 << 16

func (c *Capture) newExport(w io.Writer, filter string) (*export, error) {
	f, err := Compile(filter)
	if err != nil {
		return nil, err
	}
	comment := "Not redacted: holds what was sent, secrets included."
	if filter != "" {
		comment += " Filter: " + filter
	}
	h := pcapng.Header{
		Hardware: runtime.GOARCH, OS: runtime.GOOS, Application: "Slipway", Comment: comment,
		Interface: "slipway0", Description: "the Linux machine's network interface",
		// No snaplen: Resize changes it, and the ring may hold longer frames.
	}
	return &export{
		c: c, out: pcapng.NewWriter(w, h), view: c.newView(), filter: f, started: c.now(),
		named: map[netip.Addr]string{}, flows: map[uint64]struct{}{},
	}, nil
}

// upTo writes what matches of the packets up to last.
func (x *export) upTo(ctx context.Context, last uint64) error {
	for x.next <= last {
		if err := ctx.Err(); err != nil {
			return fmt.Errorf("write capture: %w", err)
		}
		k := x.c.hold(x.next)
		if k == nil {
			if !x.skip(last) {
				return nil
			}
			continue
		}
		err := x.chunk(ctx, k, last)
		x.c.release(k)
		if err != nil {
			return err
		}
	}
	return nil
}

// skip goes on to the oldest packet there still is, and counts what is between.
// It reports false if that is after last.
func (x *export) skip(last uint64) bool {
	x.c.mu.Lock()
	first, _ := x.c.ring.bounds()
	x.c.mu.Unlock()
	to := first
	if first == 0 || first > last {
		to = last + 1
	}
	x.lost += to - x.next
	x.gap += to - x.next
	x.next = to
	return to <= last
}

func (x *export) chunk(ctx context.Context, k *chunk, last uint64) error {
	x.view.forget() // a Follow lives long
	for ; x.next <= min(k.last(), last); x.next++ {
		if x.seen++; x.seen%1024 == 0 && ctx.Err() != nil {
			return fmt.Errorf("write capture: %w", ctx.Err())
		}
		x.view.show(k.get(x.next))
		if !x.filter.match(x.view) {
			continue
		}
		if err := x.packet(); err != nil {
			return err
		}
	}
	return nil
}

func (x *export) packet() error {
	v := x.view
	v.decode()
	v.label()
	for _, a := range [...]netip.Addr{v.src, v.dst} {
		if err := x.name(a); err != nil {
			return err
		}
	}
	dir := pcapng.Outbound
	if v.dir == ToGuest {
		dir = pcapng.Inbound
	}
	p := pcapng.Packet{
		Time: v.at, Direction: dir, Length: v.wire, Data: v.frame, Comment: x.comment(), Dropped: x.gap,
	}
	if err := x.out.Packet(&p); err != nil {
		return err
	}
	x.gap = 0
	x.written++
	return nil
}

// name writes an address's name if it has one that the file does not know.
func (x *export) name(a netip.Addr) error {
	name := x.view.address(a)
	if name == "" || x.named[a] == name {
		return nil
	}
	if len(x.named) >= maxNoted {
		clear(x.named)
	}
	x.named[a] = name
	return x.out.Name(a, name)
}

// comment names the two ends on the first packet of a flow. Behind the guest's
// NAT an address has no name of its own; this is where the container's is.
func (x *export) comment() string {
	v := x.view
	if v.flow == 0 || v.names.srcName == "" && v.names.dstName == "" {
		return ""
	}
	if _, done := x.flows[v.flow]; done {
		return ""
	}
	if len(x.flows) >= maxNoted {
		clear(x.flows)
	}
	x.flows[v.flow] = struct{}{}
	end := func(name, container string, a netip.Addr) string {
		switch {
		case container != "":
			return "container " + container
		case name != "":
			return name
		}
		return a.String()
	}
	return fmt.Sprintf("flow %d: %s → %s", v.flow,
		end(v.names.srcName, v.names.srcContainer, v.src), end(v.names.dstName, v.names.dstContainer, v.dst))
}

// finish writes the counters and everything gathered.
func (x *export) finish() error {
	s := pcapng.Statistics{
		Start: x.started, End: x.c.now(),
		Received: x.seen + x.lost, Dropped: x.lost, Delivered: uint64(x.written),
	}
	if x.lost > 0 {
		s.Comment = fmt.Sprintf("%d packets were pushed out of the ring before they could be written.", x.lost)
	}
	if err := x.out.Statistics(s); err != nil {
		return err
	}
	return x.out.Flush()
}
