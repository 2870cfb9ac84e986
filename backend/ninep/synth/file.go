package synth

import (
	"context"
	"io"
	"sync"

	"github.com/slipway-desktop/slipway/backend/ninep"
)

// File is a file that can only be read.
type File struct {
	info
	read func(ctx context.Context) ([]byte, error)
}

// NewFile makes a file; read is called for each open.
func NewFile(path string, read func(ctx context.Context) ([]byte, error)) *File {
	return &File{info{path, ninep.ModeRegular | 0o400}, read}
}

// Open takes the snapshot. If that fails the file opens all the same, and reads
// fail: only on an open file can the reason be asked for.
func (f *File) Open(ctx context.Context, flags ninep.OpenFlags) (ninep.Handle, error) {
	if flags.CanWrite() {
		return nil, ninep.EROFS
	}
	content, err := f.read(ctx)
	if err != nil && ctx.Err() != nil {
		return nil, ctx.Err()
	}
	return &fileHandle{content, err}, nil
}

type fileHandle struct {
	content []byte
	err     error
}

func (h *fileHandle) Close() error { return nil }

func (h *fileHandle) ReadAt(_ context.Context, p []byte, offset int64) (int, error) {
	if h.err != nil {
		return 0, h.err
	}
	return readAt(h.content, p, offset)
}

func (h *fileHandle) Xattr(_ context.Context, name string) ([]byte, error) {
	if name != ErrorXattr {
		return nil, ninep.ENODATA
	}
	return reason(h.err)
}

func readAt(content, p []byte, offset int64) (int, error) {
	if offset >= int64(len(content)) {
		return 0, io.EOF
	}
	return copy(p, content[offset:]), nil
}

// Query is a file that takes a question, or a command, with each write, and then
// has the answer to read. One write is one question, whatever its offset.
type Query struct {
	info
	usage string
	ask   func(ctx context.Context, question []byte) ([]byte, error)
}

// NewQuery makes a query. usage is what there is to read before the first write.
// An answer beside an error can be read all the same; without one there is the
// reason to read, as a line, which the attribute ErrorXattr also has.
func NewQuery(path, usage string, ask func(ctx context.Context, question []byte) ([]byte, error)) *Query {
	return &Query{info{path, ninep.ModeRegular | 0o600}, usage, ask}
}

// Open implements ninep.Node.
func (q *Query) Open(context.Context, ninep.OpenFlags) (ninep.Handle, error) {
	return &queryHandle{query: q, answer: []byte(q.usage)}, nil
}

// SetAttr lets shells truncate the file before they write.
func (q *Query) SetAttr(_ context.Context, set ninep.SetAttr) error { return onlyTruncate(set) }

func onlyTruncate(set ninep.SetAttr) error {
	if set.Valid&(ninep.SetMode|ninep.SetUID|ninep.SetGID) != 0 || set.Valid&ninep.SetSize != 0 && set.Size != 0 {
		return ninep.EPERM
	}
	return nil
}

type queryHandle struct {
	query *Query

	mu     sync.Mutex
	answer []byte
	err    error
	origin origin
}

func (h *queryHandle) Close() error { return nil }

func (h *queryHandle) WriteAt(ctx context.Context, p []byte, _ int64) (int, error) {
	answer, err := h.query.ask(ctx, p)
	if err != nil && answer == nil {
		answer, _ = reason(err)
		answer = append(answer, '\n')
	}
	h.mu.Lock()
	h.answer, h.err = answer, err
	h.origin = origin{}
	h.mu.Unlock()
	if err != nil {
		return 0, err
	}
	return len(p), nil
}

func (h *queryHandle) ReadAt(_ context.Context, p []byte, offset int64) (int, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return readAt(h.answer, p, h.origin.of(offset))
}

func (h *queryHandle) Xattr(_ context.Context, name string) ([]byte, error) {
	if name != ErrorXattr {
		return nil, ninep.ENODATA
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	return reason(h.err)
}

// origin is the offset at which the first read came. A shell has one offset for
// reading and writing, so that after a question of n bytes it reads the answer
// from n on; a program that passes offsets reads it from 0.
type origin struct {
	known bool
	at    int64
}

// of returns where an offset is in the content.
func (o *origin) of(offset int64) int64 {
	if !o.known || offset < o.at {
		o.known, o.at = true, offset
	}
	return offset - o.at
}

// Buffer is an ordinary file in memory.
type Buffer struct {
	info
	limit int

	mu      sync.Mutex
	content []byte
	changed bool
}

// NewBuffer makes a file of at most limit bytes.
func NewBuffer(path string, content []byte, limit int) *Buffer {
	return &Buffer{info: info{path, ninep.ModeRegular | 0o600}, limit: limit, content: content}
}

// Content returns a copy of the content, and whether it was written to.
func (b *Buffer) Content() (content []byte, changed bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return append([]byte(nil), b.content...), b.changed
}

// Attr implements ninep.Node.
func (b *Buffer) Attr(ctx context.Context) (ninep.Attr, error) {
	a, err := b.info.Attr(ctx)
	b.mu.Lock()
	defer b.mu.Unlock()
	a.Size = uint64(len(b.content))
	return a, err
}

// SetAttr implements ninep.AttrSetter: the size can be set.
func (b *Buffer) SetAttr(_ context.Context, set ninep.SetAttr) error {
	switch {
	case set.Valid&ninep.SetSize == 0:
		return onlyTruncate(set)
	case set.Size > uint64(b.limit):
		return ninep.EFBIG
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.resize(int(set.Size))
	return nil
}

// resize cuts or fills with zeros. b.mu is held.
func (b *Buffer) resize(n int) {
	b.changed = true
	old := len(b.content)
	b.content = append(b.content[:min(n, old)], make([]byte, max(0, n-old))...)
}

// Open implements ninep.Node.
func (b *Buffer) Open(_ context.Context, flags ninep.OpenFlags) (ninep.Handle, error) {
	if flags&ninep.Truncate != 0 {
		b.mu.Lock()
		b.resize(0)
		b.mu.Unlock()
	}
	return &bufferHandle{b, flags&ninep.Append != 0}, nil
}

type bufferHandle struct {
	b      *Buffer
	append bool
}

func (h *bufferHandle) Close() error { return nil }

func (h *bufferHandle) ReadAt(_ context.Context, p []byte, offset int64) (int, error) {
	h.b.mu.Lock()
	defer h.b.mu.Unlock()
	return readAt(h.b.content, p, offset)
}

func (h *bufferHandle) WriteAt(_ context.Context, p []byte, offset int64) (int, error) {
	b := h.b
	b.mu.Lock()
	defer b.mu.Unlock()
	if h.append {
		offset = int64(len(b.content))
	}
	if offset > int64(b.limit-len(p)) {
		return 0, ninep.EFBIG
	}
	if end := int(offset) + len(p); end > len(b.content) {
		b.resize(end)
	}
	b.changed = true
	return copy(b.content[offset:], p), nil
}
