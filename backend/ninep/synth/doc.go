// Package synth makes 9P files whose content is what functions say: status files,
// commands, questions and answers, and streams of news. A control tree is a few
// of these hung into directories.
//
// Each open of a File reads one consistent snapshot. A Query runs once for each
// write, and is answered on the same open file. A Stream is produced by a goroutine
// that begins with the first read, waits while its reader is slow, and has ended
// when the file is closed. A Buffer is an ordinary small file in memory.
//
// 9P2000.L can only say an error number. Why the last use of an open file failed
// can be read from its extended attribute ErrorXattr; a Query also answers with
// the reason itself. In the older dialects the reason is the error.
package synth

import (
	"context"
	"errors"
	"hash/fnv"
	"iter"
	"os"
	"path"
	"slices"
	"sync"
	"time"

	"github.com/slipway-desktop/slipway/backend/ninep"
)

// ErrorXattr names the attribute that holds why reading an open file failed: the
// text of an Explainer, else the error's message.
const ErrorXattr = "user.slipway.error"

// Explainer is an error with more to say than a number.
type Explainer = ninep.Explainer

// Entry is a node that knows its name.
type Entry interface {
	ninep.Node
	Name() string
}

// info is what all nodes have. Nodes made for the same path are the same file.
type info struct {
	path string
	mode uint32
}

func (i info) Name() string { return path.Base(i.path) }

func (i info) Qid() ninep.Qid {
	h := fnv.New64a()
	h.Write([]byte(i.path))
	q := ninep.Qid{Path: h.Sum64()}
	if i.mode&ninep.ModeDir != 0 {
		q.Type = ninep.QidDir
	}
	return q
}

// Attr says that a made-up file belongs to whoever runs this, and changed just
// now: nobody can know better, and caches must not keep it.
func (i info) Attr(context.Context) (ninep.Attr, error) {
	now := time.Now()
	return ninep.Attr{
		Mode: i.mode, UID: uint32(os.Getuid()), GID: uint32(os.Getgid()), Links: 1,
		ATime: now, MTime: now, CTime: now,
	}, nil
}

// Dir is a directory. The functions may be nil.
type Dir struct {
	info
	list func(ctx context.Context) ([]Entry, error)
	Ops  DirOps
}

// DirOps is what a directory can do beyond listing. What is nil cannot be done.
type DirOps struct {
	// Find looks one entry up, where that is cheaper than listing or finds more.
	Find   func(ctx context.Context, name string) (Entry, error)
	Mkdir  func(ctx context.Context, name string) (Entry, error)
	Create func(ctx context.Context, name string) (Entry, error) // makes an empty file
	Unlink func(ctx context.Context, name string, dir bool) error
}

// NewDir makes a directory with fixed entries.
func NewDir(path string, entries ...Entry) *Dir {
	return NewDirOf(path, func(context.Context) ([]Entry, error) { return entries, nil }, DirOps{})
}

// NewDirOf makes a directory whose entries change.
func NewDirOf(path string, list func(context.Context) ([]Entry, error), ops DirOps) *Dir {
	mode := ninep.ModeDir | 0o500
	if ops.Mkdir != nil || ops.Create != nil || ops.Unlink != nil {
		mode |= 0o200
	}
	return &Dir{info{path, mode}, list, ops}
}

// Lookup implements ninep.Dir.
func (d *Dir) Lookup(ctx context.Context, name string) (ninep.Node, error) {
	if d.Ops.Find != nil {
		return d.Ops.Find(ctx, name)
	}
	entries, err := d.list(ctx)
	if err != nil {
		return nil, err
	}
	for _, e := range entries {
		if e.Name() == name {
			return e, nil
		}
	}
	return nil, ninep.ENOENT
}

// Mkdir implements ninep.Mkdirer.
func (d *Dir) Mkdir(ctx context.Context, name string, _ uint32) (ninep.Node, error) {
	if d.Ops.Mkdir == nil {
		return nil, ninep.EROFS
	}
	return d.Ops.Mkdir(ctx, name)
}

// Create implements ninep.Creator.
func (d *Dir) Create(ctx context.Context, name string, flags ninep.OpenFlags, _ uint32) (ninep.Node, ninep.Handle, error) {
	if d.Ops.Create == nil {
		return nil, nil, ninep.EROFS
	}
	n, err := d.Ops.Create(ctx, name)
	if err != nil {
		return nil, nil, err
	}
	h, err := n.Open(ctx, flags)
	return n, h, err
}

// Unlink implements ninep.Remover.
func (d *Dir) Unlink(ctx context.Context, name string, dir bool) error {
	if d.Ops.Unlink == nil {
		return ninep.EROFS
	}
	return d.Ops.Unlink(ctx, name, dir)
}

// Open lists the entries once; reading the directory from its start lists anew.
func (d *Dir) Open(_ context.Context, flags ninep.OpenFlags) (ninep.Handle, error) {
	if flags.CanWrite() {
		return nil, ninep.EISDIR
	}
	return &dirHandle{dir: d}, nil
}

type dirHandle struct {
	dir *Dir

	mu      sync.Mutex
	entries []Entry
}

func (h *dirHandle) Close() error { return nil }

// snapshot lists the directory when it is read from the start.
func (h *dirHandle) snapshot(ctx context.Context, offset uint64) ([]Entry, error) {
	h.mu.Lock()
	entries := h.entries
	h.mu.Unlock()
	if offset > 0 && entries != nil {
		return entries, nil
	}
	entries, err := h.dir.list(ctx)
	h.mu.Lock()
	h.entries = entries
	h.mu.Unlock()
	return entries, err
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
			if !yield(ninep.Dirent{Qid: e.Qid(), Offset: i + 1, Name: e.Name()}, nil) {
				return
			}
		}
	}
}

// reason is what ErrorXattr holds after err.
func reason(err error) ([]byte, error) {
	var e Explainer
	switch {
	case err == nil:
		return nil, ninep.ENODATA
	case errors.As(err, &e):
		return slices.Clone(e.Explain()), nil
	}
	return []byte(err.Error()), nil
}
