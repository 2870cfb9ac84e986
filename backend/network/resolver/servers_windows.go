package resolver

import (
	"net/netip"
	"os"
	"unsafe"

	"golang.org/x/sys/windows"
)

const defaultFile = ""

// hostServers asks Windows for the servers of every adapter that is up, in the
// order of the adapters, unless a resolver file was named. It has been
// compiled, never run: the project has no Windows machine yet.
func hostServers(file string, last *os.FileInfo) ([]netip.AddrPort, bool) {
	if file != "" {
		return readResolvConf(file, last)
	}
	const flags = windows.GAA_FLAG_SKIP_ANYCAST | windows.GAA_FLAG_SKIP_MULTICAST
	size := uint32(32 << 10)
	for range 3 { // the list may grow between two calls
		buf := make([]byte, size)
		first := (*windows.IpAdapterAddresses)(unsafe.Pointer(&buf[0]))
		err := windows.GetAdaptersAddresses(windows.AF_UNSPEC, flags, 0, first, &size)
		if err == windows.ERROR_BUFFER_OVERFLOW {
			continue
		}
		if err != nil {
			return nil, true
		}
		return adapterServers(first), true
	}
	return nil, true
}

func adapterServers(a *windows.IpAdapterAddresses) []netip.AddrPort {
	var servers []netip.AddrPort
	for ; a != nil; a = a.Next {
		if a.OperStatus != windows.IfOperStatusUp {
			continue
		}
		for d := a.FirstDnsServerAddress; d != nil && len(servers) < maxServers; d = d.Next {
			if addr, ok := netip.AddrFromSlice(d.Address.IP()); ok {
				servers = append(servers, netip.AddrPortFrom(addr.Unmap(), 53))
			}
		}
	}
	return servers
}
