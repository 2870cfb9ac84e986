package capture

import (
	"fmt"
	"testing"
	"time"

	"github.com/slipway-desktop/slipway/backend/packet"
)

const (
	syn    = packet.SYN
	ack    = packet.ACK
	synAck = packet.SYN | packet.ACK
	fin    = packet.FIN | packet.ACK
	rst    = packet.RST | packet.ACK
)

var (
	web    = ap(guestIP, 40000) // a client in the guest
	server = ap(farIP, 80)
)

func out(f packet.TCPFlags, seq, ack uint32, data string) []byte {
	return tcpFrame(web, server, f, seq, ack, data)
}

func in(f packet.TCPFlags, seq, ack uint32, data string) []byte {
	return tcpFrame(server, web, f, seq, ack, data)
}

func TestFlowStates(t *testing.T) {
	handshake := [][]byte{out(syn, 9, 0, ""), in(synAck, 99, 10, ""), out(ack, 10, 100, "")}
	then := func(more ...[]byte) [][]byte { return append(handshake[:3:3], more...) }
	dns := ap(gateIP, 53)
	for _, x := range []struct {
		name   string
		frames [][]byte
		want   string // state, RTT, retransmits, packets out and in
	}{
		{"asked", handshake[:1], "open 0 0 1/0"},
		{"asked twice", [][]byte{handshake[0], handshake[0]}, "open 0 1 2/0"},
		{"answered", handshake[:2], "established 1 0 1/1"},
		{"shaken", handshake, "established 1 0 2/1"},
		{"refused", [][]byte{handshake[0], in(rst, 0, 10, "")}, "refused 0 0 1/1"},
		{"given up", [][]byte{handshake[0], out(rst, 10, 0, "")}, "reset 0 0 2/0"},
		{"data", then(out(ack, 10, 100, "hello"), in(ack, 100, 15, "world")), "established 1 0 3/2"},
		{"data sent twice", then(out(ack, 10, 100, "hello"), out(ack, 10, 100, "hello")), "established 1 1 4/1"},
		{"keep-alive", then(out(ack, 10, 100, "hello"), out(ack, 14, 100, "o")), "established 1 0 4/1"},
		{"half closed", then(out(fin, 10, 100, "")), "closing 1 0 3/1"},
		{"closed", then(out(fin, 10, 100, ""), in(fin, 100, 11, ""), out(ack, 11, 101, "")), "closed 1 0 4/2"},
		{"reset", then(in(rst, 100, 10, "")), "reset 1 0 2/2"},
		{"reset after close", then(out(fin, 10, 100, ""), in(fin, 100, 11, ""), out(rst, 11, 101, "")), "closed 1 0 4/2"},
		{"sequence numbers that wrap", [][]byte{
			out(ack, 0xfffffffe, 1, "hello"), out(ack, 3, 1, "more"), out(ack, 0xfffffffe, 1, "hello"),
		}, "established 0 1 3/0"},
		{"seen from the middle", [][]byte{out(ack, 10, 100, "hello")}, "established 0 0 1/0"},
		{"seen from the answer", handshake[1:], "established 0 0 1/1"},
		{"a question", [][]byte{udpFrame(ap(guestIP, 5000), dns, dnsMessage("a.test"))}, "open 0 0 1/0"},
		{"a question answered", [][]byte{
			udpFrame(ap(guestIP, 5000), dns, dnsMessage("a.test")), udpFrame(dns, ap(guestIP, 5000), dnsMessage("a.test", farIP)),
		}, "established 1 0 1/1"},
		{"an answer alone", [][]byte{udpFrame(dns, ap(guestIP, 5000), dnsMessage("a.test", farIP))}, "open 0 0 0/1"},
		{"ping", [][]byte{pingFrame(guestIP, farIP, 8), pingFrame(farIP, guestIP, 0)}, "established 1 0 1/1"},
	} {
		c := newClock()
		x2 := c.capture(Options{})
		c.feed(x2, x.frames...)
		flows := x2.Flows()
		if len(flows) != 1 {
			t.Errorf("%s: %d flows", x.name, len(flows))
			continue
		}
		f := flows[0]
		got := fmt.Sprint(f.State, " ", f.RTT, " ", f.Retransmits, " ", f.PacketsOut, "/", f.PacketsIn)
		if got != x.want {
			t.Errorf("%s: %s, want %s", x.name, got, x.want)
		}
		if f.Src != guestIP.String() || f.Dir != "out" {
			t.Errorf("%s: opened by %s, %s", x.name, f.Src, f.Dir)
		}
	}
}

