package engine

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/slipway-desktop/slipway/backend/control"
)

const (
	logLines    = 2000    // kept in memory for the window
	logLineSize = 4 << 10 // bytes; a longer line is cut
	logFileSize = 4 << 20 // bytes; then the file is moved to engine.log.1
)

// A logbook keeps the recent lines of the engine's log and of the guest's console
// in memory, and the engine's in a file.
type logbook struct {
	onLine func()

	mu    sync.Mutex
	lines []control.LogLine // ring: line n is at n % logLines
	next  uint64            // number of the next line
	path  string
	file  *os.File
	size  int64
}

func openLogbook(path string, onLine func()) (*logbook, error) {
	file, err := os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open the log: %w", err)
	}
	info, err := file.Stat()
	if err != nil {
		file.Close()
		return nil, fmt.Errorf("open the log: %w", err)
	}
	return &logbook{onLine: onLine, lines: make([]control.LogLine, logLines), path: path, file: file, size: info.Size()}, nil
}

func (b *logbook) Close() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.file.Close()
}

func (b *logbook) add(line control.LogLine) {
	if len(line.Text) > logLineSize {
		line.Text = strings.ToValidUTF8(line.Text[:logLineSize], "") + " …"
	}
	b.mu.Lock()
	b.lines[b.next%logLines] = line
	b.next++
	if line.Source == "engine" {
		b.store(line)
	}
	b.mu.Unlock()
	b.onLine()
}

// store appends to the file. A full disk must not stop the engine, nor can it be
// logged, so a failed write is dropped: the line is still in memory.
func (b *logbook) store(line control.LogLine) {
	if b.size > logFileSize {
		b.rotate()
	}
	n, err := fmt.Fprintf(b.file, "%s %-5s %s\n", line.Time.Format(time.RFC3339Nano), line.Level, line.Text)
	if err == nil {
		b.size += int64(n)
	}
}

func (b *logbook) rotate() {
	if err := os.Rename(b.path, b.path+".1"); err != nil {
		return
	}
	file, err := os.OpenFile(b.path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return
	}
	b.file.Close()
	b.file, b.size = file, 0
}

// since returns the lines from number n on that are still kept, and the number to
// ask from the next time.
func (b *logbook) since(n uint64) ([]control.LogLine, uint64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.next > logLines && n < b.next-logLines {
		n = b.next - logLines
	}
	out := []control.LogLine{}
	for ; n < b.next; n++ {
		out = append(out, b.lines[n%logLines])
	}
	return out, b.next
}

// write prints all that is kept.
func (b *logbook) write(w io.Writer) error {
	lines, _ := b.since(0)
	for _, l := range lines {
		if _, err := fmt.Fprintf(w, "%s %-7s %-5s %s\n", l.Time.Format("15:04:05.000"), l.Source, l.Level, l.Text); err != nil {
			return err
		}
	}
	return nil
}

// handler is the slog side of the logbook; next, if not nil, gets each record too.
type handler struct {
	book   *logbook
	next   slog.Handler
	prefix string // attributes and groups so far, rendered
	group  string
}

func (h *handler) Enabled(_ context.Context, level slog.Level) bool { return level >= slog.LevelInfo }

func (h *handler) Handle(ctx context.Context, r slog.Record) error {
	var text strings.Builder
	text.WriteString(r.Message)
	text.WriteString(h.prefix)
	r.Attrs(func(a slog.Attr) bool {
		text.WriteString(render(h.group, a))
		return true
	})
	h.book.add(control.LogLine{Time: r.Time, Source: "engine", Level: strings.ToLower(r.Level.String()), Text: text.String()})
	if h.next != nil && h.next.Enabled(ctx, r.Level) {
		return h.next.Handle(ctx, r)
	}
	return nil
}

func render(group string, a slog.Attr) string {
	value := a.Value.Resolve()
	if value.Kind() == slog.KindGroup {
		var all strings.Builder
		for _, inner := range value.Group() {
			all.WriteString(render(group+a.Key+".", inner))
		}
		return all.String()
	}
	text := value.String()
	if strings.ContainsAny(text, " \t\n\"=") {
		text = fmt.Sprintf("%q", text)
	}
	return " " + group + a.Key + "=" + text
}

func (h *handler) WithAttrs(attrs []slog.Attr) slog.Handler {
	c := *h
	for _, a := range attrs {
		c.prefix += render(h.group, a)
	}
	if h.next != nil {
		c.next = h.next.WithAttrs(attrs)
	}
	return &c
}

func (h *handler) WithGroup(name string) slog.Handler {
	c := *h
	c.group += name + "."
	if h.next != nil {
		c.next = h.next.WithGroup(name)
	}
	return &c
}
