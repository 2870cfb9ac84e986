package vm

import (
	"bytes"
	"context"
	"strings"
	"sync"
)

// DefaultConsoleBytes is how much console text a Supervisor keeps.
const DefaultConsoleBytes = 256 << 10

// ring keeps the last bytes written to it. Offsets count every byte ever
// written, so that a reader that fell behind can tell how much it missed.
type ring struct {
	mu      sync.Mutex
	buf     []byte // grows to limit, then wraps
	limit   int
	total   uint64
	arrived chan struct{} // closed at the next write
}

func newRing(limit int) *ring {
	return &ring{limit: limit, arrived: make(chan struct{})}
}

func (r *ring) Write(p []byte) (int, error) {
	n := len(p)
	if n == 0 {
		return 0, nil
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if skip := n - r.limit; skip > 0 {
		r.total += uint64(skip)
		p = p[skip:]
	}
	for len(p) > 0 {
		at := int(r.total % uint64(r.limit))
		var k int
		if at == len(r.buf) && at < r.limit {
			k = min(len(p), r.limit-at)
			r.buf = append(r.buf, p[:k]...)
		} else {
			// A first write that skipped bytes begins in the middle of the ring.
			if len(r.buf) < r.limit {
				r.buf = append(r.buf, make([]byte, r.limit-len(r.buf))...)
			}
			k = copy(r.buf[at:], p)
		}
		r.total += uint64(k)
		p = p[k:]
	}
	close(r.arrived)
	r.arrived = make(chan struct{})
	return n, nil
}

// since copies what is kept from the given offset on. The result starts later
// when those bytes are gone: at next - len(data).
func (r *ring) since(from uint64) (data []byte, next uint64, arrived <-chan struct{}) {
	r.mu.Lock()
	defer r.mu.Unlock()
	oldest := uint64(0)
	if r.total > uint64(r.limit) {
		oldest = r.total - uint64(r.limit)
	}
	from = min(max(from, oldest), r.total)
	data = make([]byte, 0, r.total-from)
	for from < r.total {
		at := int(from % uint64(r.limit))
		end := min(len(r.buf), at+int(r.total-from))
		data = append(data, r.buf[at:end]...)
		from += uint64(end - at)
	}
	return data, r.total, r.arrived
}

func (r *ring) follow(ctx context.Context, from uint64) ([]byte, uint64, error) {
	for {
		data, next, arrived := r.since(from)
		if len(data) > 0 {
			return data, next, nil
		}
		select {
		case <-arrived:
		case <-ctx.Done():
			return nil, next, ctx.Err()
		}
	}
}

// maxConsoleLine bounds what of one line is searched for a panic.
const maxConsoleLine = 4 << 10

// lineWatch cuts console bytes into lines and looks for the two that matter:
// the first one, and the kernel's panic.
type lineWatch struct {
	line     []byte
	spoke    func()           // called once, at the end of the first line that is not blank
	panicked func(why string) // called once, with the panic's text
	said     bool
	dead     bool
}

var panicMark = []byte("Kernel panic - not syncing")

func (w *lineWatch) write(p []byte) {
	for len(p) > 0 {
		end := bytes.IndexByte(p, '\n')
		part := p
		if end >= 0 {
			part = p[:end]
		}
		if room := maxConsoleLine - len(w.line); room > 0 {
			w.line = append(w.line, part[:min(room, len(part))]...)
		}
		if end < 0 {
			return
		}
		p = p[end+1:]
		w.endLine()
	}
}

func (w *lineWatch) endLine() {
	line := bytes.TrimSpace(w.line)
	w.line = w.line[:0]
	if len(line) == 0 {
		return
	}
	if !w.said {
		w.said = true
		w.spoke()
	}
	if _, why, found := bytes.Cut(line, panicMark); found && !w.dead {
		w.dead = true
		w.panicked(strings.ToValidUTF8(strings.TrimLeft(string(why), ": "), "?"))
	}
}

// lastLines cuts console text to its last n lines, without carriage returns.
func lastLines(data []byte, n int) string {
	text := strings.ToValidUTF8(strings.ReplaceAll(string(data), "\r", ""), "?")
	lines := strings.Split(strings.TrimSpace(text), "\n")
	if len(lines) > n {
		lines = lines[len(lines)-n:]
	}
	return strings.Join(lines, "\n")
}
