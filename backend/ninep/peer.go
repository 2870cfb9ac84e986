package ninep

import "net"

// Peer is who is at the other end of a connection, as far as the system knows:
// unlike an AttachRequest, this cannot be made up by the client.
type Peer struct {
	UID, GID int    // -1 if the system does not tell
	PID      int    // 0 if the system does not tell
	Addr     string // of the other end; "" for a Unix socket without a name
}

// PeerOf tells who is at the other end of c. Credentials are known for Unix
// sockets on Linux and macOS, and are those of the time the connection was made.
func PeerOf(c net.Conn) Peer {
	p := Peer{UID: -1, GID: -1}
	if a := c.RemoteAddr(); a != nil {
		p.Addr = a.String()
	}
	if u, ok := c.(*net.UnixConn); ok {
		if raw, err := u.SyscallConn(); err == nil {
			// An error leaves the fields as they are: nothing is known.
			_ = raw.Control(func(fd uintptr) { p.credentials(int(fd)) })
		}
	}
	return p
}
