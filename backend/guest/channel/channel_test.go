package channel

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"
)

func testContext(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	t.Cleanup(cancel)
	return ctx
}

// noLeak fails the test when it leaves goroutines behind. It must be called before
// anything else registers a cleanup.
func noLeak(t *testing.T) {
	before := runtime.NumGoroutine()
	t.Cleanup(func() {
		for i := 0; runtime.NumGoroutine() > before; i++ {
			if i == 500 {
				buf := make([]byte, 1<<20)
				t.Fatalf("%d goroutines before, %d after:\n%s", before, runtime.NumGoroutine(), buf[:runtime.Stack(buf, true)])
			}
			time.Sleep(10 * time.Millisecond) // they end by themselves; only the end counts
		}
	})
}

// socketpair joins two ends like a virtio-serial port does: with a buffer between.
func socketpair(t *testing.T) (a, b net.Conn) {
	t.Helper()
	l, err := net.Listen("unix", filepath.Join(t.TempDir(), "s"))
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	a, err = net.Dial("unix", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	if b, err = l.Accept(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { a.Close(); b.Close() })
	return a, b
}

type opened struct {
	mux *Mux
	err error
}

func openBoth(t *testing.T, a, b io.ReadWriteCloser) (host, guest *Mux) {
	t.Helper()
	ctx := testContext(t)
	got := make(chan opened, 1)
	go func() {
		m, err := Guest(ctx, b, slog.New(slog.DiscardHandler))
		got <- opened{m, err}
	}()
	host, err := Host(ctx, a, slog.New(slog.DiscardHandler))
	g := <-got
	if err != nil || g.err != nil {
		t.Fatalf("host: %v, guest: %v", err, g.err)
	}
	t.Cleanup(func() { host.Close(); g.mux.Close() })
	return host, g.mux
}

// serve answers each stream of guest with f.
func serve(t *testing.T, guest *Mux, f func(service string, s *Stream)) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			s, err := guest.Accept()
			if err != nil {
				return
			}
			name, err := s.Service()
			if err != nil {
				s.Close()
				continue
			}
			go f(name, s)
		}
	}()
	t.Cleanup(func() { guest.Close(); <-done })
}

func works(t *testing.T, host, guest *Mux) {
	t.Helper()
	serve(t, guest, func(_ string, s *Stream) { s.Accept(); s.Close() })
	s, err := host.Open(testContext(t), "any")
	if err != nil {
		t.Fatal(err)
	}
	s.Close()
}

func TestSessionOnPipe(t *testing.T) {
	noLeak(t)
	a, b := net.Pipe()
	host, guest := openBoth(t, a, b)
	serve(t, guest, func(service string, s *Stream) {
		defer s.Close()
		if service == "no" {
			s.Refuse(errors.New("not here"))
			return
		}
		var v string
		if s.Accept() == nil && s.Receive(&v) == nil {
			s.Send(service + " " + v)
		}
	})
	s, err := host.Open(testContext(t), "echo")
	if err != nil {
		t.Fatal(err)
	}
	var got string
	if err := errors.Join(s.Send("hello"), s.Receive(&got)); err != nil || got != "echo hello" {
		t.Fatalf("got %q, %v", got, err)
	}
	if err := s.Receive(&got); err != io.EOF {
		t.Fatalf("after the last message: %v, want EOF", err)
	}
	s.Close()
	var refused *Refusal
	if _, err := host.Open(testContext(t), "no"); !errors.As(err, &refused) || refused.Text != "not here" {
		t.Fatalf("refused stream: %v", err)
	}
}

