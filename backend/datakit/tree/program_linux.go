package tree

import (
	"os"
	"strconv"
	"strings"
)

// programOf is the name of a process, "" if it is not known.
func programOf(pid int) string {
	if pid <= 0 {
		return ""
	}
	name, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/comm")
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(name))
}
