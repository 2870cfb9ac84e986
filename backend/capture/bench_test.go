package capture

import (
	"context"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/slipway-desktop/slipway/backend/packet"
)

// hotFrames are what a busy link carries.
var hotFrames = []struct {
	name  string
	frame []byte
}{
	{"ack", tcpFrame(ap(guestIP, 40000), ap(farIP, 443), packet.ACK, 1, 1, "")},
	{"data1460", tcpFrame(ap(farIP, 443), ap(guestIP, 40000), packet.ACK, 1, 1, strings.Repeat("x", 1460))},
	{"data65480", tcpFrame(ap(farIP, 443), ap(guestIP, 40000), packet.ACK, 1, 1, strings.Repeat("x", 65480))},
	{"dnsAnswer", udpFrame(ap(gateIP, 53), ap(guestIP, 5000), dnsMessage("example.org", farIP))},
	{"http", tcpFrame(ap(guestIP, 40001), ap(farIP, 80), packet.ACK|packet.PSH, 1, 1, "GET / HTTP/1.1\r\nHost: example.org\r\n\r\n")},
}

// TestFrameAllocs holds the promise that Frame allocates nothing in the steady
// state: the ring full, the flow and the names known.
func TestFrameAllocs(t *testing.T) {
	c := New(Options{MaxBytes: MinMaxBytes})
	for _, x := range hotFrames {
		for range 3000 {
			c.Frame(epoch, ToGuest, x.frame)
		}
		if n := testing.AllocsPerRun(500, func() { c.Frame(epoch, ToGuest, x.frame) }); n != 0 {
			t.Errorf("%s: %v allocations", x.name, n)
		}
	}
}

func BenchmarkFrame(b *testing.B) {
	for _, x := range hotFrames {
		b.Run(x.name, func(b *testing.B) {
			c := New(Options{})
			b.ReportAllocs()
			b.SetBytes(int64(len(x.frame)))
			for b.Loop() {
				c.Frame(epoch, ToGuest, x.frame)
			}
		})
	}
	b.Run("newFlows", func(b *testing.B) {
		c := New(Options{})
		var frames [1 << 14][]byte
		for i := range frames {
			frames[i] = tcpFrame(ap(guestIP, uint16(i)), ap(farIP, 80), packet.SYN, 1, 0, "")
		}
		b.ReportAllocs()
		i := 0
		for b.Loop() {
			c.Frame(epoch, FromGuest, frames[i%len(frames)])
			i++
		}
	})
	b.Run("followed", func(b *testing.B) {
		c := New(Options{})
		ctx, cancel := context.WithCancel(b.Context())
		done := make(chan error, 1)
		go func() { done <- c.Follow(ctx, io.Discard, "") }()
		b.ReportAllocs()
		for b.Loop() {
			c.Frame(epoch, ToGuest, hotFrames[0].frame)
		}
		cancel()
		if err := <-done; err != nil {
			b.Fatal(err)
		}
	})
}

// BenchmarkFlows is the whole of a full table, and what a window asks for each
// second while nothing happens; locked is the longest
// part of it that the data path may wait for.
func BenchmarkFlows(b *testing.B) {
	c := newClock().capture(Options{})
	for i := range DefaultMaxFlows {
		c.Frame(epoch, FromGuest, tcpFrame(ap(guestIP, uint16(i)), ap(farIP, 80), packet.SYN, 1, 0, ""))
	}
	b.Run("all", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			c.FlowsSince(0)
		}
	})
	b.Run("idle", func(b *testing.B) {
		seq := c.FlowsSince(0).Seq
		b.ReportAllocs()
		for b.Loop() {
			seq = c.FlowsSince(seq).Seq
		}
	})
	b.Run("locked", func(b *testing.B) {
		var found []*flow
		for b.Loop() {
			found = nil
			c.mu.Lock()
			c.flows.rolled = 0
			c.flows.roll(epoch)
			c.flows.since(0, func(f *flow) { found = append(found, f) })
			c.mu.Unlock()
		}
	})
}

// BenchmarkPackets is a page of a full ring: the newest rows, and a filter that
// matches nothing in as many packets as one call examines.
func BenchmarkPackets(b *testing.B) {
	c := New(Options{})
	for i := range 300_000 {
		c.Frame(epoch.Add(time.Duration(i)), ToGuest, hotFrames[i%2*3].frame)
	}
	for _, x := range []struct {
		name string
		q    Query
	}{
		{"tail", Query{Tail: true, Limit: 100}},
		{"filterText", Query{Filter: "nowhere", Limit: 100}},
		{"filterPort", Query{Filter: "port:1", Limit: 100}},
	} {
		b.Run(x.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := c.Packets(x.q); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
