package tree

import (
	"context"
	"io"
	"sync"

	"github.com/slipway-desktop/slipway/backend/ninep"
	"github.com/slipway-desktop/slipway/backend/ninep/synth"
)

// maxText bounds what is written to msg, parents, a command or a query.
const maxText = 64 << 10

// text is a file that can only be read; each open of it is one state.
type text struct {
	at
	read func(ctx context.Context) ([]byte, error)
}

func (v *view) text(path string, read func(ctx context.Context) ([]byte, error)) *text {
	return &text{at{v, path, fileMode}, read}
}

func (f *text) Attr(ctx context.Context) (ninep.Attr, error) {
	content, err := f.read(ctx)
	if err != nil {
		return ninep.Attr{}, wire(err)
	}
	a, err := f.at.Attr(ctx)
	a.Size = uint64(len(content))
	return a, err
}

func (f *text) SetAttr(context.Context, ninep.SetAttr) error { return errReadOnly }

func (f *text) Open(ctx context.Context, flags ninep.OpenFlags) (ninep.Handle, error) {
	if flags.CanWrite() {
		return nil, errReadOnly
	}
	content, err := f.read(ctx)
	if err != nil {
		return nil, wire(err)
	}
	return bytesHandle(content), nil
}

// bytesHandle reads from memory.
type bytesHandle []byte

func (b bytesHandle) Close() error { return nil }

func (b bytesHandle) ReadAt(_ context.Context, p []byte, offset int64) (int, error) {
	if offset >= int64(len(b)) {
		return 0, io.EOF
	}
	return copy(p, b[offset:]), nil
}

// command is a file that does something with each write, whatever its offset,
// and then has the answer to read: what it says, or in one line why it refused.
type command struct {
	at
	run  func(ctx context.Context, input string) ([]byte, error)
	idle bool // reading before the first write runs it with an empty input
}

func (v *view) command(path string, run func(ctx context.Context, input string) ([]byte, error)) *command {
	return &command{at: at{v, path, fileMode}, run: run}
}

// SetAttr lets shells truncate the file before they write.
func (c *command) SetAttr(_ context.Context, set ninep.SetAttr) error { return onlyTruncate(set) }

func onlyTruncate(set ninep.SetAttr) error {
	switch {
	case set.Valid&ninep.SetMode != 0:
		return errNoChmod
	case set.Valid&ninep.SetSize != 0 && set.Size != 0:
		return errNoExtend
	}
	return nil
}

func (c *command) Open(context.Context, ninep.OpenFlags) (ninep.Handle, error) {
	return &commandHandle{c: c}, nil
}

type commandHandle struct {
	c *command

	mu     sync.Mutex
	asked  bool
	answer []byte
	failed string
	first  origin
}

func (h *commandHandle) Close() error { return nil }

func (h *commandHandle) WriteAt(ctx context.Context, p []byte, _ int64) (int, error) {
	if len(p) > maxText {
		return 0, faultf(ninep.EFBIG, "at most %d bytes can be written at once", maxText)
	}
	answer, err := h.c.run(ctx, string(p))
	err = wire(err)
	h.mu.Lock()
	defer h.mu.Unlock()
	h.asked, h.answer, h.failed, h.first = true, answer, "", origin{}
	if err != nil {
		h.failed = oneLine(err.Error())
		h.answer = []byte(h.failed + "\n")
		return 0, err
	}
	return len(p), nil
}

func (h *commandHandle) ReadAt(ctx context.Context, p []byte, offset int64) (int, error) {
	h.mu.Lock()
	asked := h.asked || !h.c.idle
	h.mu.Unlock()
	if !asked {
		answer, err := h.c.run(ctx, "")
		if err != nil {
			return 0, wire(err)
		}
		h.mu.Lock()
		h.asked, h.answer = true, answer
		h.mu.Unlock()
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	return bytesHandle(h.answer).ReadAt(ctx, p, h.first.of(offset))
}

// Xattr gives the reason of the last refusal, for clients whose dialect has
// numbers only.
func (h *commandHandle) Xattr(_ context.Context, name string) ([]byte, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if name != synth.ErrorXattr || h.failed == "" {
		return nil, ninep.ENODATA
	}
	return []byte(h.failed), nil
}

// origin is the offset at which the first read of an answer came. A shell has one
// offset for reading and writing, so that after a command of n bytes it reads the
// answer from n on; a program that passes offsets reads it from 0.
type origin struct {
	known bool
	at    int64
}

func (o *origin) of(offset int64) int64 {
	if !o.known || offset < o.at {
		o.known, o.at = true, offset
	}
	return offset - o.at
}

func oneLine(s string) string {
	b := []byte(s)
	for i, c := range b {
		if c == '\n' || c == '\r' {
			b[i] = ' '
		}
	}
	return string(b)
}

// note is a small text that can be written and read like an ordinary file.
type note struct {
	at
	load func() ([]byte, error)
	// edit changes the text; it is called with the present one and must not keep it.
	edit func(change func(old []byte) ([]byte, error)) error
}

func (f *note) Attr(ctx context.Context) (ninep.Attr, error) {
	content, err := f.load()
	if err != nil {
		return ninep.Attr{}, wire(err)
	}
	a, err := f.at.Attr(ctx)
	a.Size = uint64(len(content))
	return a, err
}

func (f *note) SetAttr(_ context.Context, set ninep.SetAttr) error {
	if set.Valid&ninep.SetMode != 0 {
		return errNoChmod
	}
	if set.Valid&ninep.SetSize == 0 {
		return nil
	}
	return f.resize(set.Size)
}

func (f *note) resize(size uint64) error {
	if size > maxText {
		return faultf(ninep.EFBIG, "at most %d bytes fit", maxText)
	}
	return wire(f.edit(func(old []byte) ([]byte, error) {
		n := int(size)
		return append(old[:min(n, len(old)):min(n, len(old))], make([]byte, max(0, n-len(old)))...), nil
	}))
}

func (f *note) Open(_ context.Context, flags ninep.OpenFlags) (ninep.Handle, error) {
	if flags.CanWrite() && flags&ninep.Truncate != 0 {
		if err := f.resize(0); err != nil {
			return nil, err
		}
	}
	return &noteHandle{f, flags&ninep.Append != 0}, nil
}

type noteHandle struct {
	f      *note
	append bool
}

func (h *noteHandle) Close() error { return nil }

func (h *noteHandle) ReadAt(ctx context.Context, p []byte, offset int64) (int, error) {
	content, err := h.f.load()
	if err != nil {
		return 0, wire(err)
	}
	return bytesHandle(content).ReadAt(ctx, p, offset)
}

func (h *noteHandle) WriteAt(_ context.Context, p []byte, offset int64) (int, error) {
	err := h.f.edit(func(old []byte) ([]byte, error) {
		if h.append {
			offset = int64(len(old))
		}
		if offset > int64(maxText-len(p)) {
			return nil, faultf(ninep.EFBIG, "at most %d bytes fit", maxText)
		}
		end := max(int(offset)+len(p), len(old))
		content := make([]byte, end)
		copy(content, old)
		copy(content[offset:], p)
		return content, nil
	})
	if err != nil {
		return 0, wire(err)
	}
	return len(p), nil
}
