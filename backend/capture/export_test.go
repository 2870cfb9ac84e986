package capture

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/slipway-desktop/slipway/backend/capture/pcapng"
)

// readFile returns what is in a capture file, one line a block.
func readFile(t *testing.T, r io.Reader) (lines []string, packets []*pcapng.Packet) {
	t.Helper()
	for x := pcapng.NewReader(r); ; {
		b, err := x.Next()
		if err == io.EOF {
			return lines, packets
		}
		if err != nil {
			t.Fatal(err)
		}
		switch b := b.(type) {
		case *pcapng.Header:
			lines = append(lines, fmt.Sprintf("header %s %s %s", b.Application, b.Interface, b.Comment))
		case *pcapng.Name:
			lines = append(lines, fmt.Sprintf("name %s %v", b.Addr, b.Names))
		case *pcapng.Packet:
			packets = append(packets, b)
			lines = append(lines, fmt.Sprintf("packet %d of %d, dir %d, %q, dropped %d", len(b.Data), b.Length, b.Direction, b.Comment, b.Dropped))
		case *pcapng.Statistics:
			lines = append(lines, fmt.Sprintf("statistics %d %d %d", b.Received, b.Dropped, b.Delivered))
		}
	}
}

func TestWritePcapng(t *testing.T) {
	x := mixedCapture()
	var file bytes.Buffer
	n, err := x.WritePcapng(t.Context(), &file, "proto:ip")
	if err != nil || n != 6 {
		t.Fatalf("%d packets, %v", n, err)
	}
	lines, packets := readFile(t, &file)
	want := []string{
		"header Slipway slipway0 Not redacted: holds what was sent, secrets included. Filter: proto:ip",
		"name 192.168.65.1 [gateway]",
		`packet 75 of 75, dir 2, "flow 1: 192.168.65.2 → gateway", dropped 0`,
		`packet 91 of 91, dir 1, "", dropped 0`,
		"name 93.184.216.34 [www.example.org]",
		`packet 54 of 54, dir 2, "flow 2: container web → a.test", dropped 0`,
		`packet 54 of 54, dir 1, "", dropped 0`,
		`packet 90 of 90, dir 2, "", dropped 0`,
		`packet 99 of 99, dir 1, "", dropped 0`,
		"statistics 7 0 6",
	}
	if got := strings.Join(lines, "\n"); got != strings.Join(want, "\n") {
		t.Errorf("got\n%s\nwant\n%s", got, strings.Join(want, "\n"))
	}
	if !packets[0].Time.Equal(epoch) || !packets[5].Time.Equal(epoch.Add(5*time.Millisecond)) {
		t.Errorf("times %v and %v", packets[0].Time, packets[5].Time)
	}
	if !bytes.Equal(packets[2].Data, out(syn, 1, 0, "")) {
		t.Errorf("the third packet is %x", packets[2].Data)
	}
}

// mixedCapture holds a DNS lookup, an HTTP exchange and an ARP request.
func mixedCapture() *Capture {
	c, names := newClock(), &parties{}
	names.set(web, container("web"))
	names.set(ap(gateIP, 0), Endpoint{Kind: KindGateway, Name: "gateway"})
	x := c.capture(Options{Names: names})
	dns, client := ap(gateIP, 53), ap(guestIP, 5000)
	c.feed(x,
		udpFrame(client, dns, dnsMessage("www.example.org")),
		udpFrame(dns, client, dnsMessage("www.example.org", farIP)),
		out(syn, 1, 0, ""), in(synAck, 1, 2, ""),
		out(ack, 2, 2, "GET /Path HTTP/1.1\r\nHost: a.test\r\n\r\n"),
		in(ack, 2, 45, "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"),
		arpFrame())
	return x
}

// TestTshark: Wireshark reads the file without complaint, sees every packet, its
// direction and its comment, and takes the names over.
func TestTshark(t *testing.T) {
	tshark, err := exec.LookPath("tshark")
	if err != nil {
		t.Skip("tshark is not installed: exports are read back only by our own reader")
	}
	var file bytes.Buffer
	if _, err := mixedCapture().WritePcapng(t.Context(), &file, ""); err != nil {
		t.Fatal(err)
	}
	run := func(args ...string) string {
		t.Helper()
		cmd := exec.Command(tshark, append([]string{"-r", "-"}, args...)...)
		cmd.Stdin = bytes.NewReader(file.Bytes())
		var stderr bytes.Buffer
		cmd.Stderr = &stderr
		b, err := cmd.Output()
		if err != nil {
			t.Fatalf("tshark: %v: %s", err, stderr.Bytes())
		}
		for line := range strings.Lines(stderr.String()) {
			if !strings.HasPrefix(line, "Running as user") {
				t.Errorf("tshark complains: %s", line)
			}
		}
		return string(b)
	}
	got := run("-n", "-T", "fields", "-e", "frame.time_epoch", "-e", "frame.packet_flags_direction", "-e", "frame.comment", "-e", "_ws.col.Protocol", "-e", "_ws.malformed")
	want := []string{
		"1790000000.000000000\t0x00000002\tflow 1: 192.168.65.2 → gateway\tDNS\t",
		"1790000000.001000000\t0x00000001\t\tDNS\t",
		"1790000000.002000000\t0x00000002\tflow 2: container web → a.test\tTCP\t",
		"1790000000.003000000\t0x00000001\t\tTCP\t",
		"1790000000.004000000\t0x00000002\t\tHTTP\t",
		"1790000000.005000000\t0x00000001\t\tHTTP\t",
		"1790000000.006000000\t0x00000002\t\tARP\t",
	}
	if got != strings.Join(want, "\n")+"\n" {
		t.Errorf("got\n%swant\n%s", got, strings.Join(want, "\n"))
	}
	hosts := run("-q", "-z", "hosts")
	for _, name := range []string{"93.184.216.34\twww.example.org", "192.168.65.1\tgateway"} {
		if !strings.Contains(hosts, name) {
			t.Errorf("tshark does not know %q:\n%s", name, hosts)
		}
	}
}

