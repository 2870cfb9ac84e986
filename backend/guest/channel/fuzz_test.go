package channel

import (
	"bufio"
	"bytes"
	"io"
	"testing"
	"time"
)

func FuzzHandshake(f *testing.F) {
	hello := frame{version: Version, kind: kindHello, nonce: nonce{1}}
	start := frame{version: Version, kind: kindStart, nonce: nonce{1}, echo: nonce{2}}
	f.Add([]byte(nil))
	f.Add(hello.encode())
	f.Add(append([]byte("leftover\xf5SLIP"), append(hello.encode(), start.encode()...)...))
	f.Fuzz(func(t *testing.T, b []byte) {
		// Whatever comes before, a valid frame behind it is found.
		r := bufio.NewReaderSize(bytes.NewReader(append(b, start.encode()...)), 4096)
		for {
			got, _, err := readFrame(r)
			if err != nil {
				// Only when the input's end made another frame of the appended one's bytes.
				if !bytes.Contains(b, []byte(magic)) {
					t.Fatalf("the frame was not found: %v", err)
				}
				break
			}
			if got == start {
				break
			}
		}
		g := &greeting{changed: make(chan struct{}, 1), mine: nonce{2}}
		_ = g.read(bufio.NewReaderSize(bytes.NewReader(b), 4096))
		if want, _ := parseFrame(g0(g).encode()); want.nonce != g0(g).nonce {
			t.Fatal("a frame does not survive encoding")
		}
	})
}

func g0(g *greeting) frame {
	f, _ := g.next()
	return f
}

func FuzzHeader(f *testing.F) {
	f.Add([]byte("Sw\x01\x04ping"))
	f.Add([]byte("Sw\x01\xff"))
	f.Fuzz(func(t *testing.T, b []byte) {
		name, err := readHeader(bytes.NewReader(b))
		if err == nil && (len(name) == 0 || len(name) > maxService) {
			t.Fatalf("service of %d bytes", len(name))
		}
		var v map[string]any
		_ = readMessage(bytes.NewReader(b), &v)
	})
}

// The guard sees the same frames however the bytes are cut.
func FuzzGuard(f *testing.F) {
	f.Add([]byte{0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 2, 'h', 'i', 0, 2, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0}, uint8(5))
	f.Fuzz(func(t *testing.T, b []byte, cut uint8) {
		now := func() time.Time { return time.Unix(0, 0) }
		whole := &guard{refuseOpen: true, now: now}
		cutUp := &guard{refuseOpen: true, now: now}
		want := whole.check(b)
		var got error
		r := bytes.NewReader(b)
		piece := make([]byte, int(cut)+1)
		for got == nil {
			n, err := r.Read(piece)
			if err == io.EOF {
				break
			}
			got = cutUp.check(piece[:n])
		}
		if got != want {
			t.Fatalf("whole: %v, in pieces: %v", want, got)
		}
	})
}
