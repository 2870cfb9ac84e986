package tree

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/slipway-desktop/slipway/backend/datakit"
	"github.com/slipway-desktop/slipway/backend/ninep"
)

// readTree is a tree of files that can only be read: that of a commit, which
// never changes, or that of a branch's head, which changes under its readers.
type readTree struct {
	v    *view
	id   string // what makes its nodes' Qids differ from those of other trees
	snap func() (datakit.Snapshot, error)
}

// readNode is a file or directory of a readTree.
type readNode struct {
	t       *readTree
	path    string
	version *atomic.Uint32
}

// readDir, readFile and readLink are what a readNode can be.
type (
	readDir  struct{ readNode }
	readFile struct{ readNode }
	readLink struct{ readNode }
)

// root is the tree's root directory.
func (t *readTree) root() ninep.Node {
	return readDir{readNode{t, "", new(atomic.Uint32)}}
}

// fixedTree is the tree of a snapshot that is there already.
func (v *view) fixedTree(id string, sn datakit.Snapshot) *readTree {
	return &readTree{v, id, func() (datakit.Snapshot, error) { return sn, nil }}
}

func (t *readTree) node(path string, e datakit.Entry) ninep.Node {
	n := readNode{t, path, new(atomic.Uint32)}
	n.saw(e.Hash)
	switch {
	case e.Mode.IsDir():
		return readDir{n}
	case e.Mode == datakit.ModeSymlink:
		return readLink{n}
	}
	return readFile{n}
}

// saw keeps the Qid's version in step with the content.
func (n readNode) saw(h datakit.Hash) { n.version.Store(binary.BigEndian.Uint32(h[:4])) }

func (n readNode) qid(t ninep.QidType) ninep.Qid {
	return ninep.Qid{Type: t, Version: n.version.Load(), Path: n.t.v.s.qids.path(familyObject, n.t.id, n.path)}
}

func (n readDir) Qid() ninep.Qid  { return n.qid(ninep.QidDir) }
func (n readFile) Qid() ninep.Qid { return n.qid(ninep.QidFile) }
func (n readLink) Qid() ninep.Qid { return n.qid(ninep.QidSymlink) }

func (n readNode) stat() (datakit.Snapshot, datakit.Entry, error) {
	sn, err := n.t.snap()
	if err != nil {
		return sn, datakit.Entry{}, wire(err)
	}
	e := datakit.Entry{Mode: datakit.ModeDir, Hash: sn.Tree()}
	if n.path != "" {
		if e, err = sn.Stat(n.path); err != nil {
			return sn, e, wire(err)
		}
	}
	n.saw(e.Hash)
	return sn, e, nil
}

// Attr tells the time of the commit as that of all its files.
func (n readNode) Attr(context.Context) (ninep.Attr, error) {
	sn, e, err := n.stat()
	if err != nil {
		return ninep.Attr{}, err
	}
	var size int64
	if !e.Mode.IsDir() {
		if size, err = sn.Size(n.path); err != nil {
			return ninep.Attr{}, wire(err)
		}
	}
	made, err := n.t.v.s.summaries.of(sn.Commit())
	if errors.Is(err, datakit.ErrNotExist) { // ours of a merge: made for it, and not in the store
		made, err = summary{time: time.Now()}, nil
	}
	return n.t.v.attr(wireMode(e.Mode), size, made.time), wire(err)
}

// SetAttr refuses every change.
func (n readNode) SetAttr(context.Context, ninep.SetAttr) error { return errReadOnly }

func (n readDir) Lookup(_ context.Context, name string) (ninep.Node, error) {
	sn, err := n.t.snap()
	if err != nil {
		return nil, wire(err)
	}
	path := join(n.path, name)
	e, err := sn.Stat(path)
	if err != nil {
		return nil, wire(err)
	}
	return n.t.node(path, e), nil
}

func (n readDir) Open(_ context.Context, flags ninep.OpenFlags) (ninep.Handle, error) {
	if flags.CanWrite() {
		return nil, errIsDir
	}
	return &dirHandle{list: func(context.Context) ([]ninep.Dirent, error) {
		sn, err := n.t.snap()
		if err != nil {
			return nil, wire(err)
		}
		list, err := sn.List(n.path)
		if err != nil {
			return nil, wire(err)
		}
		entries := make([]ninep.Dirent, 0, len(list))
		for _, e := range list {
			if showable(e.Name) {
				entries = append(entries, ninep.Dirent{Qid: n.t.node(join(n.path, e.Name), e).Qid(), Name: e.Name})
			}
		}
		return entries, nil
	}}, nil
}

// The methods below say why nothing can be made or removed here.

func (n readDir) Create(context.Context, string, ninep.OpenFlags, uint32) (ninep.Node, ninep.Handle, error) {
	return nil, nil, errDirRO
}
func (n readDir) Mkdir(context.Context, string, uint32) (ninep.Node, error)   { return nil, errDirRO }
func (n readDir) Symlink(context.Context, string, string) (ninep.Node, error) { return nil, errDirRO }
func (n readDir) Unlink(context.Context, string, bool) error                  { return errDirRO }
func (n readDir) Rename(context.Context, string, ninep.Node, string) error    { return errDirRO }

