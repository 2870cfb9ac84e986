package link

import (
	"net"
	"sync/atomic"
)

// Peer makes a connection of a bound Unix datagram socket whose other side is not
// known yet: it is whoever the last message came from. Messages sent before the
// first one came are lost, as on a cable without a card at its end.
//
// Apple's Virtualization.framework has such a link: its card is a connected socket
// that binds a name of its own, and the guest speaks first.
func Peer(c *net.UnixConn) net.Conn { return &peer{UnixConn: c} }

type peer struct {
	*net.UnixConn
	addr atomic.Pointer[net.UnixAddr]
}

func (p *peer) Read(b []byte) (int, error) {
	n, from, err := p.ReadFromUnix(b)
	if err == nil && from != nil && from.Name != "" {
		if known := p.addr.Load(); known == nil || *known != *from {
			p.addr.Store(from)
		}
	}
	return n, err
}

func (p *peer) Write(b []byte) (int, error) {
	to := p.addr.Load()
	if to == nil {
		return len(b), nil
	}
	return p.WriteToUnix(b, to)
}
