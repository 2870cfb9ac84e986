package holder

import (
	"bufio"
	"encoding/hex"
	"io"
	"net/netip"
	"strconv"
	"strings"
)

// Socket states in /proc/net, from the kernel's tcp_states.h. An unconnected
// UDP socket counts as closed.
const (
	stateListen = "0A"
	stateClosed = "07"
)

// inodes reads a table of /proc/net and returns the inodes of the sockets in
// the given state that cover want, proc(5). Lines it does not understand are
// passed over.
func inodes(table io.Reader, state string, want netip.AddrPort) []string {
	var found []string
	for scan := bufio.NewScanner(table); scan.Scan(); {
		fields := strings.Fields(scan.Text())
		if len(fields) < 10 || fields[3] != state {
			continue
		}
		if have, ok := procAddr(fields[1]); ok && covers(have, want) && fields[9] != "0" {
			found = append(found, fields[9])
		}
	}
	return found
}

// procAddr reads an address such as 0100007F:1F90. The kernel prints each
// group of four bytes as a number of the machine's byte order, which is little
// endian on every machine this runs on.
func procAddr(s string) (netip.AddrPort, bool) {
	host, port, ok := strings.Cut(s, ":")
	n, err := strconv.ParseUint(port, 16, 16)
	raw, err2 := hex.DecodeString(host)
	if !ok || err != nil || err2 != nil || len(raw)%4 != 0 {
		return netip.AddrPort{}, false
	}
	for i := 0; i < len(raw); i += 4 {
		raw[i], raw[i+1], raw[i+2], raw[i+3] = raw[i+3], raw[i+2], raw[i+1], raw[i]
	}
	addr, ok := netip.AddrFromSlice(raw)
	return netip.AddrPortFrom(addr, uint16(n)), ok
}
