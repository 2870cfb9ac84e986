package datakit

import (
	"fmt"
	"io"
	"strings"
)

// Write sets the content of a file and makes the directories above it. mode is
// ModeFile, ModeExec or ModeSymlink (data is the target, which nobody here ever
// follows). Errors: ErrBadPath (also when path is a directory or a file is in
// the way), ErrTooLarge.
func (tx *Tx) Write(path string, data []byte, mode Mode) error {
	if err := CheckPath(path); err != nil {
		return err
	}
	if err := checkFileMode(path, mode); err != nil {
		return err
	}
	if len(data) > maxFile {
		return fmt.Errorf("write %s: %d bytes: %w to write at once (at most %d; use WriteAt)", clip(path), len(data), ErrTooLarge, maxFile)
	}
	return tx.do(func() error { return wrap("write", path, tx.replace(path, data, mode)) })
}

// Create makes an empty file, and the directories above it. Errors: ErrExist,
// and as Write.
func (tx *Tx) Create(path string, mode Mode) error {
	if err := CheckPath(path); err != nil {
		return err
	}
	if err := checkFileMode(path, mode); err != nil {
		return err
	}
	return tx.do(func() error {
		item, err := tx.root.lookup(tx.merged, path)
		if err != nil {
			return err
		}
		if item != nil {
			return fmt.Errorf("create %s: %w", clip(path), ErrExist)
		}
		return wrap("create", path, tx.replace(path, nil, mode))
	})
}

func checkFileMode(path string, mode Mode) error {
	switch mode {
	case ModeFile, ModeExec, ModeSymlink:
		return nil
	}
	return fmt.Errorf("write %s: mode %o is not a file's", clip(path), uint32(mode))
}

func wrap(what, path string, err error) error {
	if err != nil {
		return fmt.Errorf("%s %s: %w", what, clip(path), err)
	}
	return nil
}

func (tx *Tx) replace(path string, data []byte, mode Mode) error {
	old, err := tx.root.lookup(tx.merged, path)
	if err != nil {
		return err
	}
	if old != nil && old.dir != nil {
		return fmt.Errorf("%w: it is a directory", ErrBadPath)
	}
	c := &content{}
	if err := c.writeAt(&tx.use, data, 0); err != nil {
		return err
	}
	d, name, err := tx.root.parent(tx.merged, path, true)
	if err == nil {
		err = tx.use.addItem(path)
	}
	if err != nil {
		c.drop(&tx.use)
		return err
	}
	if old != nil {
		old.file.drop(&tx.use)
	}
	d.set(name, &workItem{node: node{mode: mode}, file: c})
	tx.resolve(path)
	return nil
}

// edit returns the content of an existing regular file to be changed in place,
// and its item. The old content is there unless fresh is set.
func (tx *Tx) edit(path string, fresh bool) (*content, error) {
	item, err := tx.root.lookup(tx.merged, path)
	switch {
	case err != nil:
		return nil, err
	case item == nil:
		return nil, ErrNotExist
	case item.dir != nil:
		return nil, fmt.Errorf("%w: it is a directory", ErrBadPath)
	case !item.mode.isRegular():
		return nil, fmt.Errorf("%w: it is not a regular file", ErrBadPath)
	}
	if item.file == nil {
		c := &content{}
		if !fresh {
			if err := tx.fill(c, item.node); err != nil {
				c.drop(&tx.use)
				return nil, err
			}
		}
		d, name, err := tx.root.parent(tx.merged, path, false)
		if err == nil {
			err = tx.use.addItem(path)
		}
		if err != nil {
			c.drop(&tx.use)
			return nil, err
		}
		item = &workItem{node: node{mode: item.mode}, file: c}
		d.set(name, item)
	}
	tx.resolve(path)
	return item.file, nil
}

// fill copies an untouched file.
func (tx *Tx) fill(c *content, n node) error {
	f, err := tx.open(n)
	if err != nil {
		return err
	}
	size := f.Size()
	buf := make([]byte, min(size, 256<<10))
	for off := int64(0); off < size; {
		k, err := f.ReadAt(buf[:min(size-off, int64(len(buf)))], off)
		if k == 0 {
			return fmt.Errorf("read: %w", io.ErrUnexpectedEOF)
		}
		if err != nil && err != io.EOF {
			return err
		}
		if err := c.writeAt(&tx.use, buf[:k], off); err != nil {
			return err
		}
		off += int64(k)
	}
	return nil
}

// WriteAt writes into an existing regular file, which grows with zeros when off
// is beyond its end. Errors: ErrNotExist, ErrBadPath, ErrTooLarge.
func (tx *Tx) WriteAt(path string, p []byte, off int64) (int, error) {
	err := tx.do(func() error {
		c, err := tx.edit(path, false)
		if err == nil {
			err = c.writeAt(&tx.use, p, off)
		}
		return wrap("write", path, err)
	})
	if err != nil {
		return 0, err
	}
	return len(p), nil
}

// Truncate sets the size of a regular file; what it grows by is zeros.
func (tx *Tx) Truncate(path string, size int64) error {
	return tx.do(func() error {
		c, err := tx.edit(path, size == 0)
		if err == nil {
			err = c.truncate(&tx.use, size)
		}
		return wrap("truncate", path, err)
	})
}

