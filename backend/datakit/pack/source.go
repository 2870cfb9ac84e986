package pack

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"sync"

	"github.com/klauspost/compress/zlib"
)

// source reads entries of a pack by their offset.
type source struct {
	file  io.ReaderAt
	end   int64 // of the entries: where the trailer begins
	limit int64 // bytes of one object
	cache *Cache
	find  func(Hash) (offset int64, err error) // of a REF delta's base
}

// inflater is what reading one entry takes; they are reused.
type inflater struct {
	at  readAt
	buf *bufio.Reader
	z   io.ReadCloser
}

// readAt reads a file on from an offset.
type readAt struct {
	file   io.ReaderAt
	offset int64
	end    int64
}

func (r *readAt) Read(b []byte) (int, error) {
	if r.offset >= r.end {
		return 0, io.EOF
	}
	n, err := r.file.ReadAt(b[:min(int64(len(b)), r.end-r.offset)], r.offset)
	r.offset += int64(n)
	if n > 0 {
		err = nil
	}
	return n, err
}

var inflaters = sync.Pool{New: func() any {
	i := &inflater{}
	i.buf = bufio.NewReaderSize(&i.at, 4<<10)
	return i
}}

// open positions an inflater at an entry and reads its header. The caller calls
// release.
func (s *source) open(offset int64) (*inflater, entryHeader, error) {
	if offset < headerSize || offset >= s.end {
		return nil, entryHeader{}, damaged("an object at %d, outside of the pack", offset)
	}
	i := inflaters.Get().(*inflater)
	i.at = readAt{file: s.file, offset: offset, end: s.end}
	i.buf.Reset(&i.at)
	b, err := i.buf.Peek(maxEntryHeader)
	if err != nil && !errors.Is(err, io.EOF) {
		i.release()
		return nil, entryHeader{}, err
	}
	h, err := parseEntryHeader(b)
	if err == nil && h.kind == kindOFS && h.back > offset-headerSize {
		err = damaged("a delta whose base is before the pack")
	}
	if err != nil {
		i.release()
		return nil, entryHeader{}, err
	}
	_, _ = i.buf.Discard(h.len) // was peeked
	return i, h, nil
}

func (i *inflater) release() {
	i.at.file = nil
	inflaters.Put(i)
}

// start makes i.z read what is compressed after the header.
func (i *inflater) start() error {
	if i.z == nil {
		z, err := zlib.NewReader(i.buf)
		if err != nil {
			return damaged("%w", err)
		}
		i.z = z
		return nil
	}
	if err := i.z.(zlib.Resetter).Reset(i.buf, nil); err != nil {
		return damaged("%w", err)
	}
	return nil
}

// all reads exactly size bytes and the check sum after them.
func (i *inflater) all(size, limit int64) ([]byte, error) {
	if size > limit {
		return nil, fmt.Errorf("an object of %d bytes: %w", size, ErrTooLarge)
	}
	if err := i.start(); err != nil {
		return nil, err
	}
	// Memory is taken as it fills: a size is quickly claimed.
	const trust = 1 << 20
	data := make([]byte, min(size, trust))
	for n := 0; ; {
		m, err := io.ReadFull(i.z, data[n:])
		n += m
		if err != nil {
			return nil, damaged("%w", err)
		}
		if int64(n) == size {
			break
		}
		grown := make([]byte, min(size, 4*int64(n)))
		copy(grown, data)
		data = grown
	}
	var one [1]byte
	if n, err := i.z.Read(one[:]); n != 0 || !errors.Is(err, io.EOF) {
		return nil, damaged("an object of another size than it says: %w", err)
	}
	return data, nil
}

// inflate reads what is compressed in an entry: an object, or a delta.
func (s *source) inflate(offset int64) ([]byte, entryHeader, error) {
	i, h, err := s.open(offset)
	if err != nil {
		return nil, h, err
	}
	defer i.release()
	data, err := i.all(h.size, s.limit)
	return data, h, err
}

// base gives where the base of the delta at offset begins.
func (s *source) base(offset int64, h entryHeader) (int64, error) {
	if h.kind == kindOFS {
		return offset - h.back, nil
	}
	if s.find == nil {
		return 0, damaged("a delta against an object by name")
	}
	return s.find(h.base)
}

// object makes the object whose entry begins at offset. The caller must not
// change the content, which others may have too.
//
// First the chain is followed to an object that is whole or in the cache, by
// headers alone; then the deltas are applied one by one. So no more than a base,
// a delta and a result are in memory, and a chain without end costs little.
func (s *source) object(offset int64) (Kind, []byte, error) {
	if kind, data, ok := s.cache.get(s, offset); ok {
		return kind, data, nil
	}
	var chain []int64
	var kind Kind
	var data []byte
	for at := offset; ; {
		i, h, err := s.open(at)
		if err != nil {
			return 0, nil, err
		}
		if !h.delta() {
			kind = h.kind
			data, err = i.all(h.size, s.limit)
			i.release()
			if err != nil {
				return 0, nil, err
			}
			if len(chain) > 0 {
				s.cache.put(s, at, kind, data)
			}
			break
		}
		i.release()
		if chain = append(chain, at); len(chain) > maxChain {
			return 0, nil, damaged("a chain of more than %d deltas", maxChain)
		}
		if at, err = s.base(at, h); err != nil {
			return 0, nil, err
		}
		var ok bool
		if kind, data, ok = s.cache.get(s, at); ok {
			break
		}
	}
	for n := len(chain) - 1; n >= 0; n-- {
		delta, _, err := s.inflate(chain[n])
		if err != nil {
			return 0, nil, err
		}
		if data, err = applyDelta(data, delta, s.limit); err != nil {
			return 0, nil, err
		}
		s.cache.put(s, chain[n], kind, data)
	}
	return kind, data, nil
}

// size gives kind and size of an object, and inflates no more than the first
// bytes of a delta.
func (s *source) size(offset int64) (Kind, int64, error) {
	size := int64(-1)
	for depth := 0; depth <= maxChain; depth++ {
		i, h, err := s.open(offset)
		if err != nil {
			return 0, 0, err
		}
		if size < 0 {
			size, err = i.resultSize(h)
		}
		i.release()
		if err != nil {
			return 0, 0, err
		}
		if !h.delta() {
			return h.kind, size, nil
		}
		if offset, err = s.base(offset, h); err != nil {
			return 0, 0, err
		}
	}
	return 0, 0, damaged("a chain of more than %d deltas", maxChain)
}

// resultSize gives the size of the object that an entry stands for.
func (i *inflater) resultSize(h entryHeader) (int64, error) {
	if !h.delta() {
		return h.size, nil
	}
	if err := i.start(); err != nil {
		return 0, err
	}
	var b [20]byte
	n, err := io.ReadFull(i.z, b[:min(int64(len(b)), h.size)])
	if err != nil {
		return 0, damaged("%w", err)
	}
	_, size, _, err := deltaSizes(b[:n])
	return size, err
}
