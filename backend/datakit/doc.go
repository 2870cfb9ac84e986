// Package datakit stores small trees of files, with their whole history, in an
// ordinary bare git repository.
//
// What it guarantees:
//
//   - The repository stays git's. `git log`, `git fsck`, `git clone`, `git
//     commit` and `git gc` may run on it at any moment, beside an open Store.
//     A branch is changed by git's own protocol (refs/heads/NAME.lock, compare,
//     rename), so neither side can overwrite what the other acknowledged.
//   - An acknowledged commit is durable. Commit returns when the commit and its
//     objects are in a journal beside git's files, synced; commits that wait at
//     the same time share one sync. Git sees them some 40 ms later, as a pack and
//     a moved branch, and at once after Close, Sync or a recovery. Until then the
//     branch's lock file is ours, so that git cannot move the branch from under
//     them. A checkpoint every few seconds makes git's files durable too, and
//     only then does the journal forget. After a kill or a loss of power the next
//     Open brings the journal's rest into git's files: see recover.go.
//   - When the disk is full a commit fails and nothing else does. When a sync
//     fails the store becomes read only, since nothing can be promised then.
//   - A branch only holds valid trees, as far as this package writes it: the
//     branch's validator sees the tree before any object is written. Commits
//     made by git itself cannot be refused here; readers must check them.
//   - Concurrent transactions lose nothing. A transaction whose branch has moved
//     is merged file by file, and refused with *ConflictError where both sides
//     changed the same file differently.
//
// Of go-git only the vocabulary and the decoding of loose objects are used. Its
// writers update a branch in place (a crash leaves an empty branch), ignore git's
// lock files and never fsync; its storage races, and does not notice packs written
// by others.
//
// One process at a time may open a repository for writing through this package
// (a lock on datakit/lock inside it, released by the system when the process
// dies); git processes are not counted. The file system has to have hard links.
// Repositories with SHA-256 names, the reftable format or borrowed objects
// (alternates) are refused by Open.
package datakit
