package datakit

import (
	"bytes"
	"fmt"
	"slices"
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

func (m Mode) isRegular() bool { return m&0o170000 == 0o100000 }

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

// decodeTree returns the entries in git's order, whatever order they were
// written in.
func decodeTree(data []byte) ([]treeEntry, error) {
	const shortest, usual = 1 + 1 + 1 + 1 + 20, 36 // bytes of an entry
	text := string(data)                           // the names share it
	entries := make([]treeEntry, 0, len(text)/usual+1)
	sorted := true
	for len(text) > 0 {
		end := strings.IndexByte(text, 0)
		if end < 0 || len(text) < end+1+20 || len(text) < shortest {
			return nil, fmt.Errorf("%w: truncated tree", ErrDamaged)
		}
		e, ok := decodeEntry(text[:end])
		if !ok {
			return nil, fmt.Errorf("%w: malformed tree entry %q", ErrDamaged, clip(text[:end]))
		}
		copy(e.hash[:], text[end+1:])
		if n := len(entries); n > 0 && compareEntries(entries[n-1], e) > 0 {
			sorted = false
		}
		entries = append(entries, e)
		text = text[end+1+20:]
	}
	if !sorted {
		slices.SortStableFunc(entries, compareEntries)
	}
	return entries, nil
}

// decodeEntry reads "mode name".
func decodeEntry(head string) (e treeEntry, ok bool) {
	mode := Mode(0)
	for i := range len(head) {
		switch c := head[i]; {
		case c == ' ':
			e.name, e.mode = head[i+1:], mode
			return e, mode != 0 && e.name != "" && strings.IndexByte(e.name, '/') < 0
		case c < '0' || c > '7' || mode > 1<<28:
			return e, false
		default:
			mode = mode<<3 | Mode(c-'0')
		}
	}
	return e, false
}

// encodeTree does not change entries, which may be in any order.
func encodeTree(entries []treeEntry) []byte {
	if !slices.IsSortedFunc(entries, compareEntries) {
		entries = slices.Clone(entries)
		slices.SortStableFunc(entries, compareEntries)
	}
	size := 0
	for _, e := range entries {
		size += 11 + 1 + len(e.name) + 1 + 20
	}
	out := make([]byte, 0, size)
	for _, e := range entries {
		out = strconv.AppendUint(out, uint64(e.mode), 8)
		out = append(out, ' ')
		out = append(out, e.name...)
		out = append(out, 0)
		out = append(out, e.hash[:]...)
	}
	return out
}

// compareEntries is git's order: a directory sorts as if its name ended in "/".
func compareEntries(a, b treeEntry) int {
	return compareNames(a.name, a.mode.IsDir(), b.name, b.mode.IsDir())
}

func compareNames(a string, aDir bool, b string, bDir bool) int {
	n := min(len(a), len(b))
	if c := strings.Compare(a[:n], b[:n]); c != 0 {
		return c
	}
	return nextByte(a[n:], aDir) - nextByte(b[n:], bDir)
}

func nextByte(rest string, dir bool) int {
	switch {
	case rest != "":
		return int(rest[0])
	case dir:
		return '/'
	}
	return 0
}

// searchTree returns the index of the entry called name. In git's order a file
// and a directory of one name may be far apart.
func searchTree(entries []treeEntry, name string) (int, bool) {
	for _, dir := range [...]bool{false, true} {
		i := sort.Search(len(entries), func(i int) bool {
			return compareNames(entries[i].name, entries[i].mode.IsDir(), name, dir) >= 0
		})
		if i < len(entries) && entries[i].name == name {
			return i, true
		}
	}
	return 0, false
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
