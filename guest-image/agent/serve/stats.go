//go:build linux

package serve

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/slipway-desktop/slipway/backend/guest"
)

// A meter reads the kernel's counters; the share of the processors is that of the
// time between two readings, and of the time since boot at the first.
type meter struct {
	dataDir     string
	busy, total uint64 // of the reading before, in ticks
}

func (m *meter) read() (guest.Stats, error) {
	stats := guest.Stats{Time: time.Now().Round(0)}
	stat, err1 := os.ReadFile("/proc/stat")
	mem, err2 := os.ReadFile("/proc/meminfo")
	load, err3 := os.ReadFile("/proc/loadavg")
	if err := errors.Join(err1, err2, err3); err != nil {
		return stats, err
	}
	busy, total, err := parseCPU(stat)
	if err != nil {
		return stats, err
	}
	if total > m.total && busy >= m.busy {
		stats.CPU = 100 * float64(busy-m.busy) / float64(total-m.total)
	}
	m.busy, m.total = busy, total
	if stats.MemoryTotal, stats.MemoryAvailable, err = parseMemory(mem); err != nil {
		return stats, err
	}
	stats.MemoryUsed = stats.MemoryTotal - stats.MemoryAvailable
	first, _, _ := strings.Cut(string(load), " ")
	if stats.Load, err = strconv.ParseFloat(first, 64); err != nil {
		return stats, fmt.Errorf("read load: %w", err)
	}
	var fs unix.Statfs_t
	if err := unix.Statfs(m.dataDir, &fs); err != nil {
		return stats, fmt.Errorf("measure data disk: %w", err)
	}
	stats.DiskTotal = fs.Blocks * uint64(fs.Bsize)
	stats.DiskUsed = (fs.Blocks - fs.Bfree) * uint64(fs.Bsize)
	return stats, nil
}

// parseCPU reads the first line of /proc/stat (proc_stat(5)): ticks of all processors
// in user, nice, system, idle, iowait, irq, softirq, steal; what follows (guest time)
// is part of user and nice.
func parseCPU(stat []byte) (busy, total uint64, err error) {
	line, _, _ := bytes.Cut(stat, []byte("\n"))
	fields := strings.Fields(string(line))
	if len(fields) < 9 || fields[0] != "cpu" {
		return 0, 0, errors.New("read processor time: /proc/stat begins with no such line")
	}
	for i, f := range fields[1:9] {
		v, err := strconv.ParseUint(f, 10, 64)
		if err != nil {
			return 0, 0, fmt.Errorf("read processor time: %w", err)
		}
		total += v
		if i != 3 && i != 4 { // idle, iowait
			busy += v
		}
	}
	return busy, total, nil
}

// parseMemory reads MemTotal and MemAvailable of /proc/meminfo, in bytes.
func parseMemory(meminfo []byte) (total, available uint64, err error) {
	found := map[string]uint64{}
	lines := bufio.NewScanner(bytes.NewReader(meminfo))
	for lines.Scan() {
		name, rest, _ := strings.Cut(lines.Text(), ":")
		if name != "MemTotal" && name != "MemAvailable" {
			continue
		}
		v, err := strconv.ParseUint(strings.TrimSuffix(strings.TrimSpace(rest), " kB"), 10, 54)
		if err != nil {
			return 0, 0, fmt.Errorf("read memory: %w", err)
		}
		found[name] = v << 10
	}
	if len(found) != 2 || found["MemAvailable"] > found["MemTotal"] {
		return 0, 0, errors.New("read memory: /proc/meminfo lacks MemTotal and MemAvailable")
	}
	return found["MemTotal"], found["MemAvailable"], nil
}
