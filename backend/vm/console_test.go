package vm

import (
	"bytes"
	"strings"
	"testing"
)

// The ring is held against the obvious implementation, for all ways of cutting
// the input and for sizes around its own.
func TestRing(t *testing.T) {
	for limit := 1; limit <= 9; limit++ {
		for step := 1; step <= 20; step++ {
			r := newRing(limit)
			var all []byte
			for i := range 6 {
				part := bytes.Repeat([]byte{byte('a' + i)}, step)
				all = append(all, part...)
				if n, err := r.Write(part); n != step || err != nil {
					t.Fatal(n, err)
				}
				for from := 0; from <= len(all)+1; from++ {
					data, next, _ := r.since(uint64(from))
					want := all[min(max(from, len(all)-limit), len(all)):]
					if next != uint64(len(all)) || !bytes.Equal(data, want) {
						t.Fatalf("limit %d, %d bytes written in steps of %d: since(%d) is %q up to %d, want %q", limit, len(all), step, from, data, next, want)
					}
				}
			}
			if cap(r.buf) > 2*limit+8 {
				t.Errorf("%d bytes are held for a limit of %d", cap(r.buf), limit)
			}
		}
	}
}

func watched(parts ...string) (spoke int, panics []string, w *lineWatch) {
	w = &lineWatch{spoke: func() { spoke++ }, panicked: func(l string) { panics = append(panics, l) }}
	for _, p := range parts {
		w.write([]byte(p))
	}
	return spoke, panics, w
}

func TestLineWatch(t *testing.T) {
	for name, c := range map[string]struct {
		parts []string
		spoke int
		panic string
	}{
		"blank lines":       {[]string{"\r\n \r\n\n"}, 0, ""},
		"half a line":       {[]string{"Linux"}, 0, ""},
		"a line in bytes":   {strings.Split("Linux\r\n", ""), 1, ""},
		"a panic in pieces": {[]string{"[ 1.0] Kernel panic - not ", "syncing: x\r\nKernel panic - not syncing: y\n"}, 1, "x"},
		"no text":           {[]string{"Kernel panic - not syncing: \xff\n"}, 1, "?"},
		"an endless line":   {[]string{strings.Repeat("x", 10*maxConsoleLine) + "Kernel panic - not syncing\n"}, 1, ""},
	} {
		spoke, panics, w := watched(c.parts...)
		if spoke != c.spoke || strings.Join(panics, "|") != c.panic {
			t.Errorf("%s: spoke %d times, panics %q", name, spoke, panics)
		}
		if cap(w.line) > 2*maxConsoleLine {
			t.Errorf("%s: %d bytes are held", name, cap(w.line))
		}
	}
}

func TestLastLines(t *testing.T) {
	if got := lastLines([]byte("a\r\nb\r\nc\xff\r\n\r\n"), 2); got != "b\nc?" {
		t.Errorf("got %q", got)
	}
}
