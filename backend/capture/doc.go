// Package capture keeps what passed between the machine and the network kit:
// the last frames, the flows they belong to, and the names of who is talking.
//
// A Capture is fed by Frame, on the data path. Frame decodes outside the lock,
// then takes one short lock to copy the frame into the ring and to update one
// flow; it never waits for a reader, never allocates in the steady state, and
// never keeps the caller's slice.
//
// Everything is bounded, and what a bound costs is counted:
//
//   - frames: Options.MaxBytes, including what is kept beside each frame. The
//     ring is a list of fixed segments; the oldest segment goes when a new one
//     is needed. Each reader holds at most one segment beyond that, for as long
//     as it looks at it, and Follow admits MaxFollowers of them.
//   - flows: Options.MaxFlows; names learned: fixed numbers, oldest out first.
//
// Frames in the ring are never moved or written again, so readers work on a
// segment without the lock, and meet the data path only to find the next one.
// Lists, filters and details are made from the frames when they are asked for:
// what is not looked at costs 32 bytes a frame beyond its bytes.
//
// A live export (Follow) filters each packet as it comes, by the names known at
// that moment; a container that the engine learns of a moment later is missed.
//
// Nothing is redacted: the ring and its exports hold what was sent, passwords
// and cookies included. Whoever hands a capture on must know that.
//
// A flow is a conversation of two endpoints; who opened it is its source. Flow
// names come, in this order, from Options.Names (containers and the built-in
// hosts), from the TLS server name or HTTP Host the flow itself showed, and from
// DNS answers seen on their way to the guest. An answer from the guest's side
// teaches nothing: a container must not be able to rename its peers.
package capture
