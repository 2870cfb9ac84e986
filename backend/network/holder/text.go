package holder

import (
	"encoding/csv"
	"net/netip"
	"strconv"
	"strings"
)

// parseLsof reads the output of `lsof -nP -F pcn`: a line a field, the first
// letter naming it, a process's fields before those of its files, lsof(8).
func parseLsof(out string, want netip.AddrPort) (Holder, bool) {
	var h Holder
	for line := range strings.Lines(out) {
		line = strings.TrimSpace(line)
		if line == "" {
			continue
		}
		switch value := line[1:]; line[0] {
		case 'p':
			h = Holder{}
			h.PID, _ = strconv.Atoi(value) // a zero pid counts as not found
		case 'c':
			h.Process = value
		case 'n':
			if have, ok := textAddr(value); ok && covers(have, want) {
				return h, true
			}
		}
	}
	return Holder{}, false
}

// parseNetstat reads the output of Windows' `netstat -ano -p PROTO`, whose
// words are translated but whose columns are not: protocol, local address,
// remote address, then for TCP a state, then the process. A listening socket
// is told by its remote address, which has port 0 or, for UDP, is *:*.
func parseNetstat(out string, want netip.AddrPort) (pid int, ok bool) {
	for line := range strings.Lines(out) {
		fields := strings.Fields(line)
		if len(fields) < 4 {
			continue
		}
		if remote := fields[2]; remote != "*:*" && !strings.HasSuffix(remote, ":0") {
			continue
		}
		if have, valid := textAddr(fields[1]); !valid || !covers(have, want) {
			continue
		}
		if pid, err := strconv.Atoi(fields[len(fields)-1]); err == nil {
			return pid, true
		}
	}
	return 0, false
}

// parseTasklist reads the first field of `tasklist /fo csv /nh`.
func parseTasklist(out string) string {
	record, err := csv.NewReader(strings.NewReader(out)).Read()
	if err != nil || len(record) < 2 {
		return ""
	}
	return record[0]
}

func textAddr(s string) (netip.AddrPort, bool) {
	if port, ok := strings.CutPrefix(s, "*:"); ok {
		s = "[::]:" + port
	}
	a, err := netip.ParseAddrPort(s)
	return a, err == nil
}
