package ninep

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"syscall"
	"testing"
	"time"
)

// answerWith plays a server that gives the answers of a script, one to each
// request, after a good Rversion and Rattach. It returns a client of it.
func answerWith(t testing.TB, answers ...func(tag uint16) []byte) *Client {
	t.Helper()
	near, far := net.Pipe()
	served := make(chan struct{})
	go func() {
		defer close(served)
		defer far.Close()
		in := bufio.NewReader(far)
		good := []func(uint16) []byte{
			replyWith(&rVersion{8192, version9P2000L}),
			replyWith(&rQid{kindTattach + 1, Qid{Type: QidDir}}),
		}
		for _, a := range append(good, answers...) {
			tag, err := skipFrame(in)
			if err != nil {
				return
			}
			if _, err := far.Write(a(tag)); err != nil {
				return
			}
		}
		io.Copy(io.Discard, in)
	}()
	t.Cleanup(func() {
		near.Close()
		<-served
	})
	c, err := NewClient(t.Context(), near, AttachRequest{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

func replyWith(m message) func(uint16) []byte {
	return func(tag uint16) []byte {
		frame, _ := (&codec{}).appendMessage(nil, tag, m)
		return frame
	}
}

func skipFrame(in *bufio.Reader) (tag uint16, err error) {
	h, err := in.Peek(headerLen)
	if err != nil {
		return 0, err
	}
	tag = binary.LittleEndian.Uint16(h[5:])
	_, err = in.Discard(int(binary.LittleEndian.Uint32(h)))
	return tag, err
}

// TestHostileServer: whatever comes back, a call ends with an error, and what was
// not asked for is not believed.
func TestHostileServer(t *testing.T) {
	raw := func(b ...byte) func(uint16) []byte { return func(uint16) []byte { return b } }
	for name, test := range map[string]struct {
		answer func(uint16) []byte
		want   error
	}{
		"error":              {replyWith(&rLerror{uint32(EACCES)}), EACCES},
		"another type":       {replyWith(&rWrite{1}), EPROTO},
		"another tag":        {func(tag uint16) []byte { return replyWith(&rWalk{})(tag + 1) }, EPROTO},
		"tag out of range":   {func(uint16) []byte { return replyWith(&rWalk{})(60000) }, EPROTO},
		"a flush unasked":    {func(uint16) []byte { return replyWith(&rEmpty{kindTflush + 1})(maxCalls + 7) }, EPROTO},
		"too many qids":      {func(tag uint16) []byte { return raw(9, 0, 0, 0, 111, byte(tag), byte(tag>>8), 255, 255)(tag) }, EPROTO},
		"size too small":     {raw(3, 0, 0, 0, 111, 0, 0), EPROTO},
		"size too large":     {raw(0, 0, 0, 1, 111, 0, 0), EPROTO},
		"end of connection":  {raw(20, 0, 0, 0, 111, 0, 0), ErrClosed},
		"less than asked":    {replyWith(&rWalk{}), ENOENT},
		"bytes after a body": {func(tag uint16) []byte { return raw(10, 0, 0, 0, 111, byte(tag), byte(tag>>8), 0, 0, 0)(tag) }, EPROTO},
	} {
		t.Run(name, func(t *testing.T) {
			c := answerWith(t, test.answer)
			if name == "end of connection" {
				time.AfterFunc(20*time.Millisecond, func() { c.nc.Close() })
			}
			ended := make(chan error, 1)
			go func() {
				_, err := c.Root().Walk(t.Context(), "x")
				ended <- err
			}()
			if err := waitFor(t, "end of call", ended); !errors.Is(err, test.want) {
				t.Errorf("walk: %v, want %v", err, test.want)
			}
		})
	}
}

// TestReadMoreThanAsked: the data of an answer must not run over the buffer.
func TestReadMoreThanAsked(t *testing.T) {
	c := answerWith(t, replyWith(&rRead{kindTread + 1, make([]byte, 11)}))
	b := make([]byte, 20)
	if n, err := c.Root().ReadAt(t.Context(), b[:10:10], 0); !errors.Is(err, EPROTO) || n != 0 {
		t.Errorf("read: %d, %v", n, err)
	}
	c = answerWith(t, replyWith(&rWrite{11}))
	if n, err := c.Root().WriteAt(t.Context(), b[:10], 0); !errors.Is(err, io.ErrShortWrite) || n != 0 {
		t.Errorf("write: %d, %v", n, err)
	}
	// A directory that never ends is an error, not a loop.
	same := []byte("\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00" + "\x00\x00\x00\x00\x00\x00\x00\x00" + "\x08" + "\x01\x00x")
	c = answerWith(t, replyWith(&rRead{kindTreaddir + 1, same}))
	if _, err := c.Root().ReadDir(t.Context()); !errors.Is(err, EPROTO) {
		t.Errorf("readdir: %v", err)
	}
}

// TestBadVersions: a session that cannot be is refused with the reason.
func TestBadVersions(t *testing.T) {
	for _, m := range []message{
		&rVersion{8192, "9P2000"}, &rVersion{100, version9P2000L}, &rVersion{2 * MaxMessage, version9P2000L},
		&rVersion{8192, "unknown"}, &rLerror{uint32(EPROTO)}, &rWrite{1},
	} {
		near, far := net.Pipe()
		go func() {
			defer far.Close()
			if tag, err := skipFrame(bufio.NewReader(far)); err == nil {
				far.Write(replyWith(m)(tag))
			}
		}()
		if _, err := NewClient(t.Context(), near, AttachRequest{}); !errors.Is(err, EPROTO) {
			t.Errorf("%+v: %v", m, err)
		}
	}
}

// FuzzClient gives the input as the answers of a server: calls end, the client
// closes, and nothing panics.
func FuzzClient(f *testing.F) {
	for _, m := range samples() {
		if m.kind()%2 == 1 {
			frame, _ := (&codec{}).appendMessage(nil, 0, m)
			f.Add(frame)
		}
	}
	f.Fuzz(func(t *testing.T, script []byte) {
		c := answerWith(t, func(uint16) []byte { return script })
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Millisecond)
		defer cancel()
		time.AfterFunc(10*time.Millisecond, func() { c.nc.Close() })
		if f, err := c.Open(ctx, "a/b", ReadOnly); err == nil {
			f.ReadAt(ctx, make([]byte, 10), 0)
			f.ReadDir(ctx)
			f.Close()
		}
	})
}

func TestErrnos(t *testing.T) {
	for _, test := range []struct {
		err  error
		want Errno
	}{
		{nil, 0},
		{fmt.Errorf("wrapped: %w", ENOSPC), ENOSPC},
		{context.Canceled, EINTR},
		{context.DeadlineExceeded, ETIMEDOUT},
		{&fs.PathError{Op: "open", Path: "x", Err: fs.ErrNotExist}, ENOENT},
		{os.ErrExist, EEXIST},
		{os.ErrPermission, EACCES},
		{fs.ErrInvalid, EINVAL},
		{errors.ErrUnsupported, ENOTSUP},
		{errors.New("other"), EIO},
		{&os.SyscallError{Syscall: "write", Err: syscall.ENOSPC}, systemErrno(syscall.ENOSPC)},
	} {
		if got := ErrnoOf(test.err); got != test.want {
			t.Errorf("ErrnoOf(%v) = %v, want %v", test.err, got, test.want)
		}
	}
	for errno, target := range map[Errno]error{
		ENOENT: fs.ErrNotExist, EEXIST: fs.ErrExist, ENOTEMPTY: fs.ErrExist, EACCES: fs.ErrPermission,
		EPERM: fs.ErrPermission, EINVAL: fs.ErrInvalid, ENOTSUP: errors.ErrUnsupported,
	} {
		if !errors.Is(errno, target) {
			t.Errorf("%v is not %v", errno, target)
		}
	}
	if got := Errno(200).Error(); got != "error number 200" {
		t.Error(got)
	}
}

// TestServerEnds: blocked readers do not keep a server from ending. serveMem's
// cleanup fails if Serve hangs or a handle is left.
func TestServerEnds(t *testing.T) {
	tree := newMemTree()
	gate := tree.addGate("gate")
	address := serveMem(t, tree, Limits{})
	for range 3 {
		w := dialWire(t, address)
		w.begin()
		w.open(1, "gate")
		for tag := range uint16(50) {
			w.send(100+tag, &tRead{1, 0, 100})
			waitFor(t, "read", gate.reading)
		}
	}
}

func TestConnectionLimit(t *testing.T) {
	address := serveMem(t, newMemTree(), Limits{Connections: 2})
	first, second := dialMem(t, address), dialMem(t, address)
	if _, err := Dial(t.Context(), "unix", address); err == nil {
		t.Error("a third connection was served")
	}
	first.Close()
	deadline := time.Now().Add(3 * time.Second)
	for { // the server needs a moment to see it
		c, err := Dial(t.Context(), "unix", address)
		if err == nil {
			c.Close()
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("no room after one left:", err)
		}
		time.Sleep(time.Millisecond)
	}
	if _, err := second.Stat(t.Context(), "/"); err != nil {
		t.Error(err)
	}
}

// TestMoveFids covers what our client does not send: walks in place and Trename.
func TestMoveFids(t *testing.T) {
	tree := newMemTree()
	tree.addFile("f", []byte("hello"))
	w := dialWire(t, serveMem(t, tree, Limits{}))
	w.begin()
	for i, m := range []message{
		&tMkdir{fid: 0, name: "d"},
		&tWalk{0, 1, nil},
		&tWalk{1, 1, []string{"f"}},
		&tWalk{0, 2, []string{"d"}},
		&tRename{1, 2, "g"},
		&tRemove{1}, // under its new name
	} {
		if _, e := w.call(m); e != 0 {
			t.Fatalf("%d, %T: %v", i, m, e)
		}
	}
	if _, e := w.call(&tWalk{2, 3, []string{"g"}}); e != ENOENT {
		t.Errorf("walk to what was removed: %v", e)
	}
	if _, e := w.call(&tClunk{1}); e != EBADF {
		t.Errorf("clunk after remove: %v", e)
	}
}
