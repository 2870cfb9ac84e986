//go:build !windows

package resolver

import (
	"net/netip"
	"os"
)

const defaultFile = "/etc/resolv.conf"

// hostServers reads the resolver file. macOS keeps one too, with the servers
// of the primary network service; its per-domain resolvers are not in it.
func hostServers(file string, last *os.FileInfo) ([]netip.AddrPort, bool) {
	return readResolvConf(file, last)
}
