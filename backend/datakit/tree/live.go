package tree

import (
	"context"
	"errors"
	"io"
	"sync"

	"github.com/slipway-desktop/slipway/backend/ninep"
)

// feed is what one reader of a live file gets.
type feed interface {
	// next blocks until there is news; io.EOF at the end.
	next(ctx context.Context) ([]byte, error)
	// close lets go of what the feed holds. No next is running or comes.
	close()
}

// live is a file that blocks until there is news. Each open has a feed of its own.
//
// A reader of a kernel gathers reads until an empty one. So each piece of news is
// followed by one empty read, and two empty reads in a row mean the end. Programs
// that take an empty read for the end attach as "plain": then reads just block.
type live struct {
	at
	open func() (feed, error)
}

// SetAttr refuses what a stream has not.
func (f *live) SetAttr(_ context.Context, set ninep.SetAttr) error { return errReadOnly }

func (f *live) Open(_ context.Context, flags ninep.OpenFlags) (ninep.Handle, error) {
	if flags.CanWrite() {
		return nil, errReadOnly
	}
	source, err := f.open()
	if err != nil {
		return nil, wire(err)
	}
	return &liveHandle{feed: source, plain: f.v.plain, turn: make(chan struct{}, 1)}, nil
}

type liveHandle struct {
	feed  feed
	plain bool

	turn    chan struct{} // held by who reads; guards what follows
	pending []byte
	pause   bool // the next read is empty
	ended   bool
	begun   bool
	offset  int64 // of the next read
	closing sync.Once
}

func (h *liveHandle) Close() error {
	h.closing.Do(h.feed.close)
	return nil
}

// take waits for this reader's turn.
func (h *liveHandle) take(ctx context.Context) error {
	select {
	case h.turn <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// fill waits until there is something to answer a read with. The turn is held.
func (h *liveHandle) fill(ctx context.Context) error {
	if len(h.pending) > 0 || h.pause || h.ended {
		return nil
	}
	b, err := h.feed.next(ctx)
	if errors.Is(err, io.EOF) {
		h.ended = true
		return nil
	}
	h.pending = b
	return err
}

// seek refuses to read elsewhere than where the last read ended. The turn is held.
func (h *liveHandle) seek(offset int64) error {
	if !h.begun {
		h.begun, h.offset = true, offset
	}
	if offset != h.offset {
		return errSeek
	}
	return nil
}

// Wait implements ninep.Waiter.
func (h *liveHandle) Wait(ctx context.Context, offset int64) error {
	if err := h.take(ctx); err != nil {
		return err
	}
	defer func() { <-h.turn }()
	if err := h.seek(offset); err != nil {
		return err
	}
	return wire(h.fill(ctx))
}

func (h *liveHandle) ReadAt(ctx context.Context, p []byte, offset int64) (int, error) {
	if err := h.take(ctx); err != nil {
		return 0, err
	}
	defer func() { <-h.turn }()
	if err := h.seek(offset); err != nil {
		return 0, err
	}
	if err := h.fill(ctx); err != nil {
		return 0, wire(err)
	}
	if h.pause || h.ended {
		h.pause = false
		return 0, io.EOF
	}
	n := copy(p, h.pending)
	h.pending = h.pending[n:]
	h.offset += int64(n)
	h.pause = len(h.pending) == 0 && !h.plain
	return n, nil
}

// point is a value that many wait for: only its latest state is kept.
type point struct {
	mu      sync.Mutex
	line    string
	ended   bool
	changed chan struct{} // closed with each change, and made anew
}

func newPoint(line string) *point { return &point{line: line, changed: make(chan struct{})} }

func (p *point) get() (line string, ended bool, changed <-chan struct{}) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.line, p.ended, p.changed
}

func (p *point) set(line string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.ended || p.line == line {
		return
	}
	p.line = line
	close(p.changed)
	p.changed = make(chan struct{})
}

// end makes all who wait see the end.
func (p *point) end() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.ended {
		p.ended = true
		close(p.changed)
	}
}

// pointFeed tells the present value and then each later one that the reader is
// fast enough to see, never the same twice in a row.
type pointFeed struct {
	point   *point
	told    bool
	last    string
	watcher *watcher
	release func()
}

func (f *pointFeed) next(ctx context.Context) ([]byte, error) {
	for {
		line, ended, changed := f.point.get()
		if !ended && (!f.told || line != f.last) {
			f.told, f.last = true, line
			f.watcher.events.Add(1)
			return []byte(line + "\n"), nil
		}
		if ended {
			return nil, io.EOF
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

func (f *pointFeed) close() { f.release() }

// queueFeed tells lines that a goroutine of its own brings, skipping none.
type queueFeed struct {
	lines   chan string // closed at the end, after err is set
	err     error
	stop    context.CancelFunc
	done    sync.WaitGroup
	watcher *watcher
	release func()
}

// gather bounds how many bytes of lines that wait are told in one piece.
const gather = 32 << 10

// newQueueFeed begins with begin and runs what that returns until the feed is
// closed. What it sends waits for the reader, so it waits, too.
func newQueueFeed(w *watcher, release func(), begin func(ctx context.Context) func(send func(line string) bool) error) *queueFeed {
	ctx, cancel := context.WithCancel(context.Background()) // ends with the handle, not with a request
	f := &queueFeed{lines: make(chan string, 64), stop: cancel, watcher: w, release: release}
	produce := begin(ctx)
	f.done.Go(func() {
		defer close(f.lines)
		f.err = produce(func(line string) bool {
			select {
			case f.lines <- line:
				return true
			case <-ctx.Done():
				return false
			}
		})
	})
	return f
}

func (f *queueFeed) next(ctx context.Context) ([]byte, error) {
	var out []byte
	for {
		var line string
		var ok bool
		if len(out) == 0 {
			select {
			case line, ok = <-f.lines:
			case <-ctx.Done():
				return nil, ctx.Err()
			}
		} else {
			select {
			case line, ok = <-f.lines:
			default:
				return out, nil
			}
		}
		switch {
		case ok:
			out = append(append(out, line...), '\n')
			f.watcher.events.Add(1)
		case len(out) > 0:
			return out, nil
		case f.err != nil:
			return nil, f.err
		default:
			return nil, io.EOF
		}
		if len(out) >= gather {
			return out, nil
		}
	}
}

func (f *queueFeed) close() {
	f.stop()
	for range f.lines { // until the producer has ended
	}
	f.done.Wait()
	f.release()
}
