// Package client uses a DataKit file tree over 9P: branches, transactions,
// merges, watches, snapshots, and typed settings (Record).
//
// What it guarantees:
//
//   - When Tx.Commit or Update returns nil, the server has acknowledged the
//     commit: with a server of this project it is on disk.
//   - Each call has a context, and ending it ends the call at the server, too. A
//     watch holds nothing at the server once its loop was left.
//   - Errors can be tested for: those of this package are the ones of package
//     datakit, so that code works the same on a *datakit.Store. What the server
//     says about a refusal is in the message (see Error).
//   - A connection that is lost stays lost: every call then fails with an error
//     that matches ninep.ErrClosed, and every watch ends with it. Nothing is
//     connected again behind the caller's back, as the server has closed the
//     caller's transactions, and a watch would have a gap. See Redial.
//
// A Client may be used concurrently; so may everything made from it, but for a
// Tx, which is for one goroutine at a time.
//
// It works with any server that has DataKit's files. Log, Diff and Branches ask
// the query files of our server where they are there, and otherwise read what
// DataKit always had; calls that only query files can answer then return an error
// that matches ErrNotExist.
package client
