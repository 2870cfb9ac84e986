package pack

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"

	"github.com/go-git/go-git/v5/plumbing"
)

// look checks an object's form and notes what it refers to.
func (in *ingest) look(kind Kind, data []byte) error {
	if in.opt.Has == nil {
		return checkForm(kind, data, func(Hash, Kind) {})
	}
	err := checkForm(kind, data, func(h Hash, want Kind) {
		if n, ok := in.byName[h]; !ok || in.objects[n].kind != want {
			in.links[h] = want
		}
	})
	if err == nil && len(in.links) > 2*in.opt.MaxObjects {
		err = fmt.Errorf("more than %d objects named: %w", 2*in.opt.MaxObjects, ErrTooLarge)
	}
	return err
}

// checkLinks looks for the objects that were named.
func (in *ingest) checkLinks() error {
	for h, want := range in.links {
		n, ok := in.byName[h]
		switch {
		case ok && in.objects[n].kind != want:
			return damaged("object %s is a %s where a %s should be", h, in.objects[n].kind, want)
		case !ok && !in.opt.Has(h) && h != emptyTree:
			return damaged("%s %s is missing", want, h)
		}
	}
	return nil
}

var emptyTree = hashObject(plumbing.TreeObject, nil)

// checkForm parses an object as far as to find what it refers to. It refuses
// what no git makes and what could lead outside of a directory.
func checkForm(kind Kind, data []byte, link func(Hash, Kind)) error {
	switch kind {
	case plumbing.TreeObject:
		for e, err := range treeEntries(data) {
			if err != nil {
				return err
			}
			if err := checkName(e.name); err != nil {
				return err
			}
			switch e.mode & 0o170000 {
			case modeDir:
				link(e.hash, plumbing.TreeObject)
			case modeSubmodule: // a commit of another repository
			default:
				link(e.hash, plumbing.BlobObject)
			}
		}
	case plumbing.CommitObject:
		c, err := parseCommit(data)
		if err != nil {
			return err
		}
		link(c.tree, plumbing.TreeObject)
		for _, p := range c.parents {
			link(p, plumbing.CommitObject)
		}
	case plumbing.TagObject:
		return checkTag(data, link)
	}
	return nil
}

const (
	modeDir       = 0o040000
	modeSubmodule = 0o160000
)

// treeEntry is one entry of a tree; name points into the tree.
type treeEntry struct {
	mode uint32
	name []byte
	hash Hash
}

// treeEntries parses git's format of trees: octal mode, space, name, NUL, hash.
func treeEntries(data []byte) func(yield func(treeEntry, error) bool) {
	return func(yield func(treeEntry, error) bool) {
		for len(data) > 0 {
			var e treeEntry
			digits := 0
			for digits < len(data) && data[digits] >= '0' && data[digits] <= '7' && digits < 7 {
				e.mode = e.mode<<3 | uint32(data[digits]-'0')
				digits++
			}
			end := bytes.IndexByte(data, 0)
			if digits == 0 || end <= digits+1 || data[digits] != ' ' || len(data)-end-1 < len(e.hash) {
				yield(treeEntry{}, damaged("malformed tree"))
				return
			}
			e.name = data[digits+1 : end]
			copy(e.hash[:], data[end+1:])
			data = data[end+1+len(e.hash):]
			if !yield(e, nil) {
				return
			}
		}
	}
}

func checkName(name []byte) error {
	if bytes.IndexByte(name, '/') >= 0 || string(name) == "." || string(name) == ".." || strings.EqualFold(string(name), ".git") {
		return damaged("a tree with an entry %q", clip(string(name)))
	}
	return nil
}

// commitHead is what a commit says of others.
type commitHead struct {
	tree    Hash
	parents []Hash
	when    int64 // the committer's, seconds
}

func parseCommit(data []byte) (commitHead, error) {
	var c commitHead
	head, _, _ := strings.Cut(string(data), "\n\n")
	for i, line := range strings.Split(head, "\n") {
		key, value, _ := strings.Cut(line, " ")
		var err error
		switch {
		case i == 0 && key != "tree":
			return c, damaged("a commit without a tree")
		case i == 0:
			c.tree, err = parseHash(value)
		case key == "parent":
			var p Hash
			p, err = parseHash(value)
			c.parents = append(c.parents, p)
		case key == "committer":
			if fields := strings.Fields(value[strings.LastIndexByte(value, '>')+1:]); len(fields) > 0 {
				c.when, _ = strconv.ParseInt(fields[0], 10, 64)
			}
		}
		if err != nil {
			return c, err
		}
	}
	return c, nil
}

func checkTag(data []byte, link func(Hash, Kind)) error {
	lines := strings.SplitN(string(data), "\n", 3)
	if len(lines) < 3 {
		return damaged("malformed tag")
	}
	value, ok := strings.CutPrefix(lines[0], "object ")
	h, err := parseHash(value)
	kind, named := strings.CutPrefix(lines[1], "type ")
	k, kindErr := plumbing.ParseObjectType(kind)
	if !ok || !named || err != nil || kindErr != nil || k.IsDelta() {
		return damaged("malformed tag")
	}
	link(h, k)
	return nil
}

func parseHash(s string) (h Hash, err error) {
	if len(s) != 2*len(h) {
		return h, damaged("a malformed name %q", clip(s))
	}
	if _, err := hex.Decode(h[:], []byte(s)); err != nil {
		return h, damaged("a malformed name %q", clip(s))
	}
	return h, nil
}

// clip shortens text from outside before it goes into a message.
func clip(s string) string {
	const limit = 80
	if len(s) > limit {
		return s[:limit] + "…"
	}
	return s
}