func TestFlowCounts(t *testing.T) {
	c := newClock()
	x := c.capture(Options{})
	a, b := out(ack, 1, 1, "hello"), in(ack, 1, 6, "hi")
	c.feed(x, a, b, b)
	c.after(2 * time.Second)
	c.feed(x, a)
	f := x.Flows()[0]
	if f.BytesOut != uint64(2*len(a)) || f.BytesIn != uint64(2*len(b)) {
		t.Errorf("bytes %d/%d, want %d/%d", f.BytesOut, f.BytesIn, 2*len(a), 2*len(b))
	}
	if !f.Start.Equal(epoch) || !f.Last.Equal(epoch.Add(2*time.Second+3*time.Millisecond)) {
		t.Errorf("from %v to %v", f.Start, f.Last)
	}
	want := make([]uint32, RateSeconds)
	want[RateSeconds-1], want[RateSeconds-3] = uint32(len(a)), uint32(len(a)+2*len(b))
	if fmt.Sprint(f.Rate) != fmt.Sprint(want) {
		t.Errorf("rate %v, want %v", f.Rate, want)
	}
	c.after(5 * time.Second)
	if r := x.Flows()[0].Rate; r[RateSeconds-6] != uint32(len(a)) || r[RateSeconds-1] != 0 {
		t.Errorf("rate after 5 s of silence: %v", r)
	}
	c.after(time.Minute)
	if f := x.Flows()[0]; f.Rate != nil {
		t.Errorf("rate after a minute of silence: %v", f.Rate)
	}
}

// TestRateMovesOn: a window that only asks for changes sees the rate of a silent
// flow scroll out, and then nothing more of it.
func TestRateMovesOn(t *testing.T) {
	c := newClock()
	x := c.capture(Options{})
	c.feed(x, out(ack, 1, 1, "hello"))
	seq, seen := x.FlowsSince(0).Seq, 0
	var last Flow
	for range 2 * RateSeconds {
		c.after(time.Second)
		ch := x.FlowsSince(seq)
		if again := x.FlowsSince(ch.Seq); len(again.Changed) > 0 {
			t.Fatalf("told twice in a second: %+v", again)
		}
		seq = ch.Seq
		for _, last = range ch.Changed {
			seen++
		}
	}
	if seen != RateSeconds || last.Rate != nil {
		t.Errorf("told %d times, the last time with %v", seen, last.Rate)
	}
}

func TestSamePortsAgain(t *testing.T) {
	c := newClock()
	x := c.capture(Options{})
	c.feed(x, out(syn, 1, 0, ""), in(rst, 0, 2, ""), out(syn, 50, 0, ""), in(synAck, 7, 51, ""))
	states := map[string]uint64{}
	for _, f := range x.Flows() {
		states[f.State] = f.ID
	}
	if len(states) != 2 || states[StateRefused] != 1 || states[StateEstablished] != 2 {
		t.Errorf("states %v", states)
	}
	page, err := x.Packets(Query{Flow: 2})
	if err != nil || len(page.Rows) != 2 || page.Rows[0].N != 3 {
		t.Errorf("packets of the second flow: %+v, %v", page.Rows, err)
	}
}

