package tree

import (
	"context"
	"hash/maphash"
	"iter"
	"strings"
	"sync"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/slipway-desktop/slipway/backend/ninep"
)

// The modes of DataKit's tree.
const (
	dirMode  = ninep.ModeDir | 0o775
	fileMode = ninep.ModeRegular | 0o664
	execMode = ninep.ModeRegular | 0o775
	linkMode = ninep.ModeSymlink | 0o777
)

// family keeps the Qids of different sorts of nodes apart: it is the first byte
// of a Qid's path, the others are a hash of what the node is.
type family uint8

const (
	familyFixed  family = iota + 1 // the files and directories of the layout
	familyObject                   // files of commits, trees and blobs, by what leads to them
	familyEdited                   // files of transactions, by identity
)

// qids makes Qid paths: the same for the same thing while the server lives. The
// hash is keyed, so nobody can look for two things that have the same.
type qids struct{ seed maphash.Seed }

func (q qids) path(f family, parts ...string) uint64 {
	var h maphash.Hash
	h.SetSeed(q.seed)
	for _, p := range parts {
		h.WriteString(p)
		h.WriteByte(0)
	}
	return uint64(f)<<56 | h.Sum64()>>8
}

// at is what the nodes of the layout have in common.
type at struct {
	v    *view
	path string // from the root of the tree
	mode uint32
}

func (a at) Qid() ninep.Qid {
	q := ninep.Qid{Path: a.v.s.qids.path(familyFixed, a.path)}
	if a.mode&ninep.ModeDir != 0 {
		q.Type = ninep.QidDir
	}
	return q
}

// Attr says that the node changed just now, so that no cache keeps it.
func (a at) Attr(context.Context) (ninep.Attr, error) {
	return a.v.attr(a.mode, 0, a.v.s.started.Add(time.Since(a.v.s.started))), nil
}

// attr makes attributes. The client owns what it sees: a kernel that checks
// permissions by itself then lets it do what the server lets it do.
func (v *view) attr(mode uint32, size int64, when time.Time) ninep.Attr {
	return ninep.Attr{
		Mode: mode, UID: v.uid, GID: v.gid, Links: 1,
		Size: uint64(size), Blocks: (uint64(size) + 511) / 512,
		ATime: when, MTime: when, CTime: when,
	}
}

// dir is a directory of the layout. What is nil cannot be done.
type dir struct {
	at
	list   func(ctx context.Context) ([]string, error)
	find   func(ctx context.Context, name string) (ninep.Node, error)
	mkdir  func(ctx context.Context, name string) (ninep.Node, error)
	unlink func(ctx context.Context, name string, dir bool) error
	rename func(ctx context.Context, from string, to ninep.Node, name string) error
	create error // why no file can be made here; nil: the directory is read only
}

// fixed makes a directory whose entries are always the same.
func (v *view) fixed(path string, names []string, find func(name string) ninep.Node) *dir {
	return &dir{
		at:   at{v, path, dirMode},
		list: func(context.Context) ([]string, error) { return names, nil },
		find: func(_ context.Context, name string) (ninep.Node, error) { return found(find(name)) },
	}
}

// hidden makes a directory whose entries are found, but not listed.
func (v *view) hidden(path string, find func(ctx context.Context, name string) (ninep.Node, error)) *dir {
	return &dir{
		at:   at{v, path, dirMode},
		list: func(context.Context) ([]string, error) { return nil, nil },
		find: find,
	}
}

func found(n ninep.Node) (ninep.Node, error) {
	if n == nil {
		return nil, errNotThere
	}
	return n, nil
}

func (d *dir) Lookup(ctx context.Context, name string) (ninep.Node, error) {
	n, err := d.find(ctx, name)
	if err != nil {
		return nil, wire(err)
	}
	return n, nil
}

func (d *dir) Mkdir(ctx context.Context, name string, _ uint32) (ninep.Node, error) {
	if d.mkdir == nil {
		return nil, errDirRO
	}
	if !goodName(name) {
		return nil, errBadName
	}
	n, err := d.mkdir(ctx, name)
	if err != nil {
		return nil, wire(err)
	}
	return n, nil
}

func (d *dir) Create(context.Context, string, ninep.OpenFlags, uint32) (ninep.Node, ninep.Handle, error) {
	if d.create != nil {
		return nil, nil, d.create
	}
	return nil, nil, errDirRO
}

func (d *dir) Unlink(ctx context.Context, name string, dir bool) error {
	if d.unlink == nil {
		return errDirRO
	}
	return wire(d.unlink(ctx, name, dir))
}

func (d *dir) Rename(ctx context.Context, from string, to ninep.Node, name string) error {
	if d.rename == nil {
		return errDirRO
	}
	if !goodName(name) {
		return errBadName
	}
	return wire(d.rename(ctx, from, to, name))
}

// SetAttr ignores what a directory cannot have, as DataKit does: programs set times.
func (d *dir) SetAttr(_ context.Context, set ninep.SetAttr) error {
	if set.Valid&ninep.SetSize != 0 {
		return errIsDir
	}
	if set.Valid&ninep.SetMode != 0 {
		return errNoChmod
	}
	return nil
}

func (d *dir) Open(_ context.Context, flags ninep.OpenFlags) (ninep.Handle, error) {
	if flags.CanWrite() {
		return nil, errIsDir
	}
	return &dirHandle{list: func(ctx context.Context) ([]ninep.Dirent, error) {
		names, err := d.list(ctx)
		if err != nil {
			return nil, wire(err)
		}
		entries := make([]ninep.Dirent, 0, len(names))
		for _, name := range names {
			if n, err := d.find(ctx, name); err == nil {
				entries = append(entries, ninep.Dirent{Qid: n.Qid(), Name: name})
			}
		}
		return entries, nil
	}}, nil
}

// dirHandle reads a directory as it was when it was read from the start.
type dirHandle struct {
	list func(ctx context.Context) ([]ninep.Dirent, error)

	mu      sync.Mutex
	entries []ninep.Dirent
	read    bool
}

func (h *dirHandle) Close() error { return nil }

func (h *dirHandle) snapshot(ctx context.Context, offset uint64) ([]ninep.Dirent, error) {
	h.mu.Lock()
	entries, read := h.entries, h.read
	h.mu.Unlock()
	if offset > 0 && read {
		return entries, nil
	}
	entries, err := h.list(ctx)
	if err != nil {
		return nil, err
	}
	h.mu.Lock()
	h.entries, h.read = entries, true
	h.mu.Unlock()
	return entries, nil
}

func (h *dirHandle) ReadDir(ctx context.Context, offset uint64) iter.Seq2[ninep.Dirent, error] {
	return func(yield func(ninep.Dirent, error) bool) {
		entries, err := h.snapshot(ctx, offset)
		if err != nil {
			yield(ninep.Dirent{}, err)
			return
		}
		for i := offset; i < uint64(len(entries)); i++ {
			e := entries[i]
			e.Offset = i + 1
			if !yield(e, nil) {
				return
			}
		}
	}
}

// goodName reports whether something new may have this name. The server has
// checked that it is one element of at most 255 bytes.
func goodName(name string) bool {
	return utf8.ValidString(name) && !strings.ContainsFunc(name, unicode.IsControl)
}

// showable reports whether an entry of a tree that git or somebody hostile made
// can be an entry of a directory here.
func showable(name string) bool {
	return name != "." && name != ".." && name != "" && len(name) <= 255 && !strings.ContainsAny(name, "/\x00")
}