// Each side finds the other's start behind any leftover: noise, part of a frame, whole
// frames of an earlier session.
func TestHandshakeSkipsLeftovers(t *testing.T) {
	old := frame{version: Version, kind: kindHello, nonce: newNonce(), echo: newNonce()}
	oldStart := old
	oldStart.kind = kindStart
	other := old
	other.version = 99
	leftovers := map[string][]byte{
		"nothing":      nil,
		"noise":        bytes.Repeat([]byte{0, 0xf5, 'S', 'L', 7}, 9999),
		"magic":        []byte(strings.Repeat(magic, 50)),
		"half a frame": old.encode()[:30],
		"old hello":    old.encode(),
		"old start":    oldStart.encode(),
		"old version":  other.encode(),
		"both and bit": append(append(old.encode(), oldStart.encode()...), magic[:5]...),
	}
	for name, left := range leftovers {
		t.Run(name, func(t *testing.T) {
			noLeak(t)
			a, b := socketpair(t)
			if _, err := a.Write(left); err != nil {
				t.Fatal(err)
			}
			if _, err := b.Write(left); err != nil {
				t.Fatal(err)
			}
			host, guest := openBoth(t, a, b)
			works(t, host, guest)
		})
	}
}

// The host is killed and comes back on the same stream, which never breaks for the
// guest: the guest notices, and the next session begins without the rest of the last.
func TestHostReturnsOnTheSameStream(t *testing.T) {
	noLeak(t)
	a, b := socketpair(t)
	host, guest := openBoth(t, notClosed{a}, notClosed{b})
	serve(t, guest, func(_ string, s *Stream) { s.Accept(); s.Send(strings.Repeat("x", 30000)) })
	if _, err := host.Open(testContext(t), "left unread"); err != nil {
		t.Fatal(err)
	}
	host.Close() // bytes remain in both directions
	a.SetReadDeadline(time.Time{})
	got := make(chan opened, 1)
	go func() {
		m, err := Host(testContext(t), a, slog.New(slog.DiscardHandler))
		got <- opened{m, err}
	}()
	<-guest.Done() // it took the new hello for a broken frame
	if guest.Err() == nil {
		t.Fatal("the guest's session ended without a reason")
	}
	b.SetReadDeadline(time.Time{})
	again, err := Guest(testContext(t), b, slog.New(slog.DiscardHandler))
	host2 := <-got
	if err != nil || host2.err != nil {
		t.Fatal(err, host2.err)
	}
	defer again.Close()
	defer host2.mux.Close()
	works(t, host2.mux, again)
}

// notClosed keeps a byte stream open behind a session's back, as QEMU does.
type notClosed struct{ net.Conn }

func (n notClosed) Close() error { return n.SetReadDeadline(time.Unix(1, 0)) }

// A side that begins its handshake anew, after the other has sent its start, is heard.
func TestHandshakeBegunAnew(t *testing.T) {
	noLeak(t)
	a, b := socketpair(t)
	got := make(chan opened, 1)
	go func() {
		m, err := Host(testContext(t), a, slog.New(slog.DiscardHandler))
		got <- opened{m, err}
	}()
	first := frame{version: Version, kind: kindHello, nonce: newNonce()}
	f := readTestFrame(t, b)
	first.echo = f.nonce
	b.Write(first.encode())
	for readTestFrame(t, b).kind != kindStart {
	}
	// It never sends its own start, and forgets.
	guest, err := Guest(testContext(t), b, slog.New(slog.DiscardHandler))
	host := <-got
	if err != nil || host.err != nil {
		t.Fatalf("host: %v, guest: %v", host.err, err)
	}
	defer host.mux.Close()
	defer guest.Close()
	works(t, host.mux, guest)
}

