package synth

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/slipway-desktop/slipway/backend/ninep"
)

type fixedTree struct{ root ninep.Node }

func (t fixedTree) Attach(context.Context, ninep.AttachRequest) (ninep.Node, error) {
	return t.root, nil
}
func (fixedTree) Close() {}

// serve returns a client of a tree, and checks in the end that the server ends.
func serve(t *testing.T, entries ...Entry) *ninep.Client {
	t.Helper()
	return serveAs(t, ninep.AttachRequest{Name: "plain"}, entries...)
}

func serveAs(t *testing.T, who ninep.AttachRequest, entries ...Entry) *ninep.Client {
	t.Helper()
	l, err := net.Listen("unix", t.TempDir()+"/s")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	s := &ninep.Server{NewTree: func(net.Conn) (ninep.Tree, error) { return fixedTree{NewDir("/", entries...)}, nil }}
	served := make(chan error, 1)
	go func() { served <- s.Serve(ctx, l) }()
	t.Cleanup(func() {
		cancel()
		select {
		case err := <-served:
			if err != nil {
				t.Error(err)
			}
		case <-time.After(5 * time.Second):
			t.Error("server does not end")
		}
	})
	nc, err := net.Dial("unix", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	c, err := ninep.NewClient(t.Context(), nc, who)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

type explained struct{ error }

func (explained) Explain() []byte { return []byte("because") }
func (explained) Unwrap() error   { return ninep.ENOTCONN }

func TestFile(t *testing.T) {
	n := 0
	c := serve(t,
		NewFile("/count", func(context.Context) ([]byte, error) {
			n++
			return fmt.Appendf(nil, "%d\n", n), nil
		}),
		NewFile("/broken", func(context.Context) ([]byte, error) { return nil, explained{io.EOF} }),
	)
	f, err := c.Open(t.Context(), "count", ninep.ReadOnly)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for range 3 { // one open, one snapshot
		b := make([]byte, 10)
		if n, err := f.ReadAt(t.Context(), b, 0); string(b[:n]) != "1\n" || err != nil {
			t.Errorf("%q, %v", b[:n], err)
		}
	}
	if b, err := c.ReadFile(t.Context(), "count", 10); string(b) != "2\n" || err != nil {
		t.Errorf("%q, %v", b, err)
	}
	if err := c.WriteFile(t.Context(), "count", []byte("7")); !errors.Is(err, ninep.EROFS) {
		t.Errorf("write: %v", err)
	}
	broken, err := c.Open(t.Context(), "broken", ninep.ReadOnly)
	if err != nil {
		t.Fatal(err)
	}
	defer broken.Close()
	if _, err := broken.ReadAt(t.Context(), make([]byte, 1), 0); !errors.Is(err, ninep.ENOTCONN) {
		t.Errorf("read: %v", err)
	}
	if b, err := broken.Xattr(t.Context(), ErrorXattr); string(b) != "because" || err != nil {
		t.Errorf("reason: %q, %v", b, err)
	}
	if _, err := f.Xattr(t.Context(), ErrorXattr); !errors.Is(err, ninep.ENODATA) {
		t.Errorf("reason of no error: %v", err)
	}
}

func TestQuery(t *testing.T) {
	c := serve(t, NewQuery("/q", "ask me\n", func(_ context.Context, q []byte) ([]byte, error) {
		if string(q) == "bad\n" {
			return []byte("no\n"), ninep.EINVAL
		}
		return []byte("you said " + string(q)), nil
	}))
	f, err := c.Open(t.Context(), "q", ninep.ReadWrite|ninep.Truncate)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	read := func(offset int64) string {
		b := make([]byte, 100)
		n, err := f.ReadAt(t.Context(), b, offset)
		if err != nil && err != io.EOF {
			t.Error(err)
		}
		return string(b[:n])
	}
	if s := read(0); s != "ask me\n" {
		t.Errorf("before a question: %q", s)
	}
	if _, err := f.WriteAt(t.Context(), []byte("hi\n"), 0); err != nil {
		t.Error(err)
	}
	// As a shell reads: on from where it wrote.
	if s := read(3) + "|" + read(15) + "|" + read(10); s != "you said hi\n||d hi\n" {
		t.Errorf("answer: %q", s)
	}
	if s := read(0); s != "you said hi\n" { // as a program reads
		t.Errorf("answer from 0: %q", s)
	}
	if _, err := f.WriteAt(t.Context(), []byte("bad\n"), 12); !errors.Is(err, ninep.EINVAL) {
		t.Errorf("bad question: %v", err)
	}
	if s := read(12); s != "no\n" {
		t.Errorf("answer to a bad question: %q", s)
	}
}

// TestStream: the producer starts with the first read, is held back by a slow
// reader, and has ended when close returns.
func TestStream(t *testing.T) {
	produced := make(chan int, 1000)
	ended := make(chan error, 1)
	c := serve(t, NewStream("/s", func(ctx context.Context, q []byte, w io.Writer) error {
		line := bytes.Repeat(append(q, '\n'), 10000)
		for i := 0; ; i++ {
			if _, err := w.Write(line); err != nil {
				ended <- err
				return err
			}
			select {
			case produced <- i:
			default:
			}
		}
	}))
	f, err := c.Open(t.Context(), "s", ninep.ReadWrite)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteAt(t.Context(), []byte("word"), 0); err != nil {
		t.Fatal(err)
	}
	in := bufio.NewReader(f.Reader(t.Context()))
	for range 100000 {
		if s, err := in.ReadString('\n'); s != "word\n" || err != nil {
			t.Fatalf("%q, %v", s, err)
		}
	}
	if n := len(produced); n > 10+1+streamBuffer/50000+(16<<10)/50000+2 {
		t.Errorf("the producer ran %d rounds for 10 that were read", n)
	}
	if _, err := f.WriteAt(t.Context(), []byte("more"), 0); !errors.Is(err, ninep.EBUSY) {
		t.Errorf("question after the start: %v", err)
	}
	if _, err := f.ReadAt(t.Context(), make([]byte, 1), 3); !errors.Is(err, ninep.ESPIPE) {
		t.Errorf("seek: %v", err)
	}
	if err := f.Close(); err != nil {
		t.Error(err)
	}
	select {
	case err := <-ended:
		if !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
	default:
		t.Error("the producer outlives its file")
	}
}

func TestStreamEnds(t *testing.T) {
	c := serve(t,
		NewStream("/ok", func(_ context.Context, _ []byte, w io.Writer) error {
			_, err := io.WriteString(w, "all")
			return err
		}),
		NewStream("/bad", func(_ context.Context, _ []byte, w io.Writer) error {
			io.WriteString(w, "some")
			return explained{io.EOF}
		}),
	)
	if b, err := c.ReadFile(t.Context(), "ok", 100); string(b) != "all" || err != nil {
		t.Errorf("%q, %v", b, err)
	}
	f, err := c.Open(t.Context(), "bad", ninep.ReadOnly)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if b, err := io.ReadAll(f.Reader(t.Context())); string(b) != "some" || !errors.Is(err, ninep.ENOTCONN) {
		t.Errorf("%q, %v", b, err)
	}
	if b, err := f.Xattr(t.Context(), ErrorXattr); string(b) != "because" || err != nil {
		t.Errorf("%q, %v", b, err)
	}
}

// TestStreamPauses reads as the kernel does: one empty read after each piece of
// news, two in a row at the end. Our own client asks to be spared.
func TestStreamPauses(t *testing.T) {
	more := make(chan string)
	stream := NewStream("/s", func(ctx context.Context, _ []byte, w io.Writer) error {
		for text := range more {
			if _, err := io.WriteString(w, text); err != nil {
				return err
			}
		}
		return nil
	})
	c := serveAs(t, ninep.AttachRequest{}, stream)
	f, err := c.Open(t.Context(), "s", ninep.ReadOnly)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var offset int64
	read := func(want string) {
		t.Helper()
		b := make([]byte, 3)
		n, err := f.ReadAt(t.Context(), b, offset)
		if string(b[:n]) != want || (n == 0) != (err == io.EOF) {
			t.Errorf("read %q, %v, want %q", b[:n], err, want)
		}
		offset += int64(n)
	}
	for _, text := range []string{"one", "two", "threefour"} {
		go func() { more <- text }()
		for i := 0; i < len(text); i += 3 {
			read(text[i : i+3])
		}
		read("")
	}
	go func() { more <- "end"; close(more) }()
	read("end")
	read("")
	read("")
}

func TestReasons(t *testing.T) {
	c := serve(t, NewQuery("/q", "", func(context.Context, []byte) ([]byte, error) { return nil, explained{io.EOF} }))
	f, err := c.Open(t.Context(), "q", ninep.ReadWrite)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.WriteAt(t.Context(), []byte("x"), 0); !errors.Is(err, ninep.ENOTCONN) {
		t.Errorf("write: %v", err)
	}
	if b, err := io.ReadAll(f.Reader(t.Context())); string(b) != "because\n" || err != nil {
		t.Errorf("answer: %q, %v", b, err)
	}
	if b, err := f.Xattr(t.Context(), ErrorXattr); string(b) != "because" || err != nil {
		t.Errorf("attribute: %q, %v", b, err)
	}
}

func TestBuffer(t *testing.T) {
	b := NewBuffer("/b", []byte("old"), 10)
	c := serve(t, b)
	if err := c.WriteFile(t.Context(), "b", []byte("new one")); err != nil {
		t.Error(err)
	}
	if got, changed := b.Content(); string(got) != "new one" || !changed {
		t.Errorf("%q, %v", got, changed)
	}
	if info, err := c.Stat(t.Context(), "b"); err != nil || info.Size != 7 {
		t.Errorf("%+v, %v", info, err)
	}
	if err := c.WriteFile(t.Context(), "b", []byte("eleven byte")); !errors.Is(err, ninep.EFBIG) {
		t.Errorf("too long: %v", err)
	}
	f, err := c.Open(t.Context(), "b", ninep.WriteOnly|ninep.Append)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for range 2 {
		if _, err := f.WriteAt(t.Context(), []byte("ab"), 0); err != nil {
			t.Error(err)
		}
	}
	if got, _ := b.Content(); string(got) != "abab" {
		t.Errorf("after append: %q", got)
	}
}

func TestDir(t *testing.T) {
	var entries []Entry
	for i := range 30 {
		entries = append(entries, NewFile(fmt.Sprintf("/d/%d", i), nil))
	}
	made := map[string]Entry{}
	dir := NewDirOf("/d", func(context.Context) ([]Entry, error) { return entries, nil }, DirOps{
		Mkdir: func(_ context.Context, name string) (Entry, error) {
			made[name] = NewDir("/d/" + name)
			return made[name], nil
		},
		Find: func(_ context.Context, name string) (Entry, error) {
			if e := made[name]; e != nil {
				return e, nil
			}
			return nil, ninep.ENOENT
		},
		Unlink: func(_ context.Context, name string, dir bool) error {
			delete(made, name)
			return nil
		},
	})
	c := serve(t, dir)
	list, err := c.ReadDir(t.Context(), "d")
	if err != nil || len(list) != 30 || list[7].Name != "7" {
		t.Errorf("%v, %v", list, err)
	}
	if err := c.Mkdir(t.Context(), "d/new", 0o755); err != nil {
		t.Error(err)
	}
	info, err := c.Stat(t.Context(), "d/new")
	if err != nil || !info.Mode.IsDir() {
		t.Errorf("%+v, %v", info, err)
	}
	if err := c.Remove(t.Context(), "d/new"); err != nil || len(made) != 0 {
		t.Error(err, made)
	}
	if err := c.WriteFile(t.Context(), "d/f", nil); !errors.Is(err, ninep.EROFS) {
		t.Errorf("create: %v", err)
	}
	if err := c.Mkdir(t.Context(), "x", 0o755); !errors.Is(err, ninep.EROFS) || !strings.Contains(err.Error(), "mkdir x") {
		t.Errorf("mkdir in a fixed directory: %v", err)
	}
}
