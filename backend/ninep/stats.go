package ninep

import "sync/atomic"

// Stats is what a server does, and what its limits have refused.
type Stats struct {
	Connections int64 // now
	Fids        int64 // now, of all connections
	Requests    int64 // now, of all connections
	Memory      int64 // bytes of large messages, now

	Served   uint64 // replies, so far
	Flushed  uint64 // requests that clients gave up
	BytesIn  uint64
	BytesOut uint64

	RefusedConnections uint64 // Limits.Connections
	RefusedFids        uint64 // Limits.Fids
	RefusedRequests    uint64 // Limits.Requests
	RefusedMemory      uint64 // Limits.Memory, after a second of waiting
	RefusedNames       uint64 // too long, too deep, or none
	Broken             uint64 // connections that broke the protocol: sizes, tags
	Panics             uint64 // of the tree
}

// counters are Stats while they are counted.
type counters struct {
	connections, fids, requests, memory                                atomic.Int64
	served, flushed, bytesIn, bytesOut                                 atomic.Uint64
	noConnection, noFid, noRequest, noMemory, badNames, broken, panics atomic.Uint64
}

// Stats counts from the server's beginning. The numbers are each exact, but not of
// one moment.
func (s *Server) Stats() Stats {
	c := &s.counters
	return Stats{
		Connections: c.connections.Load(), Fids: c.fids.Load(), Requests: c.requests.Load(), Memory: c.memory.Load(),
		Served: c.served.Load(), Flushed: c.flushed.Load(), BytesIn: c.bytesIn.Load(), BytesOut: c.bytesOut.Load(),
		RefusedConnections: c.noConnection.Load(), RefusedFids: c.noFid.Load(), RefusedRequests: c.noRequest.Load(),
		RefusedMemory: c.noMemory.Load(), RefusedNames: c.badNames.Load(), Broken: c.broken.Load(), Panics: c.panics.Load(),
	}
}