// Mkdir makes a directory, and those above it. Git has no empty directories: it
// is in the transaction only, until something is in it. The error is ErrExist
// when there is something.
func (tx *Tx) Mkdir(path string) error {
	if err := CheckPath(path); err != nil {
		return err
	}
	return tx.do(func() error {
		item, err := tx.root.lookup(tx.merged, path)
		if err != nil {
			return err
		}
		if item != nil {
			return fmt.Errorf("make directory %s: %w", clip(path), ErrExist)
		}
		d, name, err := tx.root.parent(tx.merged, path, true)
		if err == nil {
			err = tx.use.addItem(path)
		}
		if err != nil {
			return wrap("make directory", path, err)
		}
		d.set(name, &workItem{node: node{mode: ModeDir}, dir: &workDir{from: emptyTree, keep: true}})
		tx.resolve(path)
		return nil
	})
}

// Chmod makes a file executable or not. The mode of a file that is so already
// stays as it is. The error is ErrBadPath for what is not a regular file.
func (tx *Tx) Chmod(path string, exec bool) error {
	return tx.do(func() error {
		item, err := tx.root.lookup(tx.merged, path)
		switch {
		case err != nil:
			return err
		case item == nil:
			return fmt.Errorf("chmod %s: %w", clip(path), ErrNotExist)
		case !item.mode.isRegular():
			return fmt.Errorf("chmod %s: %w: it is not a regular file", clip(path), ErrBadPath)
		case item.mode&0o100 != 0 == exec:
			return nil
		}
		d, name, err := tx.root.parent(tx.merged, path, false)
		if err == nil {
			err = tx.use.addItem(path)
		}
		if err != nil {
			return err
		}
		changed := *item
		changed.mode = ModeFile
		if exec {
			changed.mode = ModeExec
		}
		d.set(name, &changed)
		return nil
	})
}

// Remove removes a file, or a directory with all that is in it, and the
// directories above that become empty by it, but for those that Mkdir made. The
// error is ErrNotExist when there is neither.
func (tx *Tx) Remove(path string) error {
	return tx.do(func() error {
		if err := tx.remove(path); err != nil {
			return wrap("remove", path, err)
		}
		return tx.root.prune(tx.merged, path)
	})
}

// RemoveOne removes a file or an empty directory, as unlink and rmdir do: the
// directory above stays, even if it is empty now. Errors: ErrNotExist,
// ErrNotEmpty.
func (tx *Tx) RemoveOne(path string) error {
	return tx.do(func() error {
		if d, err := tx.root.at(tx.merged, path); err != nil {
			return err
		} else if d != nil && !d.empty() {
			return fmt.Errorf("remove %s: %w", clip(path), ErrNotEmpty)
		}
		return wrap("remove", path, tx.remove(path))
	})
}

func (tx *Tx) remove(path string) error {
	item, err := tx.root.lookup(tx.merged, path)
	if err != nil {
		return err
	}
	if item == nil {
		return ErrNotExist
	}
	d, name, err := tx.root.parent(tx.merged, path, false)
	if err == nil {
		err = tx.use.addItem(path)
	}
	if err != nil {
		return err
	}
	tx.dropItem(item)
	d.delete(name)
	tx.resolve(path)
	return nil
}

func (tx *Tx) dropItem(item *workItem) {
	item.file.drop(&tx.use)
	if item.dir != nil {
		_ = item.dir.each(func(c *content) error {
			c.drop(&tx.use)
			return nil
		})
	}
}

// Rename moves a file or directory, whatever its mode; the directory it was in
// stays. It replaces a file by a file and an empty directory by a directory.
// Errors: ErrNotExist, ErrBadPath (also for a directory into itself, for a file
// onto a directory and the reverse), ErrNotEmpty.
func (tx *Tx) Rename(from, to string) error {
	if err := CheckPath(to); err != nil {
		return err
	}
	return tx.do(func() error { return wrap("rename", from, tx.rename(from, to)) })
}

func (tx *Tx) rename(from, to string) error {
	item, err := tx.root.lookup(tx.merged, from)
	if err != nil {
		return err
	}
	if item == nil {
		return ErrNotExist
	}
	if from == to {
		return nil
	}
	if strings.HasPrefix(to, from+"/") {
		return fmt.Errorf("%w: %s is inside of it", ErrBadPath, clip(to))
	}
	old, err := tx.root.lookup(tx.merged, to)
	if err != nil {
		return err
	}
	if old != nil {
		if (old.dir == nil) != (item.dir == nil) {
			return fmt.Errorf("%w: one of it and %s is a directory", ErrBadPath, clip(to))
		}
		if d, err := tx.root.at(tx.merged, to); err != nil {
			return err
		} else if d != nil && !d.empty() {
			return fmt.Errorf("to %s: %w", clip(to), ErrNotEmpty)
		}
	}
	target, name, err := tx.root.parent(tx.merged, to, true)
	if err != nil {
		return err
	}
	source, oldName, err := tx.root.parent(tx.merged, from, false)
	if err == nil {
		err = tx.use.addItem(to)
	}
	if err != nil {
		return err
	}
	if old != nil {
		tx.dropItem(old)
	}
	source.delete(oldName)
	source.keep = true
	target.set(name, item)
	tx.resolve(from)
	tx.resolve(to)
	return nil
}
