package holder

import (
	"context"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// find looks the socket up in /proc/net, and then for the process with that
// socket among its descriptors. It can name processes of the same user, or
// all of them for root.
func find(ctx context.Context, proto string, addr netip.AddrPort) (Holder, bool) {
	state := stateListen
	if proto == "udp" {
		state = stateClosed
	}
	var sockets []string
	for _, table := range []string{proto, proto + "6"} {
		f, err := os.Open("/proc/net/" + table)
		if err != nil {
			continue
		}
		for _, inode := range inodes(f, state, addr) {
			sockets = append(sockets, "socket:["+inode+"]")
		}
		f.Close()
	}
	if len(sockets) == 0 {
		return Holder{}, false
	}
	dirs, _ := filepath.Glob("/proc/[0-9]*")
	for _, dir := range dirs {
		if ctx.Err() != nil {
			break
		}
		if !holds(dir, sockets) {
			continue
		}
		pid, err := strconv.Atoi(filepath.Base(dir))
		name, _ := os.ReadFile(dir + "/comm") // a process that has just ended has none
		return Holder{PID: pid, Process: strings.TrimSpace(string(name))}, err == nil
	}
	return Holder{}, false
}

func holds(dir string, sockets []string) bool {
	fds, err := os.ReadDir(dir + "/fd")
	if err != nil {
		return false
	}
	for _, fd := range fds {
		target, err := os.Readlink(dir + "/fd/" + fd.Name())
		if err == nil && slices.Contains(sockets, target) {
			return true
		}
	}
	return false
}