func readTestFrame(t *testing.T, r io.Reader) frame {
	t.Helper()
	b := make([]byte, frameSize)
	if _, err := io.ReadFull(r, b); err != nil {
		t.Fatal(err)
	}
	f, err := parseFrame(b)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func TestHandshakeOfAnotherVersion(t *testing.T) {
	noLeak(t)
	a, b := socketpair(t)
	got := make(chan error, 1)
	go func() {
		_, err := Host(testContext(t), a, slog.New(slog.DiscardHandler))
		got <- err
	}()
	f := readTestFrame(t, b)
	b.Write(frame{version: 2, kind: kindHello, nonce: newNonce(), echo: f.nonce}.encode())
	if err := <-got; !errors.Is(err, ErrVersion) {
		t.Fatal(err)
	}
}

func TestHandshakeEndsWithItsContext(t *testing.T) {
	noLeak(t)
	a, _ := net.Pipe() // nobody reads: the write hangs as well
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if _, err := Host(ctx, a, slog.New(slog.DiscardHandler)); !errors.Is(err, context.DeadlineExceeded) {
		t.Fatal(err)
	}
}

// connPair returns the two ends of a raw connection.
func connPair(t *testing.T) (host, guest *Conn, muxes [2]*Mux) {
	a, b := socketpair(t)
	hm, gm := openBoth(t, a, b)
	accepted := make(chan *Conn, 1)
	serve(t, gm, func(_ string, s *Stream) {
		s.Accept()
		select {
		case accepted <- s.Conn():
		default:
			s.Close()
		}
	})
	s, err := hm.Open(testContext(t), "raw")
	if err != nil {
		t.Fatal(err)
	}
	host, guest = s.Conn(), <-accepted
	t.Cleanup(func() { host.Close(); guest.Close() })
	return host, guest, [2]*Mux{hm, gm}
}

func TestConnHalfClose(t *testing.T) {
	for _, side := range []string{"host", "guest"} {
		t.Run(side, func(t *testing.T) {
			noLeak(t)
			first, second, _ := connPair(t)
			if side == "guest" {
				first, second = second, first
			}
			// More than a window each way, after the other way has ended.
			data := bytes.Repeat([]byte("half-close"), 60000)
			sum := make(chan [32]byte, 1)
			go func() {
				b, err := io.ReadAll(second)
				if err != nil {
					t.Error(err)
				}
				sum <- sha256.Sum256(b)
				second.Write(data)
				second.CloseWrite()
			}()
			if _, err := first.Write(data); err != nil {
				t.Fatal(err)
			}
			first.CloseWrite()
			if <-sum != sha256.Sum256(data) {
				t.Fatal("the bytes before the half-close are not those sent")
			}
			b, err := io.ReadAll(first)
			if err != nil || !bytes.Equal(b, data) {
				t.Fatalf("%d bytes, %v after the half-close, want %d", len(b), err, len(data))
			}
			if _, err := first.Write([]byte("x")); !errors.Is(err, net.ErrClosed) {
				t.Fatalf("write after CloseWrite: %v", err)
			}
			second.Close()
			<-first.Gone() // noticed without a read
		})
	}
}

func TestConnCloseIsNoEOF(t *testing.T) {
	noLeak(t)
	host, guest, _ := connPair(t)
	host.Write([]byte("cut"))
	host.Close()
	b, err := io.ReadAll(guest)
	if string(b) != "cut" || err != io.ErrUnexpectedEOF {
		t.Fatalf("%q, %v", b, err)
	}
	if _, err := host.Read(make([]byte, 1)); !errors.Is(err, net.ErrClosed) {
		t.Fatal(err)
	}
}

func TestConnDeadlineKeepsPlace(t *testing.T) {
	noLeak(t)
	host, guest, _ := connPair(t)
	guest.s.y.Write([]byte{0, 0}) // half the header of a chunk
	host.SetReadDeadline(time.Now().Add(20 * time.Millisecond))
	if _, err := host.Read(make([]byte, 9)); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Fatal(err)
	}
	host.SetReadDeadline(time.Time{})
	guest.s.y.Write([]byte{0, 2, 'o', 'k'})
	b := make([]byte, 9)
	if n, err := host.Read(b); string(b[:n]) != "ok" || err != nil {
		t.Fatal(n, err)
	}
}

