// Package qemu drives machines on QEMU (7.2 or newer), with the system's
// hypervisor where it works (KVM, HVF, WHPX) and QEMU's own emulation, TCG,
// where none does. It needs no administrator's rights.
//
// The command line comes from Args, a pure function with golden tests for
// systems that this one is not. Only Linux on amd64 with TCG was ever run: the
// command lines for KVM, arm64, macOS and Windows follow QEMU's documentation
// and wait for somebody to try them. Everything QEMU is told at run time goes through
// QMP, its JSON monitor.
//
// How a machine's directory is used (all Unix sockets, so the directory must
// be open to its owner only):
//
//	qemu.pid      written, locked and removed by QEMU itself
//	qmp.sock      QEMU listens; also what Recover finds an orphan by
//	agent.sock    QEMU listens; the host's end of the guest's virtio-serial port
//	console.sock  we listen before QEMU starts, so that no console byte is lost
//	accelerators.json  what probes found, see below
//
// # Accelerators
//
// A host can have a /dev/kvm that opens, answers its ioctls, and then never runs
// a kernel: clouds with half of nested virtualisation are like that. So no
// capability is believed. The driver boots the very kernel of the machine,
// without any device, and believes in an accelerator when the kernel prints its
// first line. The answer comes within three seconds and is kept until kernel,
// QEMU, host kernel or the host's boot change.
//
// # Orphans
//
// When the engine is killed, Linux sends its QEMU a SIGTERM, on which QEMU
// flushes its disks and exits. Elsewhere, or when that fails, Recover finds the
// machine by its directory and ends it. It must be called only by the holder
// of the lock on that directory, for it cannot tell an orphan from a machine
// of a living engine.
package qemu
