package client_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"net"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/slipway-desktop/slipway/backend/datakit"
	"github.com/slipway-desktop/slipway/backend/datakit/client"
	"github.com/slipway-desktop/slipway/backend/datakit/query"
	"github.com/slipway-desktop/slipway/backend/datakit/tree"
	"github.com/slipway-desktop/slipway/backend/ninep"
)

// server serves a store in memory and returns the address.
func server(t testing.TB, access string) string {
	t.Helper()
	store, err := datakit.OpenMemory(datakit.Options{})
	if err != nil {
		t.Fatal(err)
	}
	var opt tree.Options
	if access != "" {
		rules, err := tree.ParseAccess(access)
		if err != nil {
			t.Fatal(err)
		}
		opt.Access = rules.Access
	}
	addr := "unix://" + filepath.Join(t.TempDir(), "s")
	l, err := tree.Listen(t.Context(), addr, tree.ListenOptions{})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	served := make(chan error, 1)
	go func() { served <- tree.New(store, opt).Serve(ctx, l) }()
	t.Cleanup(func() {
		cancel()
		if err := errors.Join(<-served, store.Close()); err != nil {
			t.Errorf("end the server: %v", err)
		}
	})
	return addr
}

func dial(t testing.TB, addr string) *client.Client {
	t.Helper()
	c, err := client.Dial(t.Context(), addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

// put commits a file.
func put(t testing.TB, c *client.Client, branch, path, text string) client.Hash {
	t.Helper()
	h, err := c.Update(t.Context(), branch, "put "+path, func(tx *client.Tx) error {
		return tx.Write(t.Context(), path, []byte(text))
	})
	if err != nil {
		t.Fatal(err)
	}
	return h
}

func text(t testing.TB, c *client.Client, branch, path string) string {
	t.Helper()
	h, err := c.Head(t.Context(), branch)
	if err != nil {
		t.Fatal(err)
	}
	b, err := c.Snapshot(h).Read(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func want[T comparable](t testing.TB, what string, got, want T) {
	t.Helper()
	if got != want {
		t.Errorf("%s: got %v, want %v", what, got, want)
	}
}

func wantError(t testing.TB, what string, got, want error) {
	t.Helper()
	if !errors.Is(got, want) {
		t.Errorf("%s: got error %v, want %v", what, got, want)
	}
}

func TestTransaction(t *testing.T) {
	ctx, c := t.Context(), dial(t, server(t, ""))
	_, err := c.Head(ctx, "main")
	wantError(t, "head of nothing", err, client.ErrNoBranch)
	first := put(t, c, "main", "etc/a", "1")
	tx, err := c.Begin(ctx, "main")
	if err != nil {
		t.Fatal(err)
	}
	defer tx.Close()
	steps := []error{
		tx.Write(ctx, "etc/a", []byte("2")),
		tx.Write(ctx, "deep/er/file", nil),
		tx.WriteFrom(ctx, "run", strings.NewReader("#!"), datakit.ModeExec),
		tx.WriteFrom(ctx, "ln", strings.NewReader("etc/a"), datakit.ModeSymlink),
		tx.Rename(ctx, "run", "bin/run"),
	}
	if err := errors.Join(steps...); err != nil {
		t.Fatal(err)
	}
	parents, err := tx.Parents(ctx)
	if err != nil || !slices.Equal(parents, []client.Hash{first}) {
		t.Errorf("parents %v, %v", parents, err)
	}
	want(t, "main before the commit", text(t, c, "main", "etc/a"), "1")
	second, err := tx.Commit(ctx, "second")
	if err != nil {
		t.Fatal(err)
	}
	head, err := c.Head(ctx, "main")
	want(t, "head", head, second)
	wantError(t, "head", err, nil)
	s := c.Snapshot(second)
	for path, e := range map[string]client.Entry{
		"etc/a": {"a", datakit.ModeFile, 1}, "bin/run": {"run", datakit.ModeExec, 2}, "ln": {"ln", datakit.ModeSymlink, 5},
		"deep": {"deep", datakit.ModeDir, 0},
	} {
		got, err := s.Stat(ctx, path)
		want(t, path, got, e)
		wantError(t, path, err, nil)
	}
	target, err := s.Read(ctx, "ln")
	want(t, "the link", string(target), "etc/a")
	wantError(t, "the link", err, nil)
	message, err := s.Message(ctx)
	want(t, "message", message, "second")
	wantError(t, "message", err, nil)
	_, err = tx.Read(ctx, "ln")
	wantError(t, "after the commit", err, client.ErrClosed)
	_, err = s.Read(ctx, "none")
	wantError(t, "no file", err, client.ErrNotExist)

	if _, err := c.Update(ctx, "main", "", func(tx *client.Tx) error { return tx.Remove(ctx, "etc") }); err != nil {
		t.Fatal(err)
	}
	head, _ = c.Head(ctx, "main")
	_, err = c.Snapshot(head).Stat(ctx, "etc")
	wantError(t, "removed directory", err, client.ErrNotExist)
}

func TestTransactionIsClosedWithItsClient(t *testing.T) {
	ctx, addr := t.Context(), server(t, "")
	c, other := dial(t, addr), dial(t, addr)
	tx, err := c.BeginNamed(ctx, "main", "mine")
	if err != nil {
		t.Fatal(err)
	}
	if err := tx.Write(ctx, "f", []byte("x")); err != nil {
		t.Fatal(err)
	}
	_, err = other.BeginNamed(ctx, "main", "mine")
	wantError(t, "a taken name", err, client.ErrExist)
	list, err := other.Transactions(ctx)
	if err != nil || len(list) != 1 || list[0].Name != "mine" || list[0].Changes != 1 {
		t.Fatalf("%+v, %v", list, err)
	}
	c.Close()
	for deadline := time.Now().Add(5 * time.Second); len(list) > 0; list, err = other.Transactions(ctx) {
		if err != nil || time.Now().After(deadline) {
			t.Fatalf("%+v, %v", list, err)
		}
	}
	wantError(t, "on a lost connection", tx.Write(ctx, "f", nil), client.ErrLost)
	wantError(t, "closing on a lost connection", tx.Close(), nil)
}

// TestConflict: a commit that cannot be merged names the paths and loses nothing;
// Update tries again on what is there by then.
func TestConflict(t *testing.T) {
	ctx, c := t.Context(), dial(t, server(t, ""))
	put(t, c, "main", "n", "0\n")
	tx, err := c.Begin(ctx, "main")
	if err != nil {
		t.Fatal(err)
	}
	if err := tx.Write(ctx, "n", []byte("1\n")); err != nil {
		t.Fatal(err)
	}
	put(t, c, "main", "n", "2\n")
	_, err = tx.Commit(ctx, "")
	var conflict *client.ConflictError
	if !errors.As(err, &conflict) || !slices.Equal(conflict.Paths, []string{"n"}) {
		t.Fatalf("%v", err)
	}
	want(t, "after the conflict", text(t, c, "main", "n"), "2\n")
	wantError(t, "close", tx.Close(), nil)

	calls := 0
	_, err = c.Update(ctx, "main", "add", func(tx *client.Tx) error {
		if calls++; calls == 1 {
			put(t, c, "main", "n", "9\n")
		}
		b, err := tx.Read(ctx, "n")
		if err != nil {
			return err
		}
		return tx.Write(ctx, "n", []byte(strings.Replace(string(b), "\n", "+\n", 1)))
	})
	wantError(t, "update", err, nil)
	want(t, "calls", calls, 2)
	want(t, "after the update", text(t, c, "main", "n"), "9+\n")
}

func TestMerge(t *testing.T) {
	ctx, c := t.Context(), dial(t, server(t, ""))
	base := put(t, c, "main", "both", "0\n")
	if err := c.FastForward(ctx, "side/branch", base); err != nil {
		t.Fatal(err)
	}
	put(t, c, "main", "both", "ours\n")
	put(t, c, "side/branch", "new", "new\n")
	theirs := put(t, c, "side/branch", "both", "theirs\n")
	wantError(t, "no fast-forward", c.FastForward(ctx, "main", theirs), client.ErrNotFastForward)
	tx, err := c.Begin(ctx, "main")
	if err != nil {
		t.Fatal(err)
	}
	defer tx.Close()
	if err := tx.Merge(ctx, theirs); err != nil {
		t.Fatal(err)
	}
	paths, err := tx.Conflicts(ctx)
	if err != nil || !slices.Equal(paths, []string{"both"}) {
		t.Fatalf("%v, %v", paths, err)
	}
	_, err = tx.Commit(ctx, "")
	wantError(t, "with conflicts", err, client.ErrConflicts)
	sides, err := c.Conflict(ctx, query.ConflictQuestion{Branch: "main", Transaction: tx.Name(), Path: "both"})
	if err != nil || sides.Ours == nil || sides.Ours.Text != "ours\n" || sides.Theirs == nil || sides.Theirs.Text != "theirs\n" {
		t.Errorf("%+v, %v", sides, err)
	}
	if err := tx.Take(ctx, "both", "theirs"); err != nil {
		t.Fatal(err)
	}
	h, err := tx.Commit(ctx, "merged")
	if err != nil {
		t.Fatal(err)
	}
	parents, err := c.Snapshot(h).Parents(ctx)
	if err != nil || len(parents) != 2 || parents[1] != theirs {
		t.Errorf("parents %v, %v", parents, err)
	}
	want(t, "both", text(t, c, "main", "both"), "theirs\n")
	want(t, "new", text(t, c, "main", "new"), "new\n")
	wantError(t, "rename", c.RenameBranch(ctx, "side/branch", "main"), client.ErrExist)
	wantError(t, "rename", c.RenameBranch(ctx, "side/branch", "b%2F"), nil)
	list, err := c.Branches(ctx)
	if err != nil || len(list) != 2 || list[0].Name != "b%2F" || list[0].Head != theirs {
		t.Errorf("%+v, %v", list, err)
	}
	wantError(t, "remove", c.RemoveBranch(ctx, "b%2F"), nil)
	wantError(t, "remove", c.RemoveBranch(ctx, "b%2F"), client.ErrNoBranch)
}

func TestHistory(t *testing.T) {
	ctx, c := t.Context(), dial(t, server(t, ""))
	var all []client.Hash
	for i := range 5 {
		all = append(all, put(t, c, "main", fmt.Sprintf("d%d/f", i%2), fmt.Sprint(i)))
	}
	head := all[4]
	var got []client.Hash
	for k, err := range c.History(ctx, head, "d0") {
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, k.Hash)
	}
	if !slices.Equal(got, []client.Hash{all[4], all[2], all[0]}) {
		t.Errorf("history of d0: %v", got)
	}
	page, err := c.Log(ctx, query.LogQuestion{Branch: "main", Limit: 2})
	if err != nil || len(page.Commits) != 2 || page.Next != all[2].String() {
		t.Errorf("%+v, %v", page, err)
	}
	for word, h := range map[string]client.Hash{
		"main": head, head.String(): head, head.Short(): head, "main~3": all[1], "main^^": all[2], "main^~2": all[1],
	} {
		got, err := c.Resolve(ctx, word)
		want(t, word, got, h)
		wantError(t, word, err, nil)
	}
	for _, word := range []string{"none", "main~9", "main^1", "abc", "0000000", "main~99999999999999999999"} {
		_, err := c.Resolve(ctx, word)
		wantError(t, word, err, client.ErrNotExist)
	}
	if _, err := c.Restore(ctx, "main", all[0], "back"); err != nil {
		t.Fatal(err)
	}
	want(t, "restored", text(t, c, "main", "d0/f"), "0")
	made, err := c.Revert(ctx, "main", all[0])
	wantError(t, "revert", err, nil)
	_, err = c.Snapshot(made).Stat(ctx, "d0/f")
	wantError(t, "reverted", err, client.ErrNotExist)
	diff, err := c.Diff(ctx, query.DiffQuestion{From: all[0].String(), To: all[1].String()})
	if err != nil || len(diff) != 1 || diff[0].Path != "d1/f" {
		t.Errorf("%+v, %v", diff, err)
	}
}

// TestWithoutQueries: what the original has is enough for branches, log and diff.
func TestWithoutQueries(t *testing.T) {
	ctx, addr := t.Context(), server(t, "")
	put(t, dial(t, addr), "main", "a", "1\n")
	put(t, dial(t, addr), "main", "b/c", "2\n")
	head := put(t, dial(t, addr), "main", "a", "3\n")
	network, address, _, err := client.ParseAddr(addr)
	if err != nil {
		t.Fatal(err)
	}
	nc, err := net.Dial(network, address)
	if err != nil {
		t.Fatal(err)
	}
	c := client.New(hideQueries(t, nc), "")
	defer c.Close()
	if _, err := c.Stats(ctx); !errors.Is(err, client.ErrNotExist) {
		t.Fatalf("the query files are not hidden: %v", err)
	}
	list, err := c.Branches(ctx)
	if err != nil || len(list) != 1 || list[0].Head != head {
		t.Errorf("%+v, %v", list, err)
	}
	page, err := c.Log(ctx, query.LogQuestion{Branch: "main", Path: "a", Limit: 1})
	if err != nil || len(page.Commits) != 1 || page.Commits[0].Hash != head || page.Commits[0].Message != "put a" || page.Next == "" {
		t.Errorf("%+v, %v", page, err)
	}
	count := 0
	for _, err := range c.History(ctx, head, "a") {
		if count++; err != nil {
			t.Fatal(err)
		}
	}
	want(t, "commits of a", count, 2)
	diff, err := c.Diff(ctx, query.DiffQuestion{To: head.String()})
	if err != nil || len(diff) != 1 || diff[0].Old != "1\n" || diff[0].New != "3\n" {
		t.Errorf("%+v, %v", diff, err)
	}
}

// next waits for the next event of a watch.
func next[T any](t *testing.T, events <-chan T) T {
	t.Helper()
	select {
	case e, ok := <-events:
		if !ok {
			t.Fatal("the watch has ended")
		}
		return e
	case <-time.After(10 * time.Second):
		t.Fatal("no event")
	}
	panic("unreachable")
}

// follow reads a watch; end waits for its end and returns its error.
func follow[T any](seq iter.Seq2[T, error]) (events <-chan T, end func() error) {
	out, done := make(chan T, 100), make(chan error, 1)
	go func() {
		defer close(out)
		var failed error
		for e, err := range seq {
			if failed = err; err != nil {
				break
			}
			out <- e
		}
		done <- failed
	}()
	return out, func() error { return <-done }
}

func TestWatches(t *testing.T) {
	addr := server(t, "")
	c, w := dial(t, addr), dial(t, addr)
	ctx, cancel := context.WithCancel(t.Context())
	nodes, nodesEnd := follow(w.Watch(ctx, "new/branch", "a/b"))
	heads, headsEnd := follow(w.Heads(ctx, "new/branch"))
	want(t, "at first", next(t, nodes), client.Node{})
	want(t, "at first", next(t, heads), client.Hash{})
	moves, movesEnd := follow(w.Reflog(ctx, "new/branch"))
	waitWatchers(t, c, 3)
	h1 := put(t, c, "new/branch", "a/b", "1")
	node := next(t, nodes)
	want(t, "kind", node.Kind, client.File)
	want(t, "head", next(t, heads), h1)
	want(t, "move", next(t, moves), h1)
	h2 := put(t, c, "new/branch", "other", "1")
	h3, err := c.Update(t.Context(), "new/branch", "", func(tx *client.Tx) error {
		if err := tx.Write(t.Context(), "a/b/c", nil); err == nil {
			t.Errorf("a file below a file: %v", err)
		}
		return errors.Join(tx.Remove(t.Context(), "a/b"), tx.Write(t.Context(), "a/b/c", nil))
	})
	wantError(t, "a directory in a file's place", err, nil)
	want(t, "move", next(t, moves), h2)
	want(t, "move", next(t, moves), h3)
	want(t, "kind", next(t, nodes).Kind, client.Dir) // and nothing for h2
	cancel()
	for _, end := range []func() error{nodesEnd, headsEnd, movesEnd} {
		wantError(t, "after the context's end", end(), nil)
	}
	waitWatchers(t, c, 0)
	_, lost := follow(w.Heads(t.Context(), "main"))
	waitWatchers(t, c, 1)
	w.Close()
	wantError(t, "after the connection's end", lost(), client.ErrLost)
	waitWatchers(t, c, 0)
}

func waitWatchers(t *testing.T, c *client.Client, n int) {
	t.Helper()
	for deadline := time.Now().Add(5 * time.Second); ; {
		list, err := c.Watchers(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if len(list) == n {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%d watchers, want %d", len(list), n)
		}
	}
}

func TestAccess(t *testing.T) {
	ctx, addr := t.Context(), server(t, "*:r")
	c := dial(t, addr)
	_, err := c.Update(ctx, "main", "", func(tx *client.Tx) error { return tx.Write(ctx, "a", nil) })
	wantError(t, "write", err, client.ErrDenied)
}

func TestRedial(t *testing.T) {
	addr := server(t, "")
	done := errors.New("done")
	calls := 0
	err := client.Redial(t.Context(), addr, func(ctx context.Context, c *client.Client) error {
		if calls++; calls == 3 {
			return done
		}
		c.Close()
		_, err := c.Head(ctx, "main")
		return err
	})
	wantError(t, "redial", err, done)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	wantError(t, "redial", client.Redial(ctx, addr, nil), context.Canceled)
}

func TestParseAddr(t *testing.T) {
	for addr, parts := range map[string]string{
		"unix:///a/b": "unix /a/b ", "/a/b": "unix /a/b ", "tcp://127.0.0.1:5640": "tcp 127.0.0.1:5640 ",
		"tcp://[::1]:1#/data": "tcp [::1]:1 /data", "a/b#data": "unix a/b data",
	} {
		network, address, root, err := client.ParseAddr(addr)
		want(t, addr, network+" "+address+" "+root, parts)
		wantError(t, addr, err, nil)
	}
	for _, addr := range []string{"", "unix://", "tcp://", "tcp://host", "tcp://h:1/x", "http://h:1", "#/data"} {
		if _, _, _, err := client.ParseAddr(addr); err == nil {
			t.Errorf("%q is taken", addr)
		}
	}
}

// TestManyWriters: nothing that was acknowledged is lost.
func TestManyWriters(t *testing.T) {
	addr := server(t, "")
	const writers, each = 8, 5
	var all sync.WaitGroup
	for w := range writers {
		c := dial(t, addr)
		all.Go(func() {
			for i := range each {
				_, err := c.Update(t.Context(), "main", "", func(tx *client.Tx) error {
					return tx.Write(t.Context(), fmt.Sprintf("w%d/f%d", w, i), []byte("x"))
				})
				if err != nil {
					t.Error(err)
				}
			}
		})
	}
	all.Wait()
	c := dial(t, addr)
	head, err := c.Head(t.Context(), "main")
	if err != nil {
		t.Fatal(err)
	}
	for w := range writers {
		list, err := c.Snapshot(head).List(t.Context(), fmt.Sprintf("w%d", w))
		if err != nil || len(list) != each {
			t.Errorf("writer %d: %d files, %v", w, len(list), err)
		}
	}
}

// hideQueries stands between client and server, and answers a walk to query with
// ENOENT, as a server without it does.
func hideQueries(t *testing.T, server net.Conn) *ninep.Client {
	t.Helper()
	near, far := net.Pipe()
	relay(t, far, server)
	c, err := ninep.NewClient(t.Context(), near, ninep.AttachRequest{})
	if err != nil {
		t.Fatal(err)
	}
	return c
}
