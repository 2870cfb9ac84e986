package ninep

import "golang.org/x/sys/unix"

// credentials asks with SO_PEERCRED: unix(7).
func (p *Peer) credentials(fd int) {
	if c, err := unix.GetsockoptUcred(fd, unix.SOL_SOCKET, unix.SO_PEERCRED); err == nil {
		p.UID, p.GID, p.PID = int(c.Uid), int(c.Gid), int(c.Pid)
	}
}