func TestConnRefusesHugeChunk(t *testing.T) {
	noLeak(t)
	host, guest, _ := connPair(t)
	guest.s.y.Write([]byte{0xff, 0, 0, 0})
	if _, err := host.Read(make([]byte, 9)); err != errChunk {
		t.Fatal(err)
	}
}

// A stream nobody reads fills its window and no more; the others go on.
func TestSlowStreamStallsNoOther(t *testing.T) {
	noLeak(t)
	_, stuck, muxes := connPair(t)
	written := make(chan error, 1)
	go func() {
		_, err := stuck.Write(make([]byte, 4*window))
		written <- err
	}()
	for range 50 {
		s, err := muxes[0].Open(testContext(t), "raw")
		if err != nil {
			t.Fatal(err)
		}
		s.Close()
		select {
		case err := <-written:
			t.Fatalf("4 windows were written though nobody read: %v", err)
		default:
		}
	}
	stuck.Close()
	if err := <-written; !errors.Is(err, net.ErrClosed) {
		t.Fatal(err)
	}
}

func TestMessageBounds(t *testing.T) {
	noLeak(t)
	var v any
	if err := readMessage(bytes.NewReader([]byte{0xff, 0xff, 0xff, 0xff}), &v); err == nil {
		t.Fatal("a message of 4 GiB was accepted")
	}
	if err := readMessage(bytes.NewReader([]byte{0, 0, 0, 2, '{'}), &v); err != io.ErrUnexpectedEOF {
		t.Fatal(err)
	}
	if got := Text(errors.New(strings.Repeat("é", MaxText))); len(got) > MaxText || strings.ContainsRune(got, '\ufffd') {
		t.Fatalf("%d bytes", len(got))
	}
}

// What a hostile guest sends in place of yamux ends the session with a reason.
func TestGuardEndsSession(t *testing.T) {
	ping := []byte{0, yamuxPing, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0}
	for name, c := range map[string]struct {
		sent []byte
		want error
	}{
		"ping flood":   {bytes.Repeat(ping, 10*maxPings), errFlood},
		"open stream":  {[]byte{0, 1, 0, 1, 0, 0, 0, 2, 0, 0, 0, 0}, errOpen},
		"huge frame":   {[]byte{0, 0, 0, 0, 0, 0, 0, 1, 0xff, 0, 0, 0}, errTooBig},
		"no yamux":     {[]byte(strings.Repeat("garbage ", 99)), nil},
		"wrong type":   {[]byte{0, 9, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0}, nil},
		"stray frames": {bytes.Repeat([]byte{0, 1, 0, 2, 0, 0, 0, 1, 0, 0, 0, 0, 0, 1, 0, 2, 0, 0, 0, 1, 0, 0, 0, 0, 9}, 999), nil},
	} {
		t.Run(name, func(t *testing.T) {
			noLeak(t)
			a, b := socketpair(t)
			got := make(chan opened, 1)
			go func() {
				m, err := Host(testContext(t), a, slog.New(slog.DiscardHandler))
				got <- opened{m, err}
			}()
			raw, err := handshake(testContext(t), b)
			host := <-got
			if err != nil || host.err != nil {
				t.Fatal(err, host.err)
			}
			defer host.mux.Close()
			go io.Copy(io.Discard, raw)
			raw.Write(c.sent)
			<-host.mux.Done()
			if err := host.mux.Err(); err == nil || c.want != nil && !errors.Is(err, c.want) {
				t.Fatalf("ended with %v, want %v", err, c.want)
			}
			raw.Close()
		})
	}
}

func TestGuardAllowsKeepalive(t *testing.T) {
	now := time.Unix(0, 0)
	g := &guard{now: func() time.Time { return now }}
	ping := []byte{0, yamuxPing, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0}
	for range 1000 {
		if err := errors.Join(g.check(ping[:5]), g.check(ping[5:])); err != nil {
			t.Fatal(err)
		}
		now = now.Add(pingsEach)
	}
}
