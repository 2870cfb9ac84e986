package resolver

import (
	"bufio"
	"io"
	"net/netip"
	"os"
	"strings"
	"sync"
	"time"
)

// Upstream says where names are asked that are not built in.
type Upstream struct {
	// Servers, if any, are asked instead of the host's own, in this order.
	Servers []netip.AddrPort
	// File names the host's resolver file, /etc/resolv.conf if empty. It is
	// looked at again whenever a question comes more than a second after the
	// last look.
	File string
	// Timeout is how long one server may take, 2 s if zero. A question is
	// given up after every server had two turns, and never later than five
	// times this.
	Timeout time.Duration
}

const (
	maxServers    = 3 // as many as the C library asks
	maxResolvConf = 64 << 10
	recheck       = time.Second
)

// upstream follows the host's list of servers.
type upstream struct {
	cfg     Upstream
	changed func()

	mu      sync.Mutex
	checked time.Time
	info    os.FileInfo
	servers []netip.AddrPort
}

// current returns the servers to ask, in order. It is empty if the host has
// none, or none that can be read.
func (u *upstream) current(now time.Time) []netip.AddrPort {
	if len(u.cfg.Servers) > 0 {
		return u.cfg.Servers
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	if now.Sub(u.checked) < recheck {
		return u.servers
	}
	u.checked = now
	servers, fresh := hostServers(u.cfg.File, &u.info)
	if fresh {
		u.servers = servers
		u.changed()
	}
	return u.servers
}

// readResolvConf returns the servers that a resolver file names. fresh is
// false if the file is the one that last described. A file that is missing
// names no server.
func readResolvConf(name string, last *os.FileInfo) (servers []netip.AddrPort, fresh bool) {
	info, err := os.Stat(name)
	if err != nil {
		*last = nil
		return nil, true
	}
	if *last != nil && os.SameFile(*last, info) && info.Size() == (*last).Size() && info.ModTime().Equal((*last).ModTime()) {
		return nil, false
	}
	f, err := os.Open(name)
	if err != nil {
		*last = nil
		return nil, true
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxResolvConf))
	if err != nil {
		*last = nil
		return nil, true
	}
	*last = info
	return parseResolvConf(string(data)), true
}

// parseResolvConf returns the first nameserver lines, resolv.conf(5). Lines
// that name no usable address are passed over.
func parseResolvConf(text string) []netip.AddrPort {
	var servers []netip.AddrPort
	for scan := bufio.NewScanner(strings.NewReader(text)); scan.Scan() && len(servers) < maxServers; {
		fields := strings.Fields(scan.Text())
		if len(fields) < 2 || fields[0] != "nameserver" {
			continue
		}
		if addr, err := netip.ParseAddr(fields[1]); err == nil {
			servers = append(servers, netip.AddrPortFrom(addr.Unmap(), 53))
		}
	}
	return servers
}
