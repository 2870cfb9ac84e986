//go:build linux

package main

import (
	"bufio"
	"os"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// unmountAll writes everything out and lets go of the disks and the host's folders.
func (m *machine) unmountAll() {
	unix.Sync()
	points, err := mountPoints()
	if err != nil {
		m.log.Error("list mounts", "err", err)
	}
	for _, p := range slices.Backward(points) {
		if p == "/" || p == "/usr" || p == "/dev" || p == "/proc" || p == "/sys" {
			continue
		}
		if err := unix.Unmount(p, 0); err == nil {
			continue
		}
		// Something still uses it. A read-only ext4 is as clean as an unmounted one.
		if err := unix.Mount("", p, "", unix.MS_REMOUNT|unix.MS_RDONLY, ""); err != nil {
			_ = unix.Unmount(p, unix.MNT_DETACH)
		}
	}
	unix.Sync()
}

// mountPoints returns where file systems are mounted, in the order of mounting.
func mountPoints() ([]string, error) {
	f, err := os.Open("/proc/self/mounts")
	if err != nil {
		return nil, err
	}
	defer f.Close()
	var out []string
	for lines := bufio.NewScanner(f); lines.Scan(); {
		if fields := strings.Fields(lines.Text()); len(fields) > 1 {
			out = append(out, unescapeMount(fields[1]))
		}
	}
	return out, nil
}

// unescapeMount undoes the octal escapes of proc_mounts(5).
func unescapeMount(s string) string {
	return strings.NewReplacer(`\040`, " ", `\011`, "\t", `\012`, "\n", `\134`, `\`).Replace(s)
}
