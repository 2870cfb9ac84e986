// Package query is the shape of the questions and answers of the query files of a
// DataKit tree, which the tree's server and its clients share. Each file answers, on
// the same open file, the JSON question written to it; a file whose question may be
// empty can just be read.
//
//	/query/branches       -                 []Branch, by name
//	/query/log            LogQuestion       LogPage
//	/query/diff           DiffQuestion      []datakit.FileDiff
//	/query/tree           Place             []TreeEntry
//	/query/file           Place             Content
//	/query/transactions   -                 []Transaction, oldest first
//	/query/conflict       ConflictQuestion  Sides
//	/query/watchers       -                 []Watcher, oldest first
//	/query/stats          -                 Stats
package query

import (
	"time"

	"github.com/slipway-desktop/slipway/backend/datakit"
)

// Branch is one branch with its newest commit.
type Branch struct {
	Name    string       `json:"name"`
	Head    datakit.Hash `json:"head"`
	Author  string       `json:"author"`
	Time    time.Time    `json:"time,omitzero"`
	Subject string       `json:"subject"` // first line of the message
	Access  string       `json:"access"`  // what the asking client may do: "read" or "write"
}

// LogQuestion asks for a page of history, newest first.
type LogQuestion struct {
	Branch string `json:"branch,omitempty"` // "" with From: any commit
	// From is where the page begins: a commit, a LogPage's Next, or "" for the
	// branch's head.
	From  string `json:"from,omitempty"`
	Path  string `json:"path,omitempty"`  // only commits that changed this file or something below it
	Limit int    `json:"limit,omitempty"` // 0: 100; at most 1000
}

// LogPage is a part of a history. With a path, a page may hold fewer commits than
// asked for and still have a Next: the server looks at a bounded number of commits
// for one answer.
type LogPage struct {
	Commits []datakit.Commit `json:"commits"`
	Next    string           `json:"next,omitempty"` // for the next question's From; "" at the end
}

// DiffQuestion asks what differs between two commits; an empty From means the first parent
// of To (nothing, for a first commit).
type DiffQuestion struct {
	From string `json:"from,omitempty"`
	To   string `json:"to"`
	Path string `json:"path,omitempty"` // only this file or what is below it
}

// Place names a file or directory in a commit. Path "" is the root.
type Place struct {
	Commit string `json:"commit"`
	Path   string `json:"path,omitempty"`
}

// TreeEntry is one entry of a directory.
type TreeEntry struct {
	Name string       `json:"name"`
	Kind string       `json:"kind"` // "dir", "file", "exec", "link", "submodule", "odd"
	Hash datakit.Hash `json:"hash"`
	Size int64        `json:"size"` // bytes; of a file
}

// Content is the content of a file.
type Content struct {
	Text   string `json:"text"` // "" if Binary
	Size   int64  `json:"size"` // bytes
	Binary bool   `json:"binary,omitempty"`
	Cut    bool   `json:"cut,omitempty"` // Text is the beginning only
}

// Owner is the client at the other end of a connection.
type Owner struct {
	User    string `json:"user"`              // name of UID, else what the client called itself
	UID     int    `json:"uid"`               // -1: unknown
	PID     int    `json:"pid,omitempty"`     // 0: unknown
	Program string `json:"program,omitempty"` // of PID, where the system tells
	Address string `json:"address,omitempty"` // of a TCP client
}

// Transaction is an open transaction.
type Transaction struct {
	Branch    string       `json:"branch"`
	Name      string       `json:"name"`
	Owner     Owner        `json:"owner"`
	Began     time.Time    `json:"began"`
	Base      datakit.Hash `json:"base,omitzero"` // the head it began from
	Message   string       `json:"message,omitempty"`
	Changes   int          `json:"changes"`   // files changed so far
	Conflicts []string     `json:"conflicts"` // paths, sorted
	Expires   time.Time    `json:"expires,omitzero"`
}

// ConflictQuestion asks for the sides of a conflict of an open transaction.
type ConflictQuestion struct {
	Branch      string `json:"branch"`
	Transaction string `json:"transaction"`
	Path        string `json:"path"`
}

// Sides are the versions of a file in conflict; nil where it does not exist.
type Sides struct {
	Base   *Content `json:"base"`
	Ours   *Content `json:"ours"`
	Theirs *Content `json:"theirs"`
	Now    *Content `json:"now"` // as it is in the transaction
	Reason string   `json:"reason"`
}

// Watcher is a client that waits for news.
type Watcher struct {
	Branch string    `json:"branch"`
	Path   string    `json:"path"` // "" for the whole tree
	Kind   string    `json:"kind"` // "head", "reflog", "tree", "fetch"
	Owner  Owner     `json:"owner"`
	Began  time.Time `json:"began"`
	Events uint64    `json:"events"` // told so far
}

// Stats are counters of a server and its store.
type Stats struct {
	Store        datakit.Stats `json:"store"`
	Transactions int           `json:"transactions"` // open
	Watchers     int           `json:"watchers"`
	Sessions     int           `json:"sessions"` // connected clients
	Commits      uint64        `json:"commits"`  // acknowledged since the start
	Refused      uint64        `json:"refused"`  // commits refused: conflict, invalid, no access
	Expired      uint64        `json:"expired"`  // transactions closed by the time-out
}
