package capture

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/slipway-desktop/slipway/backend/packet"
)

// numbered is a frame of length n that holds its number.
func numbered(i uint64, n int) []byte {
	b := make([]byte, max(n, 22))
	binary.BigEndian.PutUint64(b[14:], i)
	return b
}

// TestRingKeepsTheNewest feeds frames of all lengths and checks that what is
// kept is the newest, whole, in order, and within the bound.
func TestRingKeepsTheNewest(t *testing.T) {
	const bound = 1 << 20
	c := newClock()
	x := c.capture(Options{MaxBytes: bound})
	r := rand.New(rand.NewPCG(1, 2))
	for i := uint64(1); i <= 20_000; i++ {
		n := 22 + r.IntN(200)
		if i%500 == 0 {
			n = packet.MaxFrame
		}
		x.Frame(c.now(), FromGuest, numbered(i, n))
		if s := x.Status(); s.Bytes > bound || s.Last != i || s.Packets != s.Last-s.First+1 || s.Seen != i || s.Dropped != i-s.Packets {
			t.Fatalf("after %d: %+v", i, s)
		}
	}
	s := x.Status()
	if s.Packets < 1000 {
		t.Errorf("only %d packets fit", s.Packets)
	}
	for n := s.First; n <= s.Last; n++ {
		d, err := x.Packet(n)
		if err != nil {
			t.Fatal(err)
		}
		if got := binary.BigEndian.Uint64(d.Bytes[14:]); got != n || len(d.Bytes) != d.Length {
			t.Fatalf("packet %d holds number %d, %d of %d bytes", n, got, len(d.Bytes), d.Length)
		}
	}
	if s.First > 1 {
		_, err := x.Packet(s.First - 1)
		var gone *NoPacketError
		if !errors.As(err, &gone) || gone.First != s.First {
			t.Errorf("a packet pushed out: %v", err)
		}
	}
	if _, err := x.Packet(s.Last + 1); err == nil || !strings.Contains(err.Error(), "the newest is 20000") {
		t.Errorf("a packet to come: %v", err)
	}
}

// TestMemoryBound measures that the ring's bound is what it takes of the heap,
// with the smallest frames, which have the most overhead.
func TestMemoryBound(t *testing.T) {
	const bound = 4 << 20
	c := New(Options{MaxBytes: bound})
	frame := tcpFrame(web, server, packet.ACK, 1, 1, "")
	before := heap()
	for range 100_000 {
		c.Frame(epoch, FromGuest, frame)
	}
	grown := heap() - before
	s := c.Status()
	if s.Bytes > bound || s.Packets < 40_000 || s.Packets == 100_000 {
		t.Errorf("ring: %+v", s)
	}
	if grown > bound+1<<20 {
		t.Errorf("the heap grew by %d bytes for a ring of %d", grown, bound)
	}
	runtime.KeepAlive(c)
}

func heap() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// TestHeldSegment: a reader's segment stays as it was while the ring turns.
func TestHeldSegment(t *testing.T) {
	c := newClock()
	x := c.capture(Options{MaxBytes: MinMaxBytes})
	x.Frame(c.now(), FromGuest, numbered(1, 100))
	k := x.hold(1)
	for i := uint64(2); i < 10_000; i++ {
		x.Frame(c.now(), FromGuest, numbered(i, 100))
	}
	if first := x.Status().First; first == 1 {
		t.Fatal("the ring has not turned")
	}
	if got := k.get(1); !bytes.Equal(got.frame, numbered(1, 100)) {
		t.Errorf("the frame held is now %x", got.frame)
	}
	x.release(k)
	if x.hold(1) != nil {
		t.Error("a packet pushed out can be held again")
	}
}

func TestSnaplen(t *testing.T) {
	c := newClock()
	x := c.capture(Options{Snaplen: 60})
	c.feed(x, out(ack, 1, 1, "GET /"+strings.Repeat("x", 100)+" HTTP/1.1\r\nHost: example.org\r\n\r\n"))
	d, err := x.Packet(1)
	if err != nil {
		t.Fatal(err)
	}
	if len(d.Bytes) != 60 || d.Length < 150 || !d.Truncated || d.Info != "GET /x [truncated]" {
		t.Errorf("%d of %d bytes, truncated %v, %q", len(d.Bytes), d.Length, d.Truncated, d.Info)
	}
	// What is not kept was still looked at.
	if f := x.Flows()[0]; f.Detail != "example.org" {
		t.Errorf("flow detail %q", f.Detail)
	}
}

