//go:build unix

package disk

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// Free is how many bytes the user can still write to the file system of path.
func Free(path string) (int64, error) {
	var st unix.Statfs_t
	if err := unix.Statfs(path, &st); err != nil {
		return 0, fmt.Errorf("free space of %s: %w", path, err)
	}
	return int64(st.Bavail) * int64(st.Bsize), nil
}
