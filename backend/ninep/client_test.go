package ninep

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"
)

func TestFiles(t *testing.T) {
	tree := newMemTree()
	c := dialMem(t, serveMem(t, tree, Limits{}))
	ctx := t.Context()

	if err := c.Mkdir(ctx, "a", 0o755); err != nil {
		t.Fatal(err)
	}
	if err := c.Mkdir(ctx, "a", 0o755); !errors.Is(err, fs.ErrExist) {
		t.Errorf("second mkdir: %v", err)
	}
	if err := c.WriteFile(ctx, "a/f", []byte("hello, world")); err != nil {
		t.Fatal(err)
	}
	if err := c.WriteFile(ctx, "/a/f", []byte("hello")); err != nil {
		t.Fatal(err)
	}
	if b, err := c.ReadFile(ctx, "a/f", 100); err != nil || string(b) != "hello" {
		t.Errorf("read %q, %v", b, err)
	}
	if _, err := c.ReadFile(ctx, "a/f", 4); !errors.Is(err, EFBIG) {
		t.Errorf("read with a limit: %v", err)
	}
	if _, err := c.ReadFile(ctx, "a/g", 100); !errors.Is(err, fs.ErrNotExist) || !strings.Contains(err.Error(), "/a/g") {
		t.Errorf("read of nothing: %v", err)
	}
	if _, err := c.ReadFile(ctx, "a/f/g", 100); !errors.Is(err, ENOENT) {
		t.Errorf("walk through a file: %v", err) // a partial walk does not tell why
	}
	info, err := c.Stat(ctx, "a/f")
	if err != nil || info.Name != "f" || info.Size != 5 || info.Mode != 0o644 || info.MTime.Unix() != 1700000000 {
		t.Errorf("stat: %+v, %v", info, err)
	}
	if info, err := c.Stat(ctx, "a/../a/./../a"); err != nil || !info.Mode.IsDir() {
		t.Errorf("stat through ..: %+v, %v", info, err)
	}
	f, err := c.Root().Walk(ctx, "a", "f")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := f.SetAttr(ctx, SetAttr{Valid: SetSize, Size: 7}); err != nil {
		t.Error(err)
	}
	if b, err := c.ReadFile(ctx, "a/f", 100); err != nil || string(b) != "hello\x00\x00" {
		t.Errorf("after truncate: %q, %v", b, err)
	}
	if err := f.SetXattr(ctx, "user.color", []byte("blue"), XattrCreate); err != nil {
		t.Errorf("setxattr: %v", err)
	}
	if b, err := f.Xattr(ctx, "user.color"); err != nil || string(b) != "blue" {
		t.Errorf("xattr: %q, %v", b, err)
	}
	if _, err := f.Xattr(ctx, "user.taste"); !errors.Is(err, ENODATA) {
		t.Errorf("missing xattr: %v", err)
	}
	if err := f.Sync(ctx); err != nil {
		t.Error(err)
	}
	if st, err := f.StatFS(ctx); err != nil || st.NameLen != 255 {
		t.Errorf("statfs: %+v, %v", st, err)
	}
	dir, err := c.Root().Walk(ctx, "a")
	if err != nil {
		t.Fatal(err)
	}
	defer dir.Close()
	if err := dir.Rename(ctx, "f", c.Root(), "g"); err != nil {
		t.Error(err)
	}
	if err := dir.Unlink(ctx, "f", false); !errors.Is(err, ENOENT) {
		t.Errorf("unlink of what was moved: %v", err)
	}
	if err := c.Root().Unlink(ctx, "a", false); !errors.Is(err, EISDIR) {
		t.Errorf("unlink of a directory: %v", err)
	}
	if err := c.Remove(ctx, "g"); err != nil {
		t.Error(err)
	}
	if err := c.Remove(ctx, "/"); !errors.Is(err, EBUSY) && !errors.Is(err, EINVAL) {
		t.Errorf("removal of the root: %v", err)
	}
}

func TestReadDirByOffset(t *testing.T) {
	tree := newMemTree()
	want := map[string]bool{}
	for i := range 2000 {
		name := fmt.Sprintf("entry with a rather long name %d", i)
		tree.addFile(name, nil)
		want[name] = true
	}
	// The small message size makes it take many messages.
	c := dialMem(t, serveMem(t, tree, Limits{MessageSize: minMessage}))
	entries, err := c.ReadDir(t.Context(), "/")
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if !want[e.Name] {
			t.Fatalf("%q twice or unknown", e.Name)
		}
		delete(want, e.Name)
	}
	if len(want) > 0 {
		t.Errorf("%d entries missing", len(want))
	}
}

func TestLargeContent(t *testing.T) {
	for _, msize := range []int{minMessage, 64 << 10, MaxMessage} {
		t.Run(fmt.Sprint(msize), func(t *testing.T) {
			tree := newMemTree()
			c := dialMem(t, serveMem(t, tree, Limits{MessageSize: msize}))
			data := make([]byte, 3<<20+17)
			rand.NewChaCha8([32]byte{1}).Read(data)
			if err := c.WriteFile(t.Context(), "big", data); err != nil {
				t.Fatal(err)
			}
			f, err := c.Open(t.Context(), "big", ReadOnly)
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			got, err := io.ReadAll(f.Reader(t.Context()))
			if err != nil || !bytes.Equal(got, data) {
				t.Errorf("read back %d bytes, equal %v, %v", len(got), bytes.Equal(got, data), err)
			}
		})
	}
}

// waitFor fails the test if nothing comes within the time that the package
// promises for cancellation, with slack for a busy machine.
func waitFor[T any](t *testing.T, what string, c <-chan T) T {
	t.Helper()
	select {
	case v := <-c:
		return v
	case <-time.After(3 * time.Second):
		t.Fatal(what, "did not happen")
		panic("unreachable")
	}
}

