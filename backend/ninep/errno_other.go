//go:build !linux

package ninep

// systemErrno gives up on numbers of systems that count differently: what
// matters of them io/fs has already matched.
func systemErrno(error) Errno { return EIO }
