// Package fusefs shows a 9P tree as a directory of this computer, by FUSE, so that
// ls, cat, vim and shell scripts work on it where the kernel has no 9P client.
//
// What it guarantees:
//
//   - Nothing is kept that may be old. Every look at a name, its attributes or its
//     content asks the server, unless Options.Immutable says that the path never
//     changes. Reads and writes pass the kernel's cache by ("direct I/O"), so a file
//     whose size is given as 0 reads as well as any other.
//   - A read returns as soon as there is something, however large its buffer. One
//     that waits ends when its process is signalled: the 9P read is flushed.
//   - A write has been answered by the server when write(2) returns, and fails with
//     the server's error number. The reason in words, where the tree gives one, is
//     then in the extended attribute ErrorXattr of the file, until the next write
//     to it: `getfattr -n user.slipway.error ctl`.
//   - A stream of which a reader took too much in one read and went back, as shells
//     do that read line by line, goes on where the reader wants it.
//   - When the connection is lost every call fails with ENOTCONN and the directory is
//     unmounted, by force if processes still use it. Nothing hangs.
//   - The mount is its owner's alone, unless Options.AllowOther; files are shown as
//     owned by who mounted, since that is whose rights the server applies.
//
// Interruptions other than of reads take effect after a second only, so that a
// program whose runtime signals itself (Go's does) does not lose a commit by it.
//
// File locks (flock, fcntl) are kept by this computer's kernel and are not seen by
// other clients of the server.
//
// It needs /dev/fuse and, for users other than root, fusermount3 (package fuse3).
// FUSE: https://www.kernel.org/doc/html/latest/filesystems/fuse.html
package fusefs

import "log/slog"

// ErrorXattr names the attribute that holds why the last read or write of a file
// was refused.
const ErrorXattr = "user.slipway.error"

// Options of a mount. The zero value is good.
type Options struct {
	Log *slog.Logger // nil discards
	// AllowOther lets other users in, within the modes of the files. For users other
	// than root the system has to allow it (user_allow_other in /etc/fuse.conf).
	AllowOther bool
	// Immutable tells whether what is at a slash path below the root never changes,
	// so that it may be cached. nil: nothing is.
	Immutable func(path string) bool
	// Ready is called once, when the directory shows the tree.
	Ready func()
}
