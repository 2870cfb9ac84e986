package synth

import (
	"context"
	"io"
	"sync"

	"github.com/slipway-desktop/slipway/backend/ninep"
)

// streamBuffer is how far a stream runs ahead of its reader.
const streamBuffer = 256 << 10

// Stream is a file that is read from the beginning on, and may block until there
// is more. Each open has a producer of its own. For clients that are not
// ninep.AttachRequest.Plain one empty read says that there is nothing more for now.
type Stream struct {
	info
	run func(ctx context.Context, question []byte, w io.Writer) error
}

// NewStream makes a stream. run begins with the first read of an open file, has
// what was written to it before that, and writes the content; writing blocks while
// the reader is slow. When the file is closed ctx ends and writes fail: run must
// return soon. The stream ends with run, and its error.
func NewStream(path string, run func(ctx context.Context, question []byte, w io.Writer) error) *Stream {
	return &Stream{info{path, ninep.ModeRegular | 0o600}, run}
}

// SetAttr lets shells truncate the file before they write.
func (s *Stream) SetAttr(_ context.Context, set ninep.SetAttr) error { return onlyTruncate(set) }

// Open implements ninep.Node. It starts nothing.
func (s *Stream) Open(context.Context, ninep.OpenFlags) (ninep.Handle, error) {
	ctx, cancel := context.WithCancel(context.Background()) // ends with the handle, not with a request
	return &streamHandle{stream: s, ctx: ctx, cancel: cancel, changed: make(chan struct{})}, nil
}

type streamHandle struct {
	stream   *Stream
	ctx      context.Context
	cancel   context.CancelFunc
	producer sync.WaitGroup

	mu       sync.Mutex
	changed  chan struct{} // closed, and made anew, with each change of what follows
	question []byte
	started  bool
	ended    bool
	err      error // of the producer
	buffer   []byte
	origin   int64 // the offset of the first read, see type origin
	begun    bool
	taken    int64 // bytes read
	pause    bool  // the next read is to be empty, if there is nothing for it
}

func (h *streamHandle) Close() error {
	h.cancel()
	h.producer.Wait()
	return nil
}

// notify wakes who waits for a change. h.mu is held.
func (h *streamHandle) notify() {
	close(h.changed)
	h.changed = make(chan struct{})
}

// start runs the producer if it does not run. h.mu is held.
func (h *streamHandle) start() {
	if h.started {
		return
	}
	h.started = true
	question := h.question
	h.producer.Go(func() {
		err := h.stream.run(h.ctx, question, (*streamWriter)(h))
		h.mu.Lock()
		defer h.mu.Unlock()
		h.ended, h.err = true, err
		h.notify()
	})
}

// WriteAt adds to the question.
func (h *streamHandle) WriteAt(_ context.Context, p []byte, _ int64) (int, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	switch {
	case h.started:
		return 0, ninep.EBUSY
	case len(h.question)+len(p) > ninep.MaxMessage:
		return 0, ninep.EFBIG
	}
	h.question = append(h.question, p...)
	return len(p), nil
}

// Wait implements ninep.Waiter: until there is something, or the end, or it is
// time to say that there is nothing for now.
func (h *streamHandle) Wait(ctx context.Context, _ int64) error {
	h.mu.Lock()
	h.start()
	for len(h.buffer) == 0 && !h.ended && !h.pause {
		changed := h.changed
		h.mu.Unlock()
		select {
		case <-changed:
		case <-ctx.Done():
			return ctx.Err()
		}
		h.mu.Lock()
	}
	h.mu.Unlock()
	return nil
}

func (h *streamHandle) ReadAt(ctx context.Context, p []byte, offset int64) (int, error) {
	if err := h.Wait(ctx, offset); err != nil {
		return 0, err
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if !h.begun {
		h.begun, h.origin = true, offset
	}
	if offset-h.origin != h.taken {
		return 0, ninep.ESPIPE
	}
	if len(h.buffer) == 0 {
		h.pause = false
		if h.ended && h.err != nil {
			return 0, h.err
		}
		return 0, io.EOF
	}
	n := copy(p, h.buffer) // 0 if another reader was faster: it has moved taken, too
	h.buffer = h.buffer[n:]
	h.taken += int64(n)
	h.pause = !ninep.AttachOf(ctx).Plain()
	h.notify()
	return n, nil
}

func (h *streamHandle) Xattr(_ context.Context, name string) ([]byte, error) {
	if name != ErrorXattr {
		return nil, ninep.ENODATA
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	return reason(h.err)
}

// streamWriter is the producer's side.
type streamWriter streamHandle

func (w *streamWriter) Write(p []byte) (int, error) {
	h := (*streamHandle)(w)
	done := 0
	for done < len(p) {
		h.mu.Lock()
		if h.ctx.Err() != nil {
			h.mu.Unlock()
			return done, context.Cause(h.ctx)
		}
		room := streamBuffer - len(h.buffer)
		changed := h.changed
		if room > 0 {
			n := min(room, len(p)-done)
			h.buffer = append(h.buffer, p[done:done+n]...)
			done += n
			h.notify()
		}
		h.mu.Unlock()
		if room > 0 {
			continue
		}
		select {
		case <-changed:
		case <-h.ctx.Done():
		}
	}
	return done, nil
}
