// Package pipeline reads what pipeline runs leave behind in a data store, and writes
// it for runners made in Go. A runner can be anything that can write files, such as
// the shell script build/examples/ci.sh; this is what it leaves.
//
// # The convention
//
// The runs of pipeline NAME on source commit COMMIT (40 digits) are the history of
// the branch NAME-of-COMMIT, the result branch. Its tree is the source's, merged, and
// over it:
//
//	.run         what this run is and how it stands, see below
//	log          what the run said, ANSI colours included
//	artefacts/   what it made
//	.request     a line for the runner: "rerun NUMBER" or "cancel NUMBER"
//
// .run has a line for each fact, a word and the rest of the line:
//
//	pipeline NAME
//	source COMMIT
//	state STATE          queued, running, passed, failed or cancelled
//	started TIME         RFC 3339; tells one run from the next
//	ended TIME           of a run that has ended
//	branch BRANCH        where the source commit was found
//	trigger WORD         commit, rerun or manual
//	message TEXT         why it failed, or what it made
//	runner TEXT          who runs it
//	offer ACTION         rerun or cancel; a line each
//	step STATE STARTED ENDED NAME     a line each, in order; - for no time
//
// Only source, state and started have to be there. Unknown words are left out.
//
// A run begins with a commit whose state is queued or running. Its end is one commit
// with the state, the log and the artefacts. In between the runner has a transaction
// open on the result branch, whose rw/log grows: everybody may read that, and it is
// the live log. A run whose head says that it runs, and has no open transaction for
// longer than a grace time, is lost: servers close transactions when their client
// goes away.
//
// A further run on the same commit goes on on the same branch, with another started;
// runs are numbered from 1 in the order of the branch's first parents. Who wants a
// rerun, or a run cancelled, writes .request in a transaction on the result branch;
// the runner watches it (branch/B/watch/.request.node/tree.live) if it offers that.
//
// # What readers guarantee
//
// Result branches are anybody's files. What is read of them is bounded, texts come
// without control characters, and a result that makes no sense is a failed run whose
// message says so, never an error for the others. A log is given as it was written.
package pipeline
