package ninep

import "golang.org/x/sys/unix"

// credentials asks with LOCAL_PEERCRED and LOCAL_PEERPID, which macOS documents
// in unix(4) and sys/un.h.
func (p *Peer) credentials(fd int) {
	if c, err := unix.GetsockoptXucred(fd, unix.SOL_LOCAL, unix.LOCAL_PEERCRED); err == nil {
		p.UID = int(c.Uid)
		if c.Ngroups > 0 {
			p.GID = int(c.Groups[0])
		}
	}
	if pid, err := unix.GetsockoptInt(fd, unix.SOL_LOCAL, unix.LOCAL_PEERPID); err == nil {
		p.PID = pid
	}
}