func TestPauseAndClear(t *testing.T) {
	c := newClock()
	x := c.capture(Options{})
	c.feed(x, out(syn, 1, 0, ""))
	x.Pause()
	c.feed(x, in(synAck, 1, 2, ""))
	if s := x.Status(); s.Recording || s.Packets != 1 || s.Paused != 1 || s.Seen != 1 {
		t.Errorf("paused: %+v", s)
	}
	x.Resume()
	c.feed(x, out(ack, 2, 2, ""))
	if s := x.Status(); !s.Recording || s.Packets != 2 || s.Last != 2 {
		t.Errorf("resumed: %+v", s)
	}
	x.Clear()
	s := x.Status()
	if s.Packets != 0 || s.First != 0 || s.Last != 2 || s.Seen != 0 || s.Dropped != 0 || s.Paused != 0 || s.Flows != 0 || s.Bytes != 0 || !s.StartedAt.Equal(c.now()) {
		t.Errorf("cleared: %+v", s)
	}
	c.feed(x, out(ack, 2, 2, ""))
	if s := x.Status(); s.First != 3 || s.Last != 3 || s.Seen != 1 {
		t.Errorf("after clearing: %+v", s)
	}
	if f := x.Flows(); len(f) != 1 || f[0].ID != 2 {
		t.Errorf("flows after clearing: %+v", f)
	}
}

// TestConcurrent has several senders and readers of each kind at once. The
// race detector is the judge, and numbers in frames must stay with their
// packets.
func TestConcurrent(t *testing.T) {
	names := &parties{}
	names.set(web, container("web"))
	c := New(Options{MaxBytes: MinMaxBytes, MaxFlows: 50, Names: names})
	var senders, readers sync.WaitGroup
	done := make(chan struct{})
	for s := range 3 {
		senders.Go(func() {
			for i := range 1500 {
				c.Frame(epoch.Add(time.Duration(i)), Direction(i%2), udpFrame(ap(guestIP, uint16(i%200)), ap(farIP, uint16(s)), fmt.Sprint("number ", i)))
				c.Frame(epoch, FromGuest, out(ack, uint32(i), 1, "x"))
			}
		})
	}
	read := func(f func()) {
		readers.Go(func() {
			for {
				select {
				case <-done:
					return
				default:
					f()
				}
			}
		})
	}
	read(func() {
		page, err := c.Packets(Query{Tail: true, Filter: "host:web", Limit: 20})
		if err != nil {
			t.Error(err)
		}
		for i, r := range page.Rows {
			if r.SrcName != "web" || i > 0 && r.N <= page.Rows[i-1].N {
				t.Errorf("row %+v", r)
			}
		}
	})
	seq := uint64(0)
	read(func() { seq = c.FlowsSince(seq).Seq })
	read(func() {
		if n := c.Status().First; n > 0 {
			if d, err := c.Packet(n); err == nil && d.N != n {
				t.Errorf("packet %d is %d", n, d.N)
			}
		}
	})
	read(func() {
		if _, err := c.WritePcapng(t.Context(), new(bytes.Buffer), "proto:udp"); err != nil {
			t.Error(err)
		}
	})
	read(func() { c.Pause(); c.Resume() })
	senders.Wait()
	close(done)
	readers.Wait()
	if s := c.Status(); s.Seen+s.Paused != 9_000 {
		t.Errorf("%d recorded and %d not, of 9000", s.Seen, s.Paused)
	}
}

func TestWait(t *testing.T) {
	c := newClock()
	x := c.capture(Options{})
	got := make(chan error, 1)
	go func() { got <- x.Wait(t.Context(), 1) }()
	c.feed(x, out(syn, 1, 0, ""))
	select {
	case err := <-got:
		t.Fatalf("Wait for the second packet returned at the first: %v", err)
	default:
	}
	c.feed(x, out(syn, 1, 0, ""))
	if err := <-got; err != nil {
		t.Error(err)
	}
	if n := len(x.watchers); n != 0 {
		t.Errorf("%d watchers are left", n)
	}
}
