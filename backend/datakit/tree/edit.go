package tree

import (
	"context"
	"encoding/binary"
	"errors"
	"strings"
	"time"

	"github.com/slipway-desktop/slipway/backend/datakit"
	"github.com/slipway-desktop/slipway/backend/ninep"
)

// editNode is a file or directory of rw/.
type editNode struct {
	v  *view
	in *inode
}

// editDir, editFile and editLink are what an editNode can be.
type (
	editDir  struct{ editNode }
	editFile struct{ editNode }
	editLink struct{ editNode }
)

// nodeOf makes a node of the kind that an entry has.
func (n editNode) nodeOf(e datakit.Entry, in *inode) ninep.Node {
	if e.Hash.IsZero() {
		in.version.Store(in.t.version.Load())
	} else {
		in.version.Store(binary.BigEndian.Uint32(e.Hash[:4]))
	}
	child := editNode{n.v, in}
	switch {
	case e.Mode.IsDir():
		return editDir{child}
	case e.Mode == datakit.ModeSymlink:
		return editLink{child}
	}
	return editFile{child}
}

func (n editNode) qid(t ninep.QidType) ninep.Qid {
	return ninep.Qid{Type: t, Version: n.in.version.Load(), Path: n.in.id}
}

func (n editDir) Qid() ninep.Qid  { return n.qid(ninep.QidDir) }
func (n editFile) Qid() ninep.Qid { return n.qid(ninep.QidFile) }
func (n editLink) Qid() ninep.Qid { return n.qid(ninep.QidSymlink) }

// look runs f on the node's path.
func (n editNode) look(f func(tx *datakit.Tx, path string) error) error {
	t := n.in.t
	if n.v.owns(t) {
		t.touch()
	}
	return wire(t.ongoing(func() error {
		path, ok := n.in.path()
		if !ok {
			return errNotThere
		}
		return f(t.tx, path)
	}))
}

// change runs f, which changes the content of files but moves none, on the node's path.
func (n editNode) change(f func(tx *datakit.Tx, path string) error) error {
	if err := n.v.mayEdit(n.in.t); err != nil {
		return err
	}
	err := n.look(f)
	n.in.version.Store(n.in.t.version.Add(1))
	return err
}

