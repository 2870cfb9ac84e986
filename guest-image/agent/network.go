//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"strings"
	"time"

	"github.com/insomniacslk/dhcp/dhcpv4"
	"github.com/insomniacslk/dhcp/dhcpv4/nclient4"
	"github.com/vishvananda/netlink"

	"github.com/slipway-desktop/slipway/backend/guest"
)

const (
	hostLink     = "eth0"
	linkWait     = 5 * time.Second
	dhcpTimeout  = 500 * time.Millisecond // of one try; the server is a function call away
	leaseMinimum = time.Minute
	leaseDefault = time.Hour
)

// A lease is what the host's DHCP server gave.
type lease struct {
	address netip.Prefix
	router  netip.Addr
	dns     []netip.Addr
	mtu     int // 0 when the server says nothing
	time    time.Duration
}

// parseLease checks and reads a DHCPACK (RFC 2131, options of RFC 2132).
func parseLease(ack *dhcpv4.DHCPv4) (lease, error) {
	var l lease
	ip, ok := netip.AddrFromSlice(ack.YourIPAddr.To4())
	ones, bits := ack.SubnetMask().Size()
	if !ok || ip.IsUnspecified() || bits != 32 {
		return l, fmt.Errorf("the DHCP server gave no usable address (%v, mask %v)", ack.YourIPAddr, ack.SubnetMask())
	}
	l.address = netip.PrefixFrom(ip, ones)
	if routers := ack.Router(); len(routers) > 0 {
		l.router, _ = netip.AddrFromSlice(routers[0].To4())
	}
	for _, d := range ack.DNS() {
		if a, ok := netip.AddrFromSlice(d.To4()); ok {
			l.dns = append(l.dns, a)
		}
	}
	if mtu, err := dhcpv4.GetUint16(dhcpv4.OptionInterfaceMTU, ack.Options); err == nil && mtu >= 576 {
		l.mtu = int(mtu) // RFC 2132 section 5.1: at least 68; IPv4 hosts must take 576
	}
	l.time = max(ack.IPAddressLeaseTime(leaseDefault), leaseMinimum)
	return l, nil
}

// resolvConf is what containers get too: Docker copies it.
func (l lease) resolvConf() string {
	var b strings.Builder
	for _, d := range l.dns {
		fmt.Fprintf(&b, "nameserver %s\n", d)
	}
	return b.String()
}

// runNetwork brings up the loopback and the link to the host, and renews its lease.
func (m *machine) runNetwork(ctx context.Context) {
	if err := linkUp("lo"); err != nil {
		m.problem(fmt.Errorf("loopback network: %w", err))
	}
	if err := waitLink(ctx); err != nil {
		m.problem(err)
		return
	}
	var current lease
	for failures := 0; ctx.Err() == nil; {
		l, err := requestLease(ctx)
		if err == nil {
			err = l.apply(current)
		}
		if err != nil {
			if failures++; failures == 10 {
				m.problem(fmt.Errorf("no network yet: %w", err))
			}
			pause(ctx, min(time.Duration(failures)*100*time.Millisecond, 5*time.Second))
			continue
		}
		failures = 0
		if l.address != current.address {
			m.update(func(f *guest.Facts) { f.Address = l.address })
			if !current.address.IsValid() {
				m.phase("network")
			}
		}
		current = l
		pause(ctx, l.time/2) // RFC 2131 section 4.4.5: T1
	}
}

func pause(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}

// waitLink brings up the link to the host once its device is there.
func waitLink(ctx context.Context) error {
	deadline := time.Now().Add(linkWait)
	for {
		err := linkUp(hostLink)
		if err == nil {
			return nil
		}
		if !errors.As(err, new(netlink.LinkNotFoundError)) || time.Now().After(deadline) || ctx.Err() != nil {
			return fmt.Errorf("network device %s: %w", hostLink, err)
		}
		pause(ctx, 10*time.Millisecond)
	}
}

func linkUp(name string) error {
	link, err := netlink.LinkByName(name)
	if err != nil {
		return err
	}
	return netlink.LinkSetUp(link)
}

func requestLease(ctx context.Context) (lease, error) {
	client, err := nclient4.New(hostLink, nclient4.WithTimeout(dhcpTimeout), nclient4.WithRetry(2))
	if err != nil {
		return lease{}, fmt.Errorf("DHCP: %w", err)
	}
	defer client.Close()
	got, err := client.Request(ctx, dhcpv4.WithRequestedOptions(dhcpv4.OptionInterfaceMTU))
	if err != nil {
		return lease{}, fmt.Errorf("DHCP: %w", err)
	}
	return parseLease(got.ACK)
}

// apply configures the link, changing only what differs from the lease before.
func (l lease) apply(before lease) error {
	link, err := netlink.LinkByName(hostLink)
	if err != nil {
		return err
	}
	if l.mtu != 0 && l.mtu != link.Attrs().MTU {
		if err := netlink.LinkSetMTU(link, l.mtu); err != nil {
			return fmt.Errorf("set MTU %d: %w", l.mtu, err)
		}
	}
	if l.address != before.address {
		if before.address.IsValid() {
			if err := netlink.AddrDel(link, &netlink.Addr{IPNet: ipNet(before.address)}); err != nil {
				return fmt.Errorf("remove address %s: %w", before.address, err)
			}
		}
		if err := netlink.AddrReplace(link, &netlink.Addr{IPNet: ipNet(l.address)}); err != nil {
			return fmt.Errorf("set address %s: %w", l.address, err)
		}
	}
	if l.router.IsValid() {
		route := &netlink.Route{LinkIndex: link.Attrs().Index, Gw: l.router.AsSlice()}
		if err := netlink.RouteReplace(route); err != nil {
			return fmt.Errorf("set default route %s: %w", l.router, err)
		}
	}
	return os.WriteFile("/etc/resolv.conf", []byte(l.resolvConf()), 0o644)
}

func ipNet(p netip.Prefix) *net.IPNet {
	return &net.IPNet{IP: p.Addr().AsSlice(), Mask: net.CIDRMask(p.Bits(), p.Addr().BitLen())}
}
