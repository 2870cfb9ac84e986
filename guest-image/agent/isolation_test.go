//go:build linux

package main

import (
	"fmt"
	"net"
	"os"
	"runtime"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// A place is a network namespace with a thread in it that does what it is told.
type place struct {
	fd   int
	jobs chan func()
}

// newPlace makes a namespace that lasts as long as the test.
func newPlace(t *testing.T) *place {
	t.Helper()
	p := &place{jobs: make(chan func())}
	made := make(chan error)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		runtime.LockOSThread() // never unlocked: the thread ends with the goroutine
		err := unix.Unshare(unix.CLONE_NEWNET)
		if err == nil {
			p.fd, err = unix.Open("/proc/thread-self/ns/net", unix.O_RDONLY|unix.O_CLOEXEC, 0)
		}
		made <- err
		for job := range p.jobs {
			job()
		}
	}()
	err := <-made
	t.Cleanup(func() {
		close(p.jobs)
		<-ended
		if err == nil {
			unix.Close(p.fd)
		}
	})
	if err != nil {
		t.Skipf("not run: no network namespaces for the test (%v)", err)
	}
	return p
}

func (p *place) do(f func() error) error {
	done := make(chan error)
	p.jobs <- func() { done <- f() }
	return <-done
}

// attach gives other, over a link, the address .2 of the router's network 10.N.0.0/24.
// With a bridge, the link's end here is a port of that.
func (p *place) attach(other *place, n int, bridge bool) error {
	near, far := fmt.Sprintf("near%d", n), fmt.Sprintf("far%d", n)
	err := p.do(func() error {
		veth := &netlink.Veth{LinkAttrs: netlink.LinkAttrs{Name: near}, PeerName: far, PeerNamespace: netlink.NsFd(other.fd)}
		if err := netlink.LinkAdd(veth); err != nil {
			return err
		}
		gate := near
		if bridge {
			gate = fmt.Sprintf("br%d", n)
			br := &netlink.Bridge{LinkAttrs: netlink.LinkAttrs{Name: gate}}
			if err := netlink.LinkAdd(br); err != nil {
				return err
			}
			if err := netlink.LinkSetMaster(veth, br); err != nil {
				return err
			}
			if err := linkUp(near); err != nil {
				return err
			}
		}
		return address(gate, n, 1)
	})
	if err != nil {
		return err
	}
	return other.do(func() error {
		if err := address(far, n, 2); err != nil {
			return err
		}
		return netlink.RouteAdd(&netlink.Route{Gw: net.IPv4(10, byte(n), 0, 1)})
	})
}

func address(link string, n, host int) error {
	l, err := netlink.LinkByName(link)
	if err != nil {
		return err
	}
	ip := &net.IPNet{IP: net.IPv4(10, byte(n), 0, byte(host)), Mask: net.CIDRMask(24, 32)}
	if err := netlink.AddrAdd(l, &netlink.Addr{IPNet: ip}); err != nil {
		return err
	}
	return netlink.LinkSetUp(l)
}

// TestIsolationRule routes between three networks, two of them on bridges as Docker
// makes them, one like the link to the host.
func TestIsolationRule(t *testing.T) {
	router, a, b, host := newPlace(t), newPlace(t), newPlace(t), newPlace(t)
	for n, p := range map[int]*place{1: a, 2: b} {
		if err := router.attach(p, n, true); err != nil {
			t.Skipf("not run: no bridges for the test (%v)", err)
		}
	}
	if err := router.attach(host, 3, false); err != nil {
		t.Fatal(err)
	}
	err := router.do(func() error { return os.WriteFile("/proc/sys/net/ipv4/ip_forward", []byte("1"), 0) })
	if err != nil {
		t.Skipf("not run: no routing for the test (%v)", err)
	}
	for _, p := range []*place{a, b, host} {
		err := p.do(func() error {
			l, err := net.Listen("tcp", ":80")
			if err == nil {
				t.Cleanup(func() { l.Close() })
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	reaches := func(from *place, n int, limit time.Duration) error {
		return from.do(func() error {
			c, err := net.DialTimeout("tcp", fmt.Sprintf("10.%d.0.2:80", n), limit)
			if err == nil {
				c.Close()
			}
			return err
		})
	}
	const patience = 10 * time.Second
	if err := reaches(a, 2, patience); err != nil {
		t.Fatalf("before the rule, one bridge does not reach the other, so the test proves nothing: %v", err)
	}
	if err := router.do(isolateNetworks); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		from *place
		to   int
	}{{a, 3}, {b, 3}, {host, 1}, {host, 2}} {
		if err := reaches(c.from, c.to, patience); err != nil {
			t.Errorf("a bridge and the host's link: %v", err)
		}
	}
	if reaches(a, 2, 300*time.Millisecond) == nil || reaches(b, 1, 300*time.Millisecond) == nil {
		t.Error("one bridge still reaches the other")
	}
}