func TestIdle(t *testing.T) {
	c := newClock()
	x := c.capture(Options{})
	question := udpFrame(ap(guestIP, 5000), ap(gateIP, 53), dnsMessage("a.test"))
	c.feed(x, question, out(ack, 1, 1, "hi"))
	state := func() string {
		s := ""
		for _, f := range x.Flows() {
			s += fmt.Sprint(f.ID, f.Proto, " ", f.State, " ")
		}
		return s
	}
	c.after(idleDatagram + time.Second)
	if got := state(); got != "2TCP established 1UDP closed " {
		t.Errorf("after a minute: %s", got)
	}
	c.feed(x, question)
	if got := state(); got != "2TCP established 1UDP open " {
		t.Errorf("when it speaks again: %s", got)
	}
	c.after(idleDatagram + time.Second)
	state()
	c.after(keepDone)
	if got := state(); got != "2TCP established " {
		t.Errorf("minutes later: %s", got)
	}
	c.after(idleTCP)
	if got := state(); got != "" {
		t.Errorf("hours later: %s", got)
	}
	if d := x.Status().FlowsDropped; d != 0 {
		t.Errorf("%d flows count as dropped", d)
	}
}

func TestMaxFlows(t *testing.T) {
	c := newClock()
	x := c.capture(Options{MaxFlows: 10})
	c.feed(x, out(syn, 1, 0, ""), in(synAck, 1, 2, ""))
	for i := range 100 {
		c.feed(x, udpFrame(ap(guestIP, uint16(1000+i)), ap(farIP, 9), "x"))
	}
	s := x.Status()
	if s.Flows != 10 || s.FlowsDropped != 91 {
		t.Errorf("%d flows, %d dropped", s.Flows, s.FlowsDropped)
	}
	flows := x.Flows()
	if flows[0].Proto != "TCP" {
		t.Errorf("the connection was pushed out by datagrams: %+v", flows[0])
	}
	if len(x.flows.live) != 10 {
		t.Errorf("%d keys for 10 flows", len(x.flows.live))
	}
}

func TestFlowsSince(t *testing.T) {
	c := newClock()
	x := c.capture(Options{MaxFlows: 3})
	seen := map[uint64]Flow{}
	seq := uint64(0)
	// sync does what a window does, and holds it against the whole table.
	sync := func() FlowChanges {
		t.Helper()
		ch := x.FlowsSince(seq)
		if ch.Reset {
			clear(seen)
		}
		for _, f := range ch.Changed {
			seen[f.ID] = f
		}
		for _, id := range ch.Removed {
			delete(seen, id)
		}
		seq = ch.Seq
		all := x.Flows()
		if len(all) != len(seen) {
			t.Fatalf("%d flows known, %d in the table", len(seen), len(all))
		}
		for _, f := range all {
			if fmt.Sprint(seen[f.ID]) != fmt.Sprint(f) {
				t.Fatalf("flow %d is known as %+v, is %+v", f.ID, seen[f.ID], f)
			}
		}
		return ch
	}
	if ch := sync(); !ch.Reset || len(ch.Changed) != 0 {
		t.Errorf("at first: %+v", ch)
	}
	c.feed(x, out(syn, 1, 0, ""))
	sync()
	c.feed(x, in(synAck, 1, 2, ""))
	if ch := sync(); ch.Reset || len(ch.Changed) != 1 {
		t.Errorf("after one change: %+v", ch)
	}
	if ch := sync(); len(ch.Changed)+len(ch.Removed) != 0 {
		t.Errorf("after none: %+v", ch)
	}
	for i := range 50 {
		c.feed(x, udpFrame(ap(guestIP, uint16(1000+i%7)), ap(farIP, 9), "x"), in(ack, 2, 2, ""))
		if i%3 == 0 {
			sync()
		}
	}
	// More removals than are remembered: start over.
	for i := range keepRemoved + 10 {
		c.feed(x, udpFrame(ap(guestIP, uint16(2000+i)), ap(farIP, 9), "x"))
	}
	if ch := sync(); !ch.Reset {
		t.Errorf("after too many removals: %+v", ch)
	}
	c.feed(x, udpFrame(ap(guestIP, 1), ap(farIP, 9), "x"))
	if ch := sync(); ch.Reset || len(ch.Removed) != 1 {
		t.Errorf("after one removal: %+v", ch)
	}
	x.Clear()
	if ch := sync(); !ch.Reset || len(ch.Changed) != 0 {
		t.Errorf("after Clear: %+v", ch)
	}
	c.feed(x, out(ack, 2, 2, ""))
	sync()
	seq += 1000 // of another capture
	if ch := sync(); !ch.Reset {
		t.Errorf("with a number of another capture: %+v", ch)
	}
}
