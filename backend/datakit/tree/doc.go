// Package tree is DataKit's file tree over a datakit.Store, for 9P servers: what a
// program does with files is what it does with branches, commits and transactions.
//
//	branch/NAME/                 mkdir, rmdir, mv; "/" in a name is %2F, "%" is %25
//	    ro/                      the files of the head
//	    head                     its hash; an empty line if there is no commit
//	    head.live                the hash, then each later one (coalesced)
//	    reflog                   each later hash, none skipped
//	    fast-forward             write a commit to move the branch to it
//	    diff/COMMIT              "+ path", "- path", "* path": since COMMIT
//	    watch/tree.live          "D-hash" of the root, then each later one (coalesced)
//	    watch/a.node/b.node/...  the same of a/b: D- F- X- L- S-, empty if absent
//	    transactions/T/          mkdir begins one; it is gone after commit or close
//	        rw/                  its files
//	        msg parents          of the commit to come
//	        ctl                  write commit or close
//	        merge                write a commit to merge it
//	        conflicts            paths, after a merge; ours/ theirs/ base/ beside it
//	        diff/COMMIT          its changes since COMMIT
//	        origin owner age     empty; JSON; seconds
//	snapshots/COMMIT/            ro/ hash msg parents author date diff/
//	commits/COMMIT               JSON
//	trees/ID                     what tree.live named
//	remotes/NAME/                mkdir, rmdir, mv
//	    url auto-push            write it, or on or off; read it
//	    fetch push               write a branch; "+" before it pushes over what is there
//	    head                     the commit fetched last, then each later one
//	    status                   how the last transfers went
//	query/*                      see package query
//	debug/src/NAME/              doc level
//	ctl                          restore, restore-path, revert, close
//
// What it guarantees:
//
//   - A transaction belongs to the connection that began it, and is closed with it
//     or when its owner has not touched it for Options.Idle. All clients see it;
//     only those of the same user may change it.
//   - A successful write of "commit" is a durable commit. After a refused one the
//     transaction is as it was.
//   - A live file costs nothing once it is closed. All watchers of a branch share
//     one subscription, and all of a path one lookup for each move.
//   - Nothing is followed: a symbolic link is data, and ".." ends at the root.
//   - What a client can make the server hold is bounded: transactions and live
//     files of a session, bytes of a transaction, lengths of names and texts.
//
// # Errors
//
// 9P2000.L can only say a number; reading the same open command file tells in one
// line why a write was refused, and so does the attribute user.slipway.error of
// the open file. The older dialects have the text as the error.
//
//	EACCES     no write access to the branch, or another user's transaction
//	EBUSY      "Merge conflict: PATH, PATH", "conflicts file is not empty", or git
//	           holds the branch's lock
//	EINVAL     unknown command, invalid-hash, not-fast-forward, a validator's words
//	EISDIR     mv of a branch to one that exists, as DataKit has it
//	ENFILE     too many transactions or live files of one session
//	ENOENT     no such branch, commit, file, or transaction (any more)
//	ENOTEMPTY  rmdir of a directory in rw/ that is not empty
//	EROFS      what is read only
//
// # Access
//
// Options.Access guards branches, by who the system says the client is; a remote N
// is guarded as if it were a branch remotes/N. What is named by a hash is not
// guarded: whoever knows the hash of a commit can read it.
//
// # Live files
//
// A reader of a kernel gathers reads until one is empty. So each piece of news is
// followed by one empty read, and two in a row mean the end. Programs that take an
// empty read for the end attach with the name "plain".
package tree
