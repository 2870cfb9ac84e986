// Package engine is the product without its window: it owns the kits, the
// settings and the life of the machine, and shows all of it as one control tree.
// It is the only package that knows every kit.
//
// One engine serves one home directory, held by a lock. Run starts everything and
// returns when all it started has ended; what a killed engine left behind is
// cleaned up by the next start.
//
// What lives how long:
//
//   - for the engine's life: the home's lock, the log, the data store and its
//     settings, the recording, the Docker socket, the control socket, the
//     supervisor;
//   - for one boot of the machine (see type boot): the network stack with its
//     ports, the agent's session, the watch on containers.
//
// The home directory:
//
//	lock            held while an engine runs; holds its process id
//	engine.log      the log, kept below a few MiB
//	data.git        the data store: a bare git repository
//	data.qcow2      the machine's data disk, sparse (data.raw on macOS)
//	run/            sockets, owner-only: control.sock, docker.sock, and the machine's
package engine