// waitIdle waits until no call is under way: files that were only read are given
// up without waiting. A tag that is lost would never come back.
func waitIdle(t *testing.T, c *Client) {
	t.Helper()
	deadline := time.Now().Add(3 * time.Second)
	for len(c.slots) > 0 {
		if time.Now().After(deadline) {
			t.Fatalf("%d calls under way", len(c.slots))
		}
		time.Sleep(time.Millisecond)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.free) != len(c.calls) {
		t.Errorf("%d tags free of %d", len(c.free), len(c.calls))
	}
}

func TestCancelledReadFlushes(t *testing.T) {
	tree := newMemTree()
	gate := tree.addGate("gate")
	c := dialMem(t, serveMem(t, tree, Limits{}))
	f, err := c.Open(t.Context(), "gate", ReadOnly)
	if err != nil {
		t.Fatal(err)
	}
	var slowest time.Duration
	for range 50 {
		ctx, cancel := context.WithCancel(t.Context())
		result := make(chan error, 1)
		go func() {
			_, err := f.ReadAt(ctx, make([]byte, 100), 0)
			result <- err
		}()
		waitFor(t, "read", gate.reading)
		start := time.Now()
		cancel()
		if err := waitFor(t, "end of read", result); !errors.Is(err, context.Canceled) {
			t.Fatalf("cancelled read: %v", err)
		}
		slowest = max(slowest, time.Since(start))
	}
	t.Log("slowest cancellation:", slowest)
	if slowest > time.Second {
		t.Errorf("cancellation took %v", slowest)
	}
	// The session is whole: the same file can be read, and closed.
	go func() { gate.gate <- struct{}{} }()
	b := make([]byte, 100)
	if n, err := f.ReadAt(t.Context(), b, 0); err != nil || string(b[:n]) != "news\n" {
		t.Errorf("read after cancellations: %q, %v", b[:n], err)
	}
	if err := f.Close(); err != nil {
		t.Error(err)
	}
	waitIdle(t, c)
}

func TestBlockedReadDelaysNobody(t *testing.T) {
	tree := newMemTree()
	gate := tree.addGate("gate")
	address := serveMem(t, tree, Limits{})
	c, other := dialMem(t, address), dialMem(t, address)
	blocked := make(chan error, 100)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	for range cap(blocked) {
		f, err := c.Open(ctx, "gate", ReadOnly)
		if err != nil {
			t.Fatal(err)
		}
		go func() {
			_, err := f.ReadAt(ctx, make([]byte, 1<<20), 0)
			blocked <- err
			f.Close()
		}()
		waitFor(t, "read", gate.reading)
	}
	for _, c := range []*Client{c, other} {
		if err := c.WriteFile(t.Context(), "f", []byte("x")); err != nil {
			t.Fatal(err)
		}
		d, err := c.Root().Walk(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if err := d.Rename(t.Context(), "f", d, "g"); err != nil {
			t.Fatal(err)
		}
		d.Close()
	}
	cancel()
	for range cap(blocked) {
		waitFor(t, "end of read", blocked)
	}
}

func TestCloseEndsCalls(t *testing.T) {
	tree := newMemTree()
	gate := tree.addGate("gate")
	address := serveMem(t, tree, Limits{})
	c := dialMem(t, address)
	f, err := c.Open(t.Context(), "gate", ReadOnly)
	if err != nil {
		t.Fatal(err)
	}
	result := make(chan error, 1)
	go func() {
		_, err := f.ReadAt(t.Context(), make([]byte, 100), 0)
		result <- err
	}()
	waitFor(t, "read", gate.reading)
	c.Close()
	if err := waitFor(t, "end of read", result); !errors.Is(err, ErrClosed) {
		t.Errorf("read of a closed client: %v", err)
	}
	if _, err := c.Stat(t.Context(), "/"); !errors.Is(err, ErrClosed) {
		t.Errorf("call on a closed client: %v", err)
	}
	// The server notices too: the tree is closed, after the handle.
	deadline := time.Now().Add(3 * time.Second)
	for tree.closed.Load() == 0 || tree.open.Load() != 0 {
		if time.Now().After(deadline) {
			t.Fatal("server holds on to a client that went away")
		}
		time.Sleep(time.Millisecond)
	}
}

func TestManyCallsAtOnce(t *testing.T) {
	tree := newMemTree()
	c := dialMem(t, serveMem(t, tree, Limits{}))
	var all sync.WaitGroup
	for i := range 64 {
		all.Go(func() {
			name := fmt.Sprintf("f%d", i)
			data := bytes.Repeat([]byte{byte(i)}, 1000*i)
			for range 8 {
				ctx := t.Context()
				if i%4 == 0 { // some give up at any point
					var cancel context.CancelFunc
					ctx, cancel = context.WithTimeout(ctx, time.Duration(rand.IntN(2000))*time.Microsecond)
					defer cancel()
				}
				err := c.WriteFile(ctx, name, data)
				if ctx.Err() == nil && err != nil {
					t.Error(err)
				}
				got, err := c.ReadFile(ctx, name, 1<<20)
				if ctx.Err() == nil && (err != nil || !bytes.Equal(got, data)) {
					t.Errorf("file %d: %d bytes, %v", i, len(got), err)
				}
			}
		})
	}
	all.Wait()
	waitIdle(t, c)
}

func TestDialFails(t *testing.T) {
	if _, err := Dial(t.Context(), "unix", t.TempDir()+"/none"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("dial of nothing: %v", err)
	}
	address := serveMem(t, newMemTree(), Limits{})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Dial(ctx, "unix", address); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled dial: %v", err)
	}
}
