//go:build linux

package main

import (
	"bytes"
	"context"
	"encoding/binary"
	"net"
	"net/netip"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/insomniacslk/dhcp/dhcpv4"
)

// superblockBytes is an ext4 superblock of 8 blocks of 4 KiB.
func superblockBytes(state uint16) []byte {
	b := make([]byte, superSize)
	binary.LittleEndian.PutUint32(b[superBlocksLow:], 8)
	binary.LittleEndian.PutUint32(b[superLogBlock:], 2)
	binary.LittleEndian.PutUint16(b[superMagicAt:], superMagic)
	binary.LittleEndian.PutUint16(b[superState:], state)
	return b
}

func TestParseSuperblock(t *testing.T) {
	b := superblockBytes(1)
	if sb, ok := parseSuperblock(b); !ok || sb.size != 8*4096 || sb.errors {
		t.Errorf("clean: %+v, %v", sb, ok)
	}
	if sb, ok := parseSuperblock(superblockBytes(1 | stateErrors)); !ok || !sb.errors {
		t.Errorf("with errors: %+v, %v", sb, ok)
	}
	binary.LittleEndian.PutUint32(b[superBlocksHigh:], 1)
	if sb, _ := parseSuperblock(b); sb.size != 8*4096 {
		t.Errorf("high word counts without the 64bit feature: %d", sb.size)
	}
	binary.LittleEndian.PutUint32(b[superIncompat:], incompat64bit)
	if sb, _ := parseSuperblock(b); sb.size != (1<<32+8)*4096 {
		t.Errorf("high word does not count with the 64bit feature: %d", sb.size)
	}
	binary.LittleEndian.PutUint32(b[superLogBlock:], 40)
	if _, ok := parseSuperblock(b); ok {
		t.Error("an absurd block size is taken")
	}
	if _, ok := parseSuperblock(b[:100]); ok {
		t.Error("half a superblock is taken")
	}
}

func FuzzParseSuperblock(f *testing.F) {
	f.Add(superblockBytes(1))
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, b []byte) { parseSuperblock(b) })
}

// TestInspect holds the promise that only a blank disk is ever formatted.
func TestInspect(t *testing.T) {
	disk := func(writes map[int64][]byte) *os.File {
		f, err := os.Create(filepath.Join(t.TempDir(), "disk"))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { f.Close() })
		if err := f.Truncate(256 << 20); err != nil {
			t.Fatal(err)
		}
		for at, data := range writes {
			if _, err := f.WriteAt(data, at); err != nil {
				t.Fatal(err)
			}
		}
		return f
	}
	for name, c := range map[string]struct {
		writes map[int64][]byte
		want   contents
	}{
		"zeros":                       {nil, blank},
		"ext4":                        {map[int64][]byte{superOffset: superblockBytes(1)}, ext4},
		"ext4 with its head lost":     {map[int64][]byte{secondSuper: superblockBytes(1)}, ext4},
		"partition table":             {map[int64][]byte{510: {0x55, 0xaa}}, unknown},
		"something after a megabyte":  {map[int64][]byte{1 << 20: {1}}, unknown},
		"the last byte looked at":     {map[int64][]byte{blankProbe - 1: {1}}, unknown},
		"ext4's magic number mangled": {map[int64][]byte{superOffset: bytes.Repeat([]byte{7}, superSize)}, unknown},
	} {
		got, _, err := inspect(disk(c.writes))
		if err != nil || got != c.want {
			t.Errorf("%s: %v, %v, want %v", name, got, err, c.want)
		}
	}
	if got, _, err := inspect(bytes.NewReader(make([]byte, 512))); err != nil || got != blank {
		t.Errorf("a disk of one sector: %v, %v", got, err)
	}
}

func TestCheckShare(t *testing.T) {
	for _, ok := range []string{"/home/ada", "/Users/ada", "/work", "/mnt/a b", "/root", "/tmp/x", "/var/folders", "/usrlocal", "/srv/etc"} {
		if err := checkShare(ok); err != nil {
			t.Errorf("%s: %v", ok, err)
		}
	}
	for _, bad := range []string{"/", "/usr", "/usr/local/src", "/etc", "/var", "/var/lib/x", "/proc/1", "/dev", "/run/user/1000", "/lib64"} {
		if err := checkShare(bad); err == nil {
			t.Errorf("%s may be shared", bad)
		}
	}
}

