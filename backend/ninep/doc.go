// Package ninep serves and reads file trees over 9P, in three dialects: 9P2000.L,
// which the Linux kernel, diod and most present-day tools speak, and 9P2000.u and
// 9P2000 for older ones. Client and server agree on one; the tree does not notice.
//
// A tree is made of Nodes. A Node that can do more than be looked at implements
// one of the small optional interfaces (Dir, Creator, Remover, …); what it does
// not implement is answered with ENOTSUP, so a read-only file costs two methods.
//
// What the server guarantees:
//
//   - Every call into a tree has a context. It ends when the client flushes the
//     request, clunks the fid it works on, starts a new session or goes away, and
//     when the server stops. A read that blocks until there is news therefore
//     ends at once, and never outlives its reader.
//
//   - No lock is held while a tree is called. A call that blocks delays neither
//     the other requests of its connection nor any other connection.
//
//   - Rflush follows the reply of the request it flushed, so that a tag is free
//     when the client believes so, and the client knows whether the request had
//     an effect.
//
//   - Every handle that was opened is closed, once, after the last call on it has
//     returned: by clunk, by a new session, or by the end of the connection.
//
//   - Serve returns when every connection, handler and handle has ended.
//
//   - What a client sends is bounded (message size, fids, requests in flight,
//     bytes held for reads, name lengths, depth) and checked before it is used.
//
//   - A request that uses a fid begins after those before it that make or open that
//     fid, so that a client may walk, open and read without waiting for the answers
//     in between. Our client does so where the server answers "9P2000.L.ordered".
//
//   - What a limit refused is counted: Stats.
//
// Replies that are ready together leave together. A live file tells of news by the
// rule of AttachRequest.Plain.
//
// Each call of the client takes a context, and cancelling one sends Tflush and waits
// for its answer.
//
// The protocol: https://9fans.github.io/plan9port/man/man9/intro.html for the
// sessions, tags and fids, and https://github.com/chaos/diod/blob/master/protocol.md
// for the messages of the .L dialect; for .u, http://ericvh.github.io/9p-rfc/rfc9p2000.u.html.
package ninep
