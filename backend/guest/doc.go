// Package guest is the private channel between the engine and the agent that is
// PID 1 of the Linux machine: what the two say to each other, and the engine's side.
//
// The channel is one ordered byte stream, a virtio-serial port or later a vsock
// connection, and never the network that containers can reach. Package channel makes
// a session of it: a handshake that skips the leftovers of an earlier session (the
// engine can be killed and come back while the guest runs on), then streams with
// windows of their own, so that one slow reader stalls nobody else. The host opens
// all streams; each names the service it wants (wire.go).
//
// What comes from the guest is hostile: every message has a bound on its size, each
// is validated before it is used, and the parsers are fuzzed. Breaking the protocol
// ends the session with an error, never the engine.
//
// The agent's side is guest-image/agent/serve. Messages are JSON so that a later
// field does not break an earlier reader.
package guest
