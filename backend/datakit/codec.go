package datakit

import (
	"bytes"
	"fmt"
	"sort"
	"strconv"
	"strings"
	"time"
)

// Mode is git's mode of a tree entry.
type Mode uint32

// The modes git writes. Other values read from a repository are kept as they
// are; only the first three can be given to Tx.Write.
const (
	ModeFile      Mode = 0o100644
	ModeExec      Mode = 0o100755
	ModeSymlink   Mode = 0o120000
	ModeDir       Mode = 0o040000
	ModeSubmodule Mode = 0o160000
)

// IsDir reports whether the entry is a directory.
func (m Mode) IsDir() bool { return m&0o170000 == ModeDir }

// treeEntry is one entry of a tree object. git's TREE format: octal mode,
// space, name, NUL, 20 bytes of hash; sorted as if directories ended in "/".
// go-git's codec normalises odd modes; this one keeps them, so that rewriting a
// tree changes only what was asked.
type treeEntry struct {
	name string
	node
}

// node is what a path leads to. The zero node is "absent".
type node struct {
	mode Mode
	hash Hash
}

func (n node) absent() bool { return n == node{} }

func decodeTree(data []byte) ([]treeEntry, error) {
	var entries []treeEntry
	for len(data) > 0 {
		head, rest, ok := bytes.Cut(data, []byte{0})
		if !ok || len(rest) < 20 {
			return nil, fmt.Errorf("%w: truncated tree", ErrDamaged)
		}
		mode, name, ok := strings.Cut(string(head), " ")
		bits, err := strconv.ParseUint(mode, 8, 32)
		if !ok || err != nil || bits == 0 || name == "" || strings.Contains(name, "/") {
			return nil, fmt.Errorf("%w: malformed tree entry %q", ErrDamaged, clip(string(head)))
		}
		entries = append(entries, treeEntry{name: name, node: node{mode: Mode(bits), hash: Hash(rest[:20])}})
		data = rest[20:]
	}
	return entries, nil
}

func encodeTree(entries []treeEntry) []byte {
	sort.Slice(entries, func(i, j int) bool { return sortKey(entries[i]) < sortKey(entries[j]) })
	var out bytes.Buffer
	for _, e := range entries {
		fmt.Fprintf(&out, "%o %s\x00", uint32(e.mode), e.name)
		out.Write(e.hash[:])
	}
	return out.Bytes()
}

func sortKey(e treeEntry) string {
	if e.mode.IsDir() {
		return e.name + "/"
	}
	return e.name
}

// rawCommit is a decoded commit object.
type rawCommit struct {
	tree    Hash
	parents []Hash
	author  Author
	when    time.Time
	commit  time.Time // committer's time: orders the log
	message string
}

const maxParents = 64

var epoch = time.Unix(0, 0).UTC()

func decodeCommit(data []byte) (rawCommit, error) {
	c := rawCommit{when: epoch, commit: epoch}
	head, message, _ := strings.Cut(string(data), "\n\n")
	c.message = message
	seen := false
	for _, line := range strings.Split(head, "\n") {
		key, value, _ := strings.Cut(line, " ")
		var err error
		switch key {
		case "tree":
			c.tree, err = ParseHash(value)
			seen = true
		case "parent":
			var p Hash
			p, err = ParseHash(value)
			c.parents = append(c.parents, p)
		case "author":
			c.author, c.when = decodeSignature(value)
		case "committer":
			_, c.commit = decodeSignature(value)
		}
		if err != nil || len(c.parents) > maxParents {
			return rawCommit{}, fmt.Errorf("%w: malformed commit header %q", ErrDamaged, clip(line))
		}
	}
	if !seen {
		return rawCommit{}, fmt.Errorf("%w: commit without a tree", ErrDamaged)
	}
	return c, nil
}

// decodeSignature reads "Name <email> seconds +hhmm" and forgives what old
// tools wrote: an unreadable date is the epoch.
func decodeSignature(s string) (Author, time.Time) {
	name, rest, _ := strings.Cut(s, "<")
	email, date, _ := strings.Cut(rest, ">")
	who := Author{Name: strings.TrimSpace(name), Email: strings.TrimSpace(email)}
	fields := strings.Fields(date)
	if len(fields) == 0 {
		return who, epoch
	}
	seconds, err := strconv.ParseInt(fields[0], 10, 64)
	if err != nil || seconds < 0 || seconds > 1<<40 {
		return who, epoch
	}
	when := time.Unix(seconds, 0).UTC()
	if len(fields) > 1 {
		if zone, err := time.Parse("-0700", fields[1]); err == nil {
			when = when.In(zone.Location())
		}
	}
	return who, when
}

func encodeCommit(tree Hash, parents []Hash, who Author, when time.Time, message string) []byte {
	var out bytes.Buffer
	fmt.Fprintf(&out, "tree %s\n", tree)
	for _, p := range parents {
		fmt.Fprintf(&out, "parent %s\n", p)
	}
	signature := fmt.Sprintf("%s <%s> %d %s", who.Name, who.Email, when.Unix(), when.Format("-0700"))
	fmt.Fprintf(&out, "author %s\ncommitter %s\n\n%s", signature, signature, message)
	return out.Bytes()
}
