package settings

import (
	"net"
	"strconv"
)

// ParseForward reads one line of net/forwards.
func ParseForward(line string) (Forward, error) {
	f, problem := parseForward(line)
	if problem != nil {
		problem.Key = "net/forwards"
		return f, problem
	}
	return f, nil
}

// String is the forward as a line of net/forwards.
func (f Forward) String() string {
	return f.Protocol + " " + f.Listen.String() + " -> " + net.JoinHostPort(f.Target, strconv.Itoa(int(f.Port)))
}