// move runs f, which may move and remove files, alone.
func (n editNode) move(f func(tx *datakit.Tx, path string) error) error {
	t := n.in.t
	if err := n.v.mayEdit(t); err != nil {
		return err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	path, ok := n.in.path()
	if t.ended || !ok {
		return errNotThere
	}
	err := f(t.tx, path)
	n.in.version.Store(t.version.Add(1))
	return wire(err)
}

func (n editNode) Attr(context.Context) (ninep.Attr, error) {
	var a ninep.Attr
	err := n.look(func(tx *datakit.Tx, path string) error {
		if path == "" {
			a = n.v.attr(dirMode, 0, time.Now())
			return nil
		}
		e, size, err := tx.Stat(path)
		a = n.v.attr(wireMode(e.Mode), size, time.Now())
		return err
	})
	return a, err
}

// wireMode is how a mode of git looks to clients. What is neither directory, link
// nor executable is an ordinary file, submodules too.
func wireMode(m datakit.Mode) uint32 {
	switch {
	case m.IsDir():
		return dirMode
	case m == datakit.ModeExec:
		return execMode
	case m == datakit.ModeSymlink:
		return linkMode
	}
	return fileMode
}

// Lookup implements ninep.Dir.
func (n editDir) Lookup(_ context.Context, name string) (ninep.Node, error) {
	var found ninep.Node
	err := n.look(func(tx *datakit.Tx, path string) error {
		e, _, err := tx.Stat(join(path, name))
		if err == nil {
			found = n.nodeOf(e, n.in.child(name))
		}
		return err
	})
	return found, err
}

// Open implements ninep.Node.
func (n editDir) Open(_ context.Context, flags ninep.OpenFlags) (ninep.Handle, error) {
	if flags.CanWrite() {
		return nil, errIsDir
	}
	return &dirHandle{list: func(context.Context) ([]ninep.Dirent, error) {
		var entries []ninep.Dirent
		err := n.look(func(tx *datakit.Tx, path string) error {
			list, err := tx.List(path)
			if err != nil {
				return err
			}
			for _, e := range list {
				if showable(e.Name) {
					q := ninep.Qid{Type: qidType(e.Mode), Path: n.in.t.ids.of(n.in, e.Name)}
					entries = append(entries, ninep.Dirent{Qid: q, Name: e.Name})
				}
			}
			return nil
		})
		return entries, err
	}}, nil
}

func qidType(m datakit.Mode) ninep.QidType {
	switch {
	case m.IsDir():
		return ninep.QidDir
	case m == datakit.ModeSymlink:
		return ninep.QidSymlink
	}
	return ninep.QidFile
}

// add makes a new entry with f, and returns its node.
func (n editDir) add(name string, f func(tx *datakit.Tx, path string) error) (ninep.Node, error) {
	if !goodName(name) {
		return nil, errBadName
	}
	var made ninep.Node
	err := n.move(func(tx *datakit.Tx, dir string) error {
		path := join(dir, name)
		if err := f(tx, path); err != nil {
			return err
		}
		e, _, err := tx.Stat(path)
		if err == nil {
			made = n.nodeOf(e, n.in.child(name))
		}
		return err
	})
	return made, err
}

// Create makes an empty file. Unless it has to be new, one that is there already
// is opened, as open(2) does.
func (n editDir) Create(ctx context.Context, name string, flags ninep.OpenFlags, mode uint32) (ninep.Node, ninep.Handle, error) {
	kind := datakit.ModeFile
	if mode&0o100 != 0 {
		kind = datakit.ModeExec
	}
	made, err := n.add(name, func(tx *datakit.Tx, path string) error {
		err := tx.Create(path, kind)
		if errors.Is(err, datakit.ErrExist) && flags&ninep.Exclusive == 0 {
			return nil
		}
		return err
	})
	if err != nil {
		return nil, nil, err
	}
	h, err := made.Open(ctx, flags)
	return made, h, err
}

func (n editDir) Mkdir(_ context.Context, name string, _ uint32) (ninep.Node, error) {
	return n.add(name, func(tx *datakit.Tx, path string) error { return tx.Mkdir(path) })
}

// Symlink keeps a target as it is: nobody here follows it.
func (n editDir) Symlink(_ context.Context, name, target string) (ninep.Node, error) {
	if len(target) > 4096 || strings.ContainsRune(target, 0) {
		return nil, faultf(ninep.EINVAL, "a link's target has at most 4096 bytes, and no NUL")
	}
	return n.add(name, func(tx *datakit.Tx, path string) error {
		if _, _, err := tx.Stat(path); err == nil {
			return errThere
		}
		return tx.Write(path, []byte(target), datakit.ModeSymlink)
	})
}

// Unlink removes one file or empty directory.
func (n editDir) Unlink(_ context.Context, name string, dir bool) error {
	return n.move(func(tx *datakit.Tx, path string) error {
		path = join(path, name)
		e, _, err := tx.Stat(path)
		switch {
		case err != nil:
			return err
		case dir && !e.Mode.IsDir():
			return errNotDir
		case !dir && e.Mode.IsDir():
			return errIsDir
		}
		if err := tx.RemoveOne(path); err != nil {
			return err
		}
		n.in.removed(name)
		return nil
	})
}

// RemoveAll removes an entry with all that is in it: what Tremove does in DataKit.
func (n editDir) RemoveAll(_ context.Context, name string) error {
	return n.move(func(tx *datakit.Tx, path string) error {
		if err := tx.Remove(join(path, name)); err != nil {
			return err
		}
		n.in.removed(name)
		return nil
	})
}

func (n editDir) Rename(_ context.Context, name string, to ninep.Node, newName string) error {
	if !goodName(newName) {
		return errBadName
	}
	target, ok := to.(editDir)
	if !ok || target.in.t != n.in.t {
		return ninep.EXDEV
	}
	return n.move(func(tx *datakit.Tx, dir string) error {
		targetDir, ok := target.in.path()
		if !ok {
			return errNotThere
		}
		from, into := join(dir, name), join(targetDir, newName)
		if from == into {
			_, _, err := tx.Stat(from)
			return err
		}
		if err := tx.Rename(from, into); err != nil {
			return err
		}
		n.in.moved(name, target.in, newName)
		return nil
	})
}

// SetAttr ignores times, owners and modes: git keeps none for directories.
func (n editDir) SetAttr(_ context.Context, set ninep.SetAttr) error {
	if set.Valid&ninep.SetSize != 0 {
		return errIsDir
	}
	return n.v.mayEdit(n.in.t)
}

// SetAttr changes the size, and whether the file can be executed; it ignores times
// and owners, of which git keeps none.
func (n editFile) SetAttr(_ context.Context, set ninep.SetAttr) error {
	if set.Valid&(ninep.SetSize|ninep.SetMode) == 0 {
		return n.v.mayEdit(n.in.t)
	}
	return n.change(func(tx *datakit.Tx, path string) error {
		if set.Valid&ninep.SetSize != 0 {
			if set.Size > 1<<62 {
				return ninep.EFBIG
			}
			if err := tx.Truncate(path, int64(set.Size)); err != nil {
				return err
			}
		}
		if set.Valid&ninep.SetMode != 0 {
			return tx.Chmod(path, set.Mode&0o100 != 0)
		}
		return nil
	})
}

func (n editFile) Open(_ context.Context, flags ninep.OpenFlags) (ninep.Handle, error) {
	if !flags.CanWrite() {
		return &editHandle{editNode: n.editNode}, n.look(func(tx *datakit.Tx, path string) error {
			_, _, err := tx.Stat(path)
			return err
		})
	}
	err := n.change(func(tx *datakit.Tx, path string) error {
		if flags&ninep.Truncate != 0 {
			return tx.Truncate(path, 0)
		}
		_, _, err := tx.Stat(path)
		return err
	})
	return &editHandle{n.editNode, flags&ninep.Append != 0}, err
}

// editHandle is an open file of a transaction. It holds nothing: all handles of a
// file see each other's writes.
type editHandle struct {
	editNode
	append bool
}

func (h *editHandle) Close() error { return nil }

func (h *editHandle) ReadAt(_ context.Context, p []byte, offset int64) (n int, err error) {
	err = h.look(func(tx *datakit.Tx, path string) error {
		n, err = tx.ReadAt(path, p, offset)
		return err
	})
	return n, err
}

func (h *editHandle) WriteAt(_ context.Context, p []byte, offset int64) (n int, err error) {
	if h.append {
		err = h.move(func(tx *datakit.Tx, path string) error { // alone, so that the end stays where it is
			_, size, err := tx.Stat(path)
			if err == nil {
				n, err = tx.WriteAt(path, p, size)
			}
			return err
		})
		return n, err
	}
	err = h.change(func(tx *datakit.Tx, path string) error {
		n, err = tx.WriteAt(path, p, offset)
		return err
	})
	return n, err
}

// Open gives the target to read, for clients that know no links.
func (n editLink) Open(ctx context.Context, flags ninep.OpenFlags) (ninep.Handle, error) {
	if flags.CanWrite() {
		return nil, faultf(ninep.EINVAL, "A link cannot be written: remove it and make another")
	}
	target, err := n.Readlink(ctx)
	return bytesHandle(target), err
}

func (n editLink) Readlink(context.Context) (target string, err error) {
	err = n.look(func(tx *datakit.Tx, path string) error {
		b, err := tx.Read(path)
		target = string(b)
		return err
	})
	return target, err
}

func (n editLink) SetAttr(context.Context, ninep.SetAttr) error { return n.v.mayEdit(n.in.t) }
