//go:build linux

package main

import (
	"fmt"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/slipway-desktop/slipway/backend/guest"
)

// share9P are the options of a shared folder's mount. The caches are those that
// forget a file when its last user closes it, so that the host's changes show at the
// next open; writes go out at close, and shared writable mappings work.
const share9P = "trans=virtio,version=9p2000.L,msize=524288,access=any,cache=mmap"

// reserved are the paths that the guest needs for itself.
var reserved = []string{
	"/bin", "/dev", "/etc", "/lib", "/lib64", "/proc", "/run", "/sbin", "/sys", "/usr", "/var/lib", "/var/run",
}

// checkShare refuses a mount point that would hide the guest's own files: a reserved
// path, one below it, or one above.
func checkShare(path string) error {
	for _, r := range reserved {
		if path == "/" || path == r || strings.HasPrefix(path, r+"/") || strings.HasPrefix(r, path+"/") {
			return fmt.Errorf("%s cannot be shared: the machine keeps its own files at %s; share a folder elsewhere", path, r)
		}
	}
	return nil
}

// mountShares mounts the host's folders at their host paths, outer ones first.
func (m *machine) mountShares() {
	shares := slices.Clone(m.boot.Shares)
	if len(shares) == 0 {
		return
	}
	m.moduleGroup("share")
	slices.SortStableFunc(shares, func(a, b guest.ShareMount) int { return strings.Compare(a.Path, b.Path) })
	for _, s := range shares {
		if err := mountShare(s); err != nil {
			m.problem(err)
		}
	}
	m.phase("shares")
}

func mountShare(s guest.ShareMount) error {
	if err := checkShare(s.Path); err != nil {
		return err
	}
	flags := uintptr(unix.MS_NODEV)
	if s.ReadOnly {
		flags |= unix.MS_RDONLY
	}
	err := mount{s.Tag, s.Path, "9p", flags, share9P}.do()
	if err != nil { // Apple's hypervisor has virtiofs instead, under the same tag
		if (mount{s.Tag, s.Path, "virtiofs", flags, ""}).do() == nil {
			return nil
		}
		return fmt.Errorf("share %s: %w", s.Path, err)
	}
	return nil
}
