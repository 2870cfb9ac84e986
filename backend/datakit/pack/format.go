package pack

import (
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/go-git/go-git/v5/plumbing"
)

// Hash is the SHA-1 name of an object.
type Hash = plumbing.Hash

// Kind is the type of an object: commit, tree, blob or tag.
type Kind = plumbing.ObjectType

// Object is an object in memory.
type Object struct {
	Hash Hash
	Kind Kind
	Data []byte
}

// Errors to test for with errors.Is.
var (
	// ErrNotExist: the pack does not have this object.
	ErrNotExist = errors.New("not in this pack")
	// ErrDamaged: a pack or an index that does not hold what it should.
	ErrDamaged = errors.New("damaged pack")
	// ErrTooLarge: an object, a pack or a count of objects above its bound.
	ErrTooLarge = errors.New("too large")
)

const (
	headerSize  = 12 // "PACK", version, count of objects
	trailerSize = 20 // SHA-1 of all before it

	// maxEntryHeader: 10 bytes for kind and size, then 10 for the distance to
	// the base or 20 for its name.
	maxEntryHeader = 30

	// maxChain bounds the deltas between an object and one stored whole. git
	// writes at most 4095.
	maxChain = 4095

	// DefaultMaxObject is the size of the largest object that is read into
	// memory when the options do not say otherwise.
	DefaultMaxObject = 64 << 20
)

const (
	kindOFS = plumbing.OFSDeltaObject
	kindREF = plumbing.REFDeltaObject
)

func damaged(format string, args ...any) error {
	return fmt.Errorf("%w: %w", ErrDamaged, fmt.Errorf(format, args...))
}

func packHeader(count uint32) []byte {
	b := make([]byte, 0, headerSize)
	b = append(b, "PACK"...)
	b = binary.BigEndian.AppendUint32(b, 2)
	return binary.BigEndian.AppendUint32(b, count)
}

func parsePackHeader(b []byte) (count uint32, err error) {
	if len(b) < headerSize || string(b[:4]) != "PACK" {
		return 0, damaged("it does not begin as a pack does")
	}
	// Version 3 is read as version 2, as git does; nobody writes it.
	if v := binary.BigEndian.Uint32(b[4:]); v != 2 && v != 3 {
		return 0, damaged("pack version %d", v)
	}
	return binary.BigEndian.Uint32(b[8:]), nil
}

// entryHeader is what stands before the compressed bytes of an entry.
type entryHeader struct {
	kind Kind  // OFSDeltaObject and REFDeltaObject for deltas
	size int64 // of what is compressed: the object, or the delta
	back int64 // OFS: the base begins so many bytes earlier
	base Hash  // REF
	len  int   // bytes of this header
}

func (h entryHeader) delta() bool { return h.kind == kindOFS || h.kind == kindREF }

// parseEntryHeader reads a header at the beginning of b, which holds
// maxEntryHeader bytes unless the file ends before.
func parseEntryHeader(b []byte) (entryHeader, error) {
	var h entryHeader
	n, size, shift := 0, uint64(0), 0
	for {
		if n == len(b) || shift > 57 {
			return h, damaged("malformed object header")
		}
		c := b[n]
		n++
		if n == 1 {
			h.kind = Kind(c >> 4 & 7)
			size, shift = uint64(c&15), 4
		} else {
			size |= uint64(c&127) << shift
			shift += 7
		}
		if c < 128 {
			break
		}
	}
	if size > 1<<62 {
		return h, damaged("malformed object header")
	}
	h.size = int64(size)
	switch h.kind {
	case plumbing.CommitObject, plumbing.TreeObject, plumbing.BlobObject, plumbing.TagObject:
	case kindOFS:
		back := int64(0)
		for i := 0; ; i++ {
			if n == len(b) || i == 8 {
				return h, damaged("malformed distance to a delta's base")
			}
			c := b[n]
			n++
			back = back<<7 | int64(c&127)
			if c < 128 {
				break
			}
			back++
		}
		if back <= 0 {
			return h, damaged("a delta against itself")
		}
		h.back = back
	case kindREF:
		if len(b)-n < len(h.base) {
			return h, damaged("malformed object header")
		}
		n += copy(h.base[:], b[n:])
	default:
		return h, damaged("an object of the unknown kind %d", h.kind)
	}
	h.len = n
	return h, nil
}

// appendEntryHeader writes the header of an object, or of an OFS delta whose
// base begins back bytes earlier.
func appendEntryHeader(b []byte, kind Kind, size, back int64) []byte {
	c := byte(kind)<<4 | byte(size&15)
	for size >>= 4; size > 0; size >>= 7 {
		b = append(b, c|128)
		c = byte(size & 127)
	}
	b = append(b, c)
	if kind != kindOFS {
		return b
	}
	var tmp [10]byte
	i := len(tmp) - 1
	tmp[i] = byte(back & 127)
	for back >>= 7; back > 0; back >>= 7 {
		back--
		i--
		tmp[i] = byte(back&127) | 128
	}
	return append(b, tmp[i:]...)
}

// hashObject names content as git does. Only for content that we or a local
// git stored; see strictHash.
func hashObject(kind Kind, data []byte) Hash {
	s := newNamer(kind, int64(len(data)))
	_, _ = s.Write(data)
	return sum(s)
}
