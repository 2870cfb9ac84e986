package holder

import (
	"context"
	"net/netip"
	"os/exec"
	"strconv"
)

// find asks netstat and tasklist, which are part of Windows. It has been
// compiled, never run: the project has no Windows machine yet.
func find(ctx context.Context, proto string, addr netip.AddrPort) (Holder, bool) {
	for _, p := range []string{proto, proto + "v6"} {
		out, err := exec.CommandContext(ctx, "netstat", "-ano", "-p", p).Output()
		if err != nil {
			continue
		}
		pid, ok := parseNetstat(string(out), addr)
		if !ok {
			continue
		}
		list, _ := exec.CommandContext(ctx, "tasklist", "/fi", "PID eq "+strconv.Itoa(pid), "/fo", "csv", "/nh").Output()
		return Holder{PID: pid, Process: parseTasklist(string(list))}, true
	}
	return Holder{}, false
}
