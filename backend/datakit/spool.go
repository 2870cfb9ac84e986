package datakit

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"slices"
)

// Bounds of one transaction. What is above a bound is refused with ErrTooLarge
// and a text that says the bound.
const (
	maxBlob     = 4 << 30   // bytes of one file
	maxTxMemory = 64 << 20  // bytes of written files kept in memory
	maxTxDisk   = 16 << 30  // bytes of written files kept in temporary files
	maxTxItems  = 1_000_000 // files and directories that were touched
	spoolAbove  = 1 << 20   // a larger file goes to a temporary file
	spoolTight  = 16 << 10  // the same when half of maxTxMemory is used
)

// usage is what a transaction holds, and where its temporary files go ("": the
// store has no disk, so everything stays in memory).
type usage struct {
	memory, disk int64
	items        int
	dir          string
}

func (u *usage) addItem(path string) error {
	if u.items >= maxTxItems {
		return fmt.Errorf("%s: the transaction is %w: at most %d changed files", clip(path), ErrTooLarge, maxTxItems)
	}
	u.items++
	return nil
}

// content is what a transaction wrote into one file: in memory while it is
// small, in a temporary file of its own above that. The file is opened for each
// access: a transaction may have more of them than a process has descriptors.
type content struct {
	data []byte
	path string // of the temporary file, "" while in memory
	size int64
	sum  Hash // of the blob, zero when not known
	kept bool // the repository has the blob

	lent bool // others may hold data: it is copied before the next change
}

// grow makes room for size bytes, moving to disk when that is due.
func (c *content) grow(u *usage, size int64) error {
	if size > maxBlob {
		return fmt.Errorf("a file of %d bytes is %w (at most %d)", size, ErrTooLarge, int64(maxBlob))
	}
	if c.path == "" && u.dir != "" && (size > spoolAbove || size > spoolTight && u.memory+size > maxTxMemory/2) {
		if err := c.spill(u, size); err != nil {
			return err
		}
	}
	if c.path != "" {
		more := max(0, size-c.size)
		if u.disk+more > maxTxDisk {
			return fmt.Errorf("the transaction is %w: at most %d bytes in large files", ErrTooLarge, int64(maxTxDisk))
		}
		u.disk += more
		return nil
	}
	if size <= int64(cap(c.data)) {
		return nil
	}
	if u.memory+size-int64(cap(c.data)) > maxTxMemory {
		return fmt.Errorf("the transaction is %w: at most %d bytes in memory", ErrTooLarge, maxTxMemory)
	}
	// append's growth, so that many small writes cost one copy each at most.
	before := cap(c.data)
	c.data = slices.Grow(c.data, int(size)-len(c.data))
	u.memory += int64(cap(c.data) - before)
	return nil
}

// spill moves the content to a temporary file that will have size bytes.
func (c *content) spill(u *usage, size int64) error {
	if u.disk+max(c.size, size) > maxTxDisk {
		return fmt.Errorf("the transaction is %w: at most %d bytes in large files", ErrTooLarge, int64(maxTxDisk))
	}
	f, err := os.CreateTemp(u.dir, "spool-*")
	if err != nil {
		return fmt.Errorf("spool: %w", err)
	}
	_, err = f.Write(c.data)
	if closed := f.Close(); err == nil {
		err = closed
	}
	if err != nil {
		_ = os.Remove(f.Name())
		return fmt.Errorf("spool: %w", err)
	}
	u.memory -= int64(cap(c.data))
	u.disk += c.size
	c.path, c.data = f.Name(), nil
	return nil
}

func (c *content) edit(f func(*os.File) error) error {
	file, err := os.OpenFile(c.path, os.O_RDWR, 0)
	if err != nil {
		return fmt.Errorf("spool: %w", err)
	}
	err = f(file)
	if closed := file.Close(); err == nil {
		err = closed
	}
	if err != nil {
		return fmt.Errorf("spool: %w", err)
	}
	return nil
}

// writeAt writes p at off; a gap before off becomes zeros.
func (c *content) writeAt(u *usage, p []byte, off int64) error {
	if off < 0 || off > maxBlob {
		return fmt.Errorf("offset %d is %w (a file has at most %d bytes)", off, ErrTooLarge, int64(maxBlob))
	}
	if len(p) == 0 {
		return nil
	}
	end := max(c.size, off+int64(len(p)))
	if err := c.grow(u, end); err != nil {
		return err
	}
	c.changing()
	if c.path != "" {
		if err := c.edit(func(f *os.File) error { _, err := f.WriteAt(p, off); return err }); err != nil {
			u.disk -= end - c.size
			return err
		}
	} else {
		c.resize(end)
		copy(c.data[off:], p)
	}
	c.size = end
	return nil
}

func (c *content) changing() {
	c.sum, c.kept = Hash{}, false
	if c.lent {
		data := make([]byte, len(c.data), cap(c.data))
		copy(data, c.data)
		c.data, c.lent = data, false
	}
}

// resize sets the length of what is in memory; new bytes are zeros.
func (c *content) resize(size int64) {
	old := len(c.data)
	c.data = c.data[:size]
	if int(size) > old {
		clear(c.data[old:])
	}
}

func (c *content) truncate(u *usage, size int64) error {
	if size < 0 {
		return fmt.Errorf("truncate to %d bytes: a size is not negative", size)
	}
	if err := c.grow(u, size); err != nil {
		return err
	}
	c.changing()
	if c.path != "" {
		if err := c.edit(func(f *os.File) error { return f.Truncate(size) }); err != nil {
			u.disk -= max(0, size-c.size)
			return err
		}
		u.disk -= max(0, c.size-size)
	} else {
		c.resize(size)
	}
	c.size = size
	return nil
}

func (c *content) readAt(p []byte, off int64) (int, error) {
	if off < 0 || off >= c.size {
		return 0, io.EOF
	}
	if c.path == "" {
		n := copy(p, c.data[off:])
		if n < len(p) {
			return n, io.EOF
		}
		return n, nil
	}
	f, err := c.open()
	if err != nil {
		return 0, err
	}
	defer f.Close()
	return f.ReadAt(p, off)
}

// open returns the whole content to read.
func (c *content) open() (File, error) {
	if c.path == "" {
		return memoryFile{bytes.NewReader(c.data)}, nil
	}
	f, err := os.Open(c.path)
	if err != nil {
		return nil, fmt.Errorf("spool: %w", err)
	}
	return sizedFile{f, c.size}, nil
}

// drop gives back what the content holds.
func (c *content) drop(u *usage) {
	if c == nil {
		return
	}
	if c.path != "" {
		_ = os.Remove(c.path)
		u.disk -= c.size
	}
	u.memory -= int64(cap(c.data))
	*c = content{}
}

// File is the content of a file to read, at any offset.
type File interface {
	io.ReaderAt
	io.Closer
	Size() int64 // bytes
}

type memoryFile struct{ *bytes.Reader }

func (memoryFile) Close() error { return nil }

type sizedFile struct {
	*os.File
	size int64
}

func (f sizedFile) Size() int64 { return f.size }
