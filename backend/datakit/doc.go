// Package datakit stores small trees of files, with their whole history, in an
// ordinary bare git repository.
//
// What it guarantees:
//
//   - The repository stays git's. `git log`, `git fsck`, `git clone`, `git
//     commit` and `git gc` may run on it at any moment, beside an open Store.
//     A branch is changed by git's own protocol (refs/heads/NAME.lock, compare,
//     rename), so neither side can overwrite what the other acknowledged.
//   - An acknowledged commit is durable. When Commit returns, every object and
//     the branch have been fsynced, directories included, the branch last.
//     Objects appear after those they refer to, so git fsck is clean at any
//     instant. After kill -9 the next Open removes what the dead process left
//     and nothing else.
//   - A branch only holds valid trees, as far as this package writes it: the
//     branch's validator sees the tree before any object is written. Commits
//     made by git itself cannot be refused here; readers must check them.
//   - Concurrent transactions lose nothing. A transaction whose branch has moved
//     is merged file by file, and refused with *ConflictError where both sides
//     changed the same file differently.
//
// go-git decodes packs. Its writers are not used: it updates a branch in place
// (a crash leaves an empty branch), ignores git's lock files and never fsyncs.
// Its shared storage is not used either: it races, and does not notice packs
// written by others.
//
// One process at a time may open a repository for writing through this package
// (a lock on datakit/lock inside it, released by the system when the process
// dies); git processes are not counted. The file system has to have hard links.
// Repositories with SHA-256 names, the reftable format or borrowed objects
// (alternates) are refused by Open.
package datakit
