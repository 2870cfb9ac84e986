// Package settings is the product's settings: one small text file per setting,
// named by its key (vm/cpus, net/mtu, …), on branch "settings" of a datakit
// store.
//
// What it guarantees: a value that is not valid on this host never gets onto
// the branch through this package, and the error names the key, the problem and
// what to write instead. A setting without a file has its default, which is
// computed for the host. Every change is a commit, so each has an author, a
// message, a diff and a revert. If git itself puts an invalid tree on the
// branch, Values keeps the last valid one and Problem says why.
//
// A file holds the value and a newline. Lists have one item a line; the word
// "none" is the explicit empty list. Numbers are decimal, in the field's unit.
package settings

// Branch is where the settings live.
const Branch = "settings"
