// Package vz drives machines on macOS with Apple's Virtualization.framework,
// through github.com/Code-Hex/vz. It needs macOS 13, cgo, and a program signed
// with the entitlement com.apple.security.virtualization; no rights beyond that.
//
// IT HAS NEVER RUN. It was written on Linux, where the check in
// build/darwincheck holds every call against the real module's types, and where
// the parts without cgo are tested. The conformance suite in its darwin test
// file is the first thing to run on a Mac.
//
// What differs from QEMU, and why:
//
//   - Disks are raw: the framework knows nothing else. They are sparse files.
//   - The network card is a datagram socket: Link.Socket must be of type
//     unixgram, each datagram is one Ethernet frame, and the peer's address is
//     that of the first datagram (the guest speaks first).
//   - The agent's channel is vsock, port AgentPort.
//   - Shares are virtiofs.
//   - Stop and Kill are the same: the framework has no way to end a machine that
//     is softer than a power cut but for pressing a power button, which our
//     guest does not have. Its disks are files of this system, so what it wrote
//     is not lost by that.
//   - There are no orphans: the machine lives in our process.
//   - A guest that reboots stays, so a panic must not reboot it: the kernel
//     stands still after its last words, and the supervisor ends it.
//   - On Intel Macs the framework wants a compressed kernel (bzImage).
package vz

// AgentPort is the vsock port on which the guest's agent listens.
const AgentPort = 1024
