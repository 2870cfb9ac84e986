package link

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"testing"
)

// wire is a connection whose two directions are buffers.
type wire struct {
	net.Conn
	in     io.Reader
	out    bytes.Buffer
	writes int
}

func (w *wire) Read(p []byte) (int, error) { return w.in.Read(p) }
func (w *wire) Close() error               { return nil }
func (w *wire) Write(p []byte) (int, error) {
	w.writes++
	return w.out.Write(p)
}

func take(c Conn) ([]byte, error) {
	n, err := c.Next()
	if err != nil {
		return nil, err
	}
	p := make([]byte, n)
	return p, c.Take(p)
}

func TestStreamCarriesFramesInBatches(t *testing.T) {
	w := &wire{}
	s := Stream(w)
	want := [][]byte{{}, []byte("runt"), bytes.Repeat([]byte{7}, 65534), bytes.Repeat([]byte{8}, MaxMessage)}
	for _, f := range want {
		half := len(f) / 2
		got, err := s.Add(f[:half], f[half:])
		if err != nil || !bytes.Equal(got, f) {
			t.Fatalf("Add: %d bytes, %v", len(got), err)
		}
	}
	if w.writes != 0 {
		t.Errorf("%d writes before the flush", w.writes)
	}
	if err := s.Flush(); err != nil || w.writes != 1 {
		t.Errorf("%d writes, %v", w.writes, err)
	}
	if err := s.Flush(); err != nil || w.writes != 1 {
		t.Errorf("an empty flush wrote: %d, %v", w.writes, err)
	}
	r := Stream(&wire{in: &w.out})
	for i, f := range want {
		if got, err := take(r); err != nil || !bytes.Equal(got, f) {
			t.Errorf("frame %d: %d bytes, %v", i, len(got), err)
		}
	}
	if _, err := r.Next(); err != io.EOF {
		t.Errorf("at the end: %v", err)
	}
}

func TestStreamFlushesItselfWhenFull(t *testing.T) {
	w := &wire{}
	s := Stream(w)
	frame := make([]byte, MaxMessage)
	for range 4 {
		if _, err := s.Add(frame); err != nil {
			t.Fatal(err)
		}
	}
	if w.writes != 1 {
		t.Errorf("%d writes, want one of three frames", w.writes)
	}
	if _, err := s.Add(frame, []byte{1}); !errors.Is(err, ErrTooLong) {
		t.Errorf("a frame too long: %v", err)
	}
}

func TestStreamRefusesLostPlace(t *testing.T) {
	head := binary.BigEndian.AppendUint32(nil, MaxMessage+1)
	s := Stream(&wire{in: bytes.NewReader(head)})
	var bad *LengthError
	if _, err := s.Next(); !errors.As(err, &bad) || bad.Length != MaxMessage+1 {
		t.Errorf("error %v", err)
	}
	for _, cut := range [][]byte{{0, 0}, {0, 0, 0, 4}, {0, 0, 0, 4, 1}} {
		s := Stream(&wire{in: bytes.NewReader(cut)})
		if _, err := take(s); !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("cut after %d bytes: %v", len(cut), err)
		}
	}
}

// FuzzStream checks that any bytes are read as frames that, written again,
// give the bytes that were consumed.
func FuzzStream(f *testing.F) {
	f.Add([]byte{0, 0, 0, 0})
	f.Add([]byte{0, 0, 0, 3, 'a', 'b', 'c', 0, 0, 0, 1, 'd'})
	f.Add([]byte{0, 1, 0x10, 0, 1})
	f.Add([]byte{0xff, 0xff, 0xff, 0xff})
	f.Fuzz(func(t *testing.T, data []byte) {
		w := &wire{}
		r, again := Stream(&wire{in: bytes.NewReader(data)}), Stream(w)
		for {
			frame, err := take(r)
			if err != nil {
				break
			}
			if len(frame) > MaxMessage {
				t.Fatalf("frame of %d bytes", len(frame))
			}
			if _, err := again.Add(frame); err != nil {
				t.Fatal(err)
			}
		}
		_ = again.Flush()
		if !bytes.HasPrefix(data, w.out.Bytes()) {
			t.Fatal("frames differ from the bytes they came from")
		}
	})
}
