package pcapng

import (
	"bytes"
	"errors"
	"io"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

var (
	testHeader = Header{
		Hardware: "amd64", OS: "linux", Application: "Slipway", Comment: "three packets",
		Interface: "slipway0", Description: "a test", Snaplen: 128,
	}
	testTime  = time.Unix(1_790_000_000, 123_456_789)
	testNames = []Name{
		{netip.MustParseAddr("192.168.65.2"), []string{"web"}},
		{netip.MustParseAddr("fd00::1"), []string{"gateway", "gw"}},
	}
	testPackets = []Packet{
		{Time: testTime, Direction: Outbound, Length: 60, Data: bytes.Repeat([]byte{1}, 60)},
		{Time: testTime.Add(time.Nanosecond), Direction: Inbound, Length: 1514, Data: bytes.Repeat([]byte{2}, 127), Comment: "flow 1: web → db", Dropped: 3},
		{Time: testTime.Add(time.Hour), Length: 1, Data: []byte{3}},
	}
	testStats = Statistics{
		Start: testTime, End: testTime.Add(time.Hour), Received: 6, Dropped: 3, Delivered: 3, Comment: "3 lost",
	}
)

func testFile(t testing.TB) []byte {
	var b bytes.Buffer
	w := NewWriter(&b, testHeader)
	for _, n := range testNames {
		if err := w.Name(n.Addr, n.Names...); err != nil {
			t.Fatal(err)
		}
	}
	for _, p := range testPackets {
		if err := w.Packet(&p); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Statistics(testStats); err != nil {
		t.Fatal(err)
	}
	if err := w.Flush(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func readAll(r io.Reader) (blocks []Block, err error) {
	for x := NewReader(r); ; {
		b, err := x.Next()
		if err == io.EOF {
			return blocks, nil
		}
		if err != nil {
			return blocks, err
		}
		blocks = append(blocks, b)
	}
}

func TestRoundTrip(t *testing.T) {
	got, err := readAll(bytes.NewReader(testFile(t)))
	if err != nil {
		t.Fatal(err)
	}
	want := []Block{&testHeader, &testNames[0], &testNames[1], &testPackets[0], &testPackets[1], &testPackets[2], &testStats}
	if d := cmp.Diff(want, got, cmpopts.EquateComparable(netip.Addr{})); d != "" {
		t.Error(d)
	}
}

// TestBigEndian reads the file of a machine of the other byte order: every
// number of the fixture turned around by hand.
func TestBigEndian(t *testing.T) {
	file := slices.Concat(
		[]byte{0x0a, 0x0d, 0x0d, 0x0a, 0, 0, 0, 28, 0x1a, 0x2b, 0x3c, 0x4d, 0, 1, 0, 0}, // section
		bytes.Repeat([]byte{0xff}, 8), []byte{0, 0, 0, 28}, // length unknown
		[]byte{0, 0, 0, 1, 0, 0, 0, 20, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 20},                        // interface, microseconds
		[]byte{0, 0, 0, 99, 0, 0, 0, 12, 0, 0, 0, 12},                                               // a block nobody knows
		[]byte{0, 0, 0, 6, 0, 0, 0, 36, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x1e, 0x84, 0x81, 0, 0, 0, 2},    // packet at 2.000001 s
		[]byte{0, 0, 0, 9, 7, 8, 0, 0, 0, 0, 0, 36},                                                 // of 9 bytes, 2 kept
		[]byte{0, 0, 0, 5, 0, 0, 0, 36, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 5, 0, 8, 0, 0, 0, 0}, // statistics
		[]byte{0, 0, 0, 7, 0, 0, 0, 36},                                                             // 7 dropped
	)
	got, err := readAll(bytes.NewReader(file))
	if err != nil {
		t.Fatal(err)
	}
	want := []Block{&Header{}, &Packet{Time: time.Unix(2, 1000), Length: 9, Data: []byte{7, 8}}, &Statistics{Dropped: 7}}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}

func TestRefuses(t *testing.T) {
	file := testFile(t)
	set := func(at int, v ...byte) []byte {
		f := bytes.Clone(file)
		copy(f[at:], v)
		return f
	}
	shb := int(file[4])
	for _, x := range []struct {
		name string
		file []byte
		want string
	}{
		{"another format", []byte("\xd4\xc3\xb2\xa1\x02\x00\x04\x00\x00\x00\x00\x00"), "no pcapng file"},
		{"no byte order", set(8, 0), "no byte order"},
		{"a huge block", set(shb+4, 0, 0, 0, 0x7f), "has length"},
		{"a block of length 0", set(shb+4, 0, 0, 0, 0), "has length"},
		{"lengths that differ", set(shb-4, 0), "lengths differ"},
		{"another version", set(12, 9), "version 9"},
		{"a file cut in a block", file[:len(file)-1], "unexpected EOF"},
		{"a file cut in a block's head", file[:shb+5], "unexpected EOF"},
		{"a packet without an interface", slices.Concat(file[:shb], file[len(file)-len(packetBlock(t)):]), "no interface 0"},
	} {
		_, err := readAll(bytes.NewReader(x.file))
		if err == nil || !strings.Contains(err.Error(), x.want) {
			t.Errorf("%s: error %v, want …%s…", x.name, err, x.want)
		}
	}
}

// packetBlock is the bytes from the first statistics block on.
func packetBlock(t *testing.T) []byte {
	file := testFile(t)
	i := bytes.LastIndex(file, []byte{typeStatistics, 0, 0, 0})
	for ; i >= 0; i = bytes.LastIndex(file[:i], []byte{typeStatistics, 0, 0, 0}) {
		n := int(file[i+4]) | int(file[i+5])<<8
		if i+n == len(file) {
			return file[i:]
		}
	}
	t.Fatal("no last block")
	return nil
}

type failing struct{ after int }

func (f *failing) Write(b []byte) (int, error) {
	if f.after--; f.after < 0 {
		return 0, io.ErrClosedPipe
	}
	return len(b), nil
}

func TestWriteErrorStays(t *testing.T) {
	w := NewWriter(&failing{}, testHeader)
	if err := w.Flush(); !errors.Is(err, io.ErrClosedPipe) {
		t.Fatalf("Flush = %v", err)
	}
	if err := w.Packet(&testPackets[0]); !errors.Is(err, io.ErrClosedPipe) {
		t.Errorf("Packet after a failed write = %v", err)
	}
}

func FuzzReader(f *testing.F) {
	file := testFile(f)
	f.Add(file)
	f.Add(file[:len(file)-7])
	f.Add([]byte{0x0a, 0x0d, 0x0d, 0x0a, 0, 0, 0, 28, 0x1a, 0x2b, 0x3c, 0x4d, 0, 1, 0, 0})
	f.Fuzz(func(t *testing.T, b []byte) {
		blocks, err := readAll(bytes.NewReader(b))
		if err != nil {
			return
		}
		// What was read can be written, and reads the same again.
		var out bytes.Buffer
		w := NewWriter(&out, testHeader)
		var want []Block
		for _, x := range blocks {
			p, ok := x.(*Packet)
			if !ok || p.Time.Before(time.Unix(0, 0)) || p.Time.After(time.Unix(1<<33, 0)) {
				continue
			}
			want = append(want, p)
			if err := w.Packet(p); err != nil {
				t.Fatal(err)
			}
		}
		if err := w.Flush(); err != nil {
			t.Fatal(err)
		}
		got, err := readAll(&out)
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(want, got[1:], cmpopts.EquateEmpty()); d != "" {
			t.Fatal(d)
		}
	})
}