func TestExportErrors(t *testing.T) {
	x := mixedCapture()
	var fe *FilterError
	if _, err := x.WritePcapng(t.Context(), io.Discard, "port:x"); !errors.As(err, &fe) {
		t.Errorf("a bad filter: %v", err)
	}
	if err := x.Follow(t.Context(), io.Discard, "port:x"); !errors.As(err, &fe) {
		t.Errorf("following a bad filter: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := x.WritePcapng(ctx, io.Discard, ""); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
	r, w := io.Pipe()
	r.Close()
	if _, err := x.WritePcapng(t.Context(), w, ""); !errors.Is(err, io.ErrClosedPipe) {
		t.Errorf("a reader that is gone: %v", err)
	}
	if err := x.Follow(t.Context(), w, ""); !errors.Is(err, io.ErrClosedPipe) {
		t.Errorf("following for a reader that is gone: %v", err)
	}
	if x.Status().Followers != 0 || len(x.watchers) != 0 {
		t.Errorf("followers are left: %+v", x.Status())
	}
}

// follower is a Follow whose output is read block by block.
type follower struct {
	t    *testing.T
	r    *pcapng.Reader
	w    *io.PipeWriter
	stop context.CancelFunc
	done chan error
}

func follow(t *testing.T, x *Capture, filter string) *follower {
	ctx, cancel := context.WithCancel(t.Context())
	r, w := io.Pipe()
	f := &follower{t, pcapng.NewReader(r), w, cancel, make(chan error, 1)}
	go func() {
		err := x.Follow(ctx, w, filter)
		w.Close()
		f.done <- err
	}()
	f.next() // the header: Follow has begun
	return f
}

func (f *follower) next() pcapng.Block {
	f.t.Helper()
	b, err := f.r.Next()
	if err != nil {
		f.t.Fatal(err)
	}
	return b
}

// rest stops the follower and returns what it still had to say.
func (f *follower) rest() (last *pcapng.Statistics) {
	f.t.Helper()
	f.stop()
	for {
		b, err := f.r.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			f.t.Fatal(err)
		}
		last, _ = b.(*pcapng.Statistics)
	}
	if err := <-f.done; err != nil {
		f.t.Errorf("Follow = %v", err)
	}
	return last
}

func TestFollow(t *testing.T) {
	c := newClock()
	x := c.capture(Options{})
	c.feed(x, out(syn, 1, 0, "")) // before: not followed
	f := follow(t, x, "proto:tcp")
	if x.Status().Followers != 1 {
		t.Fatal("not counted")
	}
	c.feed(x, in(synAck, 1, 2, ""), arpFrame(), out(ack, 2, 2, ""))
	for _, want := range []pcapng.Direction{pcapng.Inbound, pcapng.Outbound} {
		if p, ok := f.next().(*pcapng.Packet); !ok || p.Direction != want {
			t.Errorf("%+v, want a packet in direction %d", p, want)
		}
	}
	c.feed(x, out(ack, 2, 2, "x"))
	if p, ok := f.next().(*pcapng.Packet); !ok || p.Length != 55 {
		t.Errorf("%+v, want the packet that came later", p)
	}
	if s := f.rest(); s == nil || s.Received != 4 || s.Delivered != 3 || s.Dropped != 0 {
		t.Errorf("statistics %+v", s)
	}
	if x.Status().Followers != 0 || len(x.watchers) != 0 {
		t.Errorf("followers are left: %+v", x.Status())
	}
}

// TestSlowFollower: one that reads nothing while the ring turns holds nobody
// up, and learns what it lost.
func TestSlowFollower(t *testing.T) {
	const total = 6_000
	c := newClock()
	x := c.capture(Options{MaxBytes: MinMaxBytes})
	f := follow(t, x, "")
	frame := out(ack, 1, 1, strings.Repeat("x", 100))
	for range total {
		c.feed(x, frame)
	}
	got, told := 0, uint64(0)
	for got+int(told) < total {
		p := f.next().(*pcapng.Packet)
		got++
		told += p.Dropped
	}
	if told == 0 || got == 0 {
		t.Errorf("%d packets got, %d told to be lost", got, told)
	}
	if s := f.rest(); s == nil || s.Received != total || s.Dropped != told || s.Delivered != uint64(got) || s.Comment == "" {
		t.Errorf("statistics %+v, of %d got and %d lost", s, got, told)
	}
	if b := x.Status().Bytes; b > MinMaxBytes {
		t.Errorf("the ring takes %d bytes", b)
	}
}

func TestTooManyFollowers(t *testing.T) {
	x := New(Options{})
	var all []*follower
	for range MaxFollowers {
		all = append(all, follow(t, x, ""))
	}
	if err := x.Follow(t.Context(), io.Discard, ""); !errors.Is(err, ErrTooManyFollowers) {
		t.Errorf("one too many: %v", err)
	}
	for _, f := range all {
		f.rest()
	}
}
