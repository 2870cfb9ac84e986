package holder

import (
	"context"
	"net/netip"
	"os/exec"
	"strconv"
)

// find asks lsof, which is part of macOS. It has been compiled, never run: the
// project has no Mac yet.
func find(ctx context.Context, proto string, addr netip.AddrPort) (Holder, bool) {
	args := []string{"-nP", "-F", "pcn", "-i", proto + ":" + strconv.Itoa(int(addr.Port()))}
	if proto == "tcp" {
		args = append(args, "-sTCP:LISTEN")
	}
	out, err := exec.CommandContext(ctx, "/usr/sbin/lsof", args...).Output()
	if err != nil && len(out) == 0 {
		return Holder{}, false
	}
	return parseLsof(string(out), addr)
}
