//go:build unix

package engine

import (
	"fmt"
	"os"
	"syscall"
)

// diskOnHost returns how many bytes a sparse file takes on the host's disk.
func diskOnHost(path string) (uint64, error) {
	info, err := os.Stat(path)
	if err != nil {
		return 0, err
	}
	stat, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return 0, fmt.Errorf("stat %s: no block count", path)
	}
	return uint64(stat.Blocks) * 512, nil // POSIX counts blocks of 512 bytes
}
