// Package docker gives the host a Docker: the socket that docker, compose and every
// other client talk to (Endpoint), the Docker CLI context that names it (Context),
// and a small client of the Engine API for the product itself (Client).
//
// All three reach dockerd in the machine through a dial function, and so know nothing
// of machines or channels. The endpoint understands HTTP, since it has to answer in
// place of dockerd while there is none and to refuse bind mounts that the machine
// could not see, but it leaves all it has no opinion on as it was.
//
// dockerd runs in the machine and is not trusted: what it sends is bounded where this
// package keeps it, and streamed where it does not.
package docker
