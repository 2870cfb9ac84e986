package pipeline

import (
	"bytes"
	"context"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/slipway-desktop/slipway/backend/datakit/query"
)

func (f fixedTime) Branches(ctx context.Context) ([]query.Branch, error) {
	list, err := f.Client.Branches(ctx)
	for i := range list {
		list[i].Time = f.at
	}
	return list, err
}

// lockedBuffer can be waited for.
type lockedBuffer struct {
	mu   sync.Mutex
	b    bytes.Buffer
	news chan struct{}
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	select {
	case l.news <- struct{}{}:
	default:
	}
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

func (l *lockedBuffer) wait(t *testing.T, want string) {
	t.Helper()
	late := time.After(20 * time.Second)
	for l.String() != want {
		select {
		case <-l.news:
		case <-late:
			t.Fatalf("have %q, want %q", l.String(), want)
		}
	}
}

func FuzzStatus(f *testing.F) {
	f.Add("pipeline p\nsource 0123456789012345678901234567890123456789\nstate passed\nstarted 2026-01-02T03:04:05Z\nended 2026-01-02T03:05:05Z\nstep passed 2026-01-02T03:04:05Z - build it\noffer rerun\n")
	f.Add("step a b\n\x1b[0m\nstate \xff")
	f.Add(strings.Repeat("step passed - - x\n", 3))
	f.Fuzz(func(t *testing.T, text string) {
		var r Run
		if parseStatus(text, &r) != nil {
			return
		}
		if len(r.Steps) > maxSteps || len(r.Offers) > 2 {
			t.Fatalf("%d steps, %d offers", len(r.Steps), len(r.Offers))
		}
		var again Run
		if err := parseStatus(string(formatStatus(r)), &again); err != nil && len(text) < maxStatus/4 {
			t.Fatalf("%v: %q", err, formatStatus(r))
		}
		for _, s := range append(r.Steps, Step{Name: r.Message}) {
			if strings.ContainsFunc(s.Name, func(c rune) bool { return c < ' ' || c == 0x7f }) {
				t.Fatalf("%q", s.Name)
			}
		}
	})
}

func TestRest(t *testing.T) {
	var b bytes.Buffer
	r := &rest{w: &b, done: 2}
	for _, reading := range [][]string{{"abc"}, {"a", "bcd", "e"}, {"abcde"}, {"abcdef"}} {
		r.at = 0
		for _, piece := range reading {
			if n, err := r.Write([]byte(piece)); n != len(piece) || err != nil {
				t.Fatal(n, err)
			}
		}
	}
	if b.String() != "cdef" {
		t.Errorf("%q", b.String())
	}
}