func TestLease(t *testing.T) {
	ack, err := dhcpv4.New(
		dhcpv4.WithYourIP(net.IPv4(10, 0, 2, 15)), dhcpv4.WithNetmask(net.CIDRMask(24, 32)),
		dhcpv4.WithRouter(net.IPv4(10, 0, 2, 2)), dhcpv4.WithDNS(net.IPv4(10, 0, 2, 3), net.IPv4(10, 0, 2, 4)),
		dhcpv4.WithLeaseTime(7200), dhcpv4.WithGeneric(dhcpv4.OptionInterfaceMTU, []byte{0xff, 0xf0}))
	if err != nil {
		t.Fatal(err)
	}
	l, err := parseLease(ack)
	if err != nil {
		t.Fatal(err)
	}
	want := lease{
		address: netip.MustParsePrefix("10.0.2.15/24"), router: netip.MustParseAddr("10.0.2.2"),
		dns: []netip.Addr{netip.MustParseAddr("10.0.2.3"), netip.MustParseAddr("10.0.2.4")}, mtu: 65520, time: 2 * time.Hour,
	}
	if diff := cmp.Diff(want, l, cmp.AllowUnexported(lease{}), cmp.Comparer(func(a, b netip.Addr) bool { return a == b }), cmp.Comparer(func(a, b netip.Prefix) bool { return a == b })); diff != "" {
		t.Error(diff)
	}
	if got := l.resolvConf(); got != "nameserver 10.0.2.3\nnameserver 10.0.2.4\n" {
		t.Errorf("resolv.conf %q", got)
	}
	for name, mods := range map[string][]dhcpv4.Modifier{
		"no address": {dhcpv4.WithNetmask(net.CIDRMask(24, 32))},
		"no mask":    {dhcpv4.WithYourIP(net.IPv4(10, 0, 2, 15))},
	} {
		bad, err := dhcpv4.New(mods...)
		if err != nil {
			t.Fatal(err)
		}
		if l, err := parseLease(bad); err == nil {
			t.Errorf("%s: got %+v", name, l)
		}
	}
}

// TestChildren starts processes the way PID 1 does. Nothing else of this test binary
// has children, so collecting all of them takes nothing away.
func TestChildren(t *testing.T) {
	c := newChildren()
	collected := make(chan struct{})
	go func() {
		defer close(collected)
		for range c.ended {
			for c.collect() {
			}
		}
	}()
	defer func() { close(c.ended); <-collected }()
	defer stopNotify(c)
	for script, want := range map[string]int{"echo out; echo err >&2; exit 3": 3, "exit 0": 0} {
		code, out, err := c.run(t.Context(), "/bin/sh", "-c", script)
		if err != nil || code != want {
			t.Errorf("%q: %d, %v, want %d", script, code, err, want)
		}
		if want == 3 && out != "out\nerr\n" {
			t.Errorf("output %q", out)
		}
	}
	if code, _, err := c.run(t.Context(), "/bin/sh", "-c", "kill -9 $$"); err == nil {
		t.Errorf("a killed program ended with %d and no error", code)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, _, err := c.run(ctx, "/bin/sleep", "100"); err != context.Canceled {
		t.Errorf("a program past its time: %v", err)
	}
	if _, _, err := c.run(t.Context(), "/no/such/program"); err == nil {
		t.Error("a missing program ran")
	}
}

func TestTailBufferKeepsTheEnd(t *testing.T) {
	var b tailBuffer
	if got := b.lastLine(); got != "" {
		t.Errorf("empty: %q", got)
	}
	if _, err := b.ReadFrom(strings.NewReader(strings.Repeat("x", 3*tailSize) + "\nlast line\n")); err != nil {
		t.Fatal(err)
	}
	if got := b.String(); len(got) != tailSize {
		t.Errorf("keeps %d bytes, want %d", len(got), tailSize)
	}
	if got := b.lastLine(); got != "last line" {
		t.Errorf("last line %q", got)
	}
}

func TestUnescapeMount(t *testing.T) {
	if got := unescapeMount(`/home/a\040b\134c\011d`); got != "/home/a b\\c\td" {
		t.Errorf("got %q", got)
	}
}

func stopNotify(c *children) { signal.Stop(c.ended) }