// Open opens the content as it is now: it stays the same while the file is open.
func (n readFile) Open(_ context.Context, flags ninep.OpenFlags) (ninep.Handle, error) {
	if flags.CanWrite() {
		return nil, errReadOnly
	}
	sn, _, err := n.stat()
	if err != nil {
		return nil, err
	}
	f, err := sn.Open(n.path)
	if err != nil {
		return nil, wire(err)
	}
	return blobHandle{f}, nil
}

type blobHandle struct{ datakit.File }

func (h blobHandle) ReadAt(_ context.Context, p []byte, offset int64) (int, error) {
	return h.File.ReadAt(p, offset)
}

// Open gives the target to read, for clients that know no links.
func (n readLink) Open(ctx context.Context, flags ninep.OpenFlags) (ninep.Handle, error) {
	if flags.CanWrite() {
		return nil, errReadOnly
	}
	target, err := n.Readlink(ctx)
	return bytesHandle(target), err
}

// Readlink tells the target as data: nobody here follows it.
func (n readLink) Readlink(context.Context) (string, error) {
	sn, err := n.t.snap()
	if err != nil {
		return "", wire(err)
	}
	target, err := sn.Read(n.path)
	return string(target), wire(err)
}

// blobFile is an object that is addressed by its hash.
type blobFile struct {
	at
	hash datakit.Hash
	data func() ([]byte, error)
}

func (f *blobFile) Qid() ninep.Qid {
	q := f.at.Qid()
	if f.mode == linkMode {
		q.Type = ninep.QidSymlink
	}
	return q
}

func (f *blobFile) Attr(context.Context) (ninep.Attr, error) {
	b, err := f.data()
	if err != nil {
		return ninep.Attr{}, wire(err)
	}
	return f.v.attr(f.mode, int64(len(b)), f.v.s.started), nil
}

func (f *blobFile) Open(_ context.Context, flags ninep.OpenFlags) (ninep.Handle, error) {
	if flags.CanWrite() {
		return nil, errReadOnly
	}
	b, err := f.data()
	return bytesHandle(b), wire(err)
}

// blobLink is a blobFile that is a link.
type blobLink struct{ blobFile }

func (f *blobLink) Readlink(context.Context) (string, error) {
	b, err := f.data()
	return string(b), wire(err)
}

// objects is the directory trees/: what tree.live names, by that name.
func (v *view) objects() ninep.Node {
	return v.hidden("trees", func(_ context.Context, name string) (ninep.Node, error) {
		letter, digits, ok := strings.Cut(name, "-")
		if !ok {
			return nil, errNotThere
		}
		h, err := parseHash(digits)
		if err != nil {
			return nil, err
		}
		path := "trees/" + letter + "-" + h.String()
		if letter == "D" {
			sn, err := v.s.store.SnapshotOfTree(h)
			if err != nil {
				return nil, err
			}
			return v.fixedTree(path, sn).root(), nil
		}
		mode, ok := map[string]uint32{"F": fileMode, "X": execMode, "L": linkMode}[letter]
		if !ok {
			return nil, errNotThere
		}
		f := blobFile{at{v, path, mode}, h, func() ([]byte, error) { return v.s.store.Blob(h) }}
		if _, err := f.data(); err != nil {
			return nil, err
		}
		if letter == "L" {
			return &blobLink{f}, nil
		}
		return &f, nil
	})
}

// summaries remembers who made commits, and when: a kernel asks for each file that
// it shows, and a window for each branch.
type summaries struct {
	store *datakit.Store

	mu    sync.Mutex
	known map[datakit.Hash]summary
}

type summary struct {
	author, subject string
	time            time.Time
}

const maxSummaries = 8192

// of returns the zero summary for no commit.
func (t *summaries) of(commit datakit.Hash) (summary, error) {
	t.mu.Lock()
	known, ok := t.known[commit]
	t.mu.Unlock()
	if ok || commit.IsZero() {
		return known, nil
	}
	c, err := t.store.Commit(commit)
	if err != nil {
		return summary{}, err
	}
	known = summary{author: c.Author, time: c.Time}
	known.subject, _, _ = strings.Cut(c.Message, "\n")
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.known) >= maxSummaries || t.known == nil {
		t.known = map[datakit.Hash]summary{}
	}
	t.known[commit] = known
	return known, nil
}

// diffText is how diff/COMMIT lists changes.
func diffText(changes []datakit.Change) []byte {
	var out strings.Builder
	for _, c := range changes {
		sign := "*"
		switch c.Kind {
		case datakit.Added:
			sign = "+"
		case datakit.Removed:
			sign = "-"
		}
		fmt.Fprintf(&out, "%s %s\n", sign, c.Path)
	}
	return []byte(out.String())
}
