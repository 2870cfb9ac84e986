package pack

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"hash"
	"io"
	"slices"
)

// stream reads an object that is stored whole, and checks its name at the end.
type stream struct {
	want Hash
	kind Kind
	size int64
	left int64
	all  hash.Hash
	from io.Reader
	done func()
}

func (r *Reader) stream(h Hash, offset int64) (*stream, error) {
	i, head, err := r.src.open(offset)
	if err != nil {
		return nil, err
	}
	if head.delta() {
		i.release()
		kind, data, err := r.src.object(offset)
		if err != nil {
			return nil, err
		}
		return newStream(h, kind, int64(len(data)), bytes.NewReader(data), func() {}), nil
	}
	if err := i.start(); err != nil {
		i.release()
		return nil, err
	}
	return newStream(h, head.kind, head.size, i.z, i.release), nil
}

func newStream(h Hash, kind Kind, size int64, from io.Reader, done func()) *stream {
	return &stream{want: h, kind: kind, size: size, left: size, all: newNamer(kind, size), from: from, done: done}
}

func (s *stream) Read(b []byte) (int, error) {
	if s.done == nil {
		return 0, errors.New("read of a closed object")
	}
	n, err := s.from.Read(b)
	s.left -= int64(n)
	if s.left < 0 {
		return 0, damaged("object %s is larger than it says", s.want)
	}
	_, _ = s.all.Write(b[:n])
	if errors.Is(err, io.EOF) {
		if s.left > 0 || sum(s.all) != s.want {
			return n, damaged("object %s: the content does not have this name", s.want)
		}
		return n, io.EOF
	}
	if err != nil {
		return n, damaged("object %s: %w", s.want, err)
	}
	return n, nil
}

func (s *stream) Close() error {
	if s.done != nil {
		s.done()
		s.done = nil
	}
	return nil
}

// byOffset lists the entries of the index in the order of the pack.
func (r *Reader) byOffset() ([]indexEntry, error) {
	entries := make([]indexEntry, 0, r.index.count)
	for e, err := range r.index.all() {
		if err != nil {
			return nil, fmt.Errorf("read %s.idx: %w", r.path, err)
		}
		entries = append(entries, e)
	}
	slices.SortFunc(entries, func(a, b indexEntry) int { return cmp.Compare(a.offset, b.offset) })
	for i := range entries {
		if o := entries[i].offset; o < headerSize || o >= r.src.end || i > 0 && o == entries[i-1].offset {
			return nil, fmt.Errorf("%s: %w", r.path, damaged("the index does not fit the pack"))
		}
	}
	return entries, nil
}
