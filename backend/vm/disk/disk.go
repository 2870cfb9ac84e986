package disk

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
)

// Sizes of disks, in bytes. Headroom is what must be free beside a new image,
// because a guest that cannot even format its disk explains nothing to anybody.
const (
	MinSize  int64 = 1 << 20
	MaxSize  int64 = 8 << 40
	Headroom int64 = 64 << 20
)

// Errors to be tested with errors.Is. ErrFormat covers an image that is
// damaged, or of a kind that this package does not write.
var (
	ErrShrink = errors.New("a disk cannot shrink")
	ErrFormat = errors.New("not a usable disk image")
	ErrInUse  = errors.New("the disk image is in use by a running machine")
)

// NoSpaceError says that the file system of Path lacks room.
type NoSpaceError struct {
	Path       string
	Need, Free int64 // bytes
}

func (e *NoSpaceError) Error() string {
	const miB = 1 << 20
	return fmt.Sprintf("no room for %s: %d MiB are needed, %d MiB are free", e.Path, (e.Need+miB-1)/miB, e.Free/miB)
}

// Is makes the error the same as the system's own for a full disk.
func (e *NoSpaceError) Is(target error) bool { return target == syscall.ENOSPC }

// Image is what the header of a qcow2 image says.
type Image struct {
	VirtualSize int64 // bytes the guest sees
	// Dirty means that the last user did not close the image and kept its
	// reference counts lazily; QEMU repairs them when it opens the image.
	Dirty bool
}

// CreateQcow2 makes an empty, sparse image of the given virtual size, readable
// by its owner only. An existing path is fs.ErrExist.
func CreateQcow2(path string, size int64) error {
	return create(path, size, emptySize, writeQcow2, Free)
}

// CreateRaw makes an empty, sparse raw image, as CreateQcow2 does.
func CreateRaw(path string, size int64) error {
	return create(path, size, 0, (*os.File).Truncate, Free)
}

func create(path string, size, need int64, write func(*os.File, int64) error, free func(string) (int64, error)) error {
	if err := checkSize(size); err != nil {
		return err
	}
	if _, err := os.Lstat(path); err == nil {
		return fmt.Errorf("create disk image: %w", &fs.PathError{Op: "create", Path: path, Err: fs.ErrExist})
	}
	dir := filepath.Dir(path)
	available, err := free(dir)
	if err != nil {
		return fmt.Errorf("create disk image: %w", err)
	}
	need += Headroom
	if available < need {
		return &NoSpaceError{path, need, available}
	}
	f, err := os.CreateTemp(dir, ".new-disk-*") // mode 0600
	if err != nil {
		return fmt.Errorf("create disk image: %w", err)
	}
	defer os.Remove(f.Name())
	err = errors.Join(write(f, size), f.Sync(), f.Close())
	if errors.Is(err, syscall.ENOSPC) {
		return &NoSpaceError{path, need, available}
	}
	if err == nil {
		err = os.Link(f.Name(), path) // unlike a rename, never over another file
	}
	if err != nil {
		return fmt.Errorf("create disk image: %w", err)
	}
	syncDir(dir)
	return nil
}

// syncDir makes a new name last. Not every system can, and the image is whole
// either way.
func syncDir(dir string) {
	if d, err := os.Open(dir); err == nil {
		d.Sync()
		d.Close()
	}
}

// Inspect reads and checks the header of a qcow2 image.
func Inspect(path string) (Image, error) {
	f, err := os.Open(path)
	if err != nil {
		return Image{}, fmt.Errorf("inspect disk image: %w", err)
	}
	defer f.Close()
	h, err := readHeader(f)
	if err != nil {
		return Image{}, fmt.Errorf("inspect disk image %s: %w", path, err)
	}
	return h.Image, nil
}

// GrowQcow2 gives an image a larger virtual size; the guest then grows its file
// system. The same size is no change, a smaller one is ErrShrink, and an image
// that a machine has open is ErrInUse. The image takes no more room by it.
func GrowQcow2(path string, size int64) error {
	return grow(path, size, func(f *os.File) error {
		h, err := readHeader(f)
		if err != nil {
			return err
		}
		switch {
		case size < h.VirtualSize:
			return fmt.Errorf("%w: from %d to %d bytes", ErrShrink, h.VirtualSize, size)
		case size == h.VirtualSize:
			return nil
		case size > h.capacity:
			return fmt.Errorf("%w to grow to %d bytes: it was made by another program (use qemu-img resize)", ErrFormat, size)
		}
		// One aligned write within a sector: the old size or the new one.
		_, err = f.WriteAt(binary.BigEndian.AppendUint64(nil, uint64(size)), offSize)
		return err
	})
}

// GrowRaw is GrowQcow2 for a raw image.
func GrowRaw(path string, size int64) error {
	return grow(path, size, func(f *os.File) error {
		info, err := f.Stat()
		if err != nil {
			return err
		}
		if size < info.Size() {
			return fmt.Errorf("%w: from %d to %d bytes", ErrShrink, info.Size(), size)
		}
		return f.Truncate(size)
	})
}

func grow(path string, size int64, change func(*os.File) error) error {
	if err := checkSize(size); err != nil {
		return err
	}
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return fmt.Errorf("grow disk image: %w", err)
	}
	if err = lock(f); err == nil {
		err = errors.Join(change(f), f.Sync())
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return fmt.Errorf("grow disk image %s: %w", path, err)
	}
	return nil
}

func checkSize(size int64) error {
	if size < MinSize || size > MaxSize || size%512 != 0 {
		return fmt.Errorf("disk size of %d bytes: it must be a multiple of 512 from %d MiB to %d TiB", size, MinSize>>20, MaxSize>>40)
	}
	return nil
}
