// Package guest is the private channel between the engine and the agent that is
// PID 1 of the Linux machine: its protocol, and the engine's side of it.
//
// The channel is one ordered byte stream, a virtio-serial port or later a vsock
// connection, and never the network that containers can reach. Such a stream may
// carry leftovers: the engine can be killed and come back while the guest runs on,
// and a virtio-serial port keeps what nobody read. So each session begins with a
// handshake (handshake.go) in which both sides discard bytes until they see the
// other's current nonce, and only then starts a multiplexer (yamux) whose streams
// have windows of their own, so one slow reader stalls nobody else. A stream begins
// with a small framed header (wire.go) that names the service it speaks.
//
// What comes from the guest is hostile: every message has a bound on its size, each
// is validated before it is used, and the parsers are fuzzed. Breaking the protocol
// ends the session with an error, never the engine.
//
// The agent's side is guest-image/agent/serve. Both sides share the messages here,
// which are JSON so that a later field does not break an earlier reader.
package guest
