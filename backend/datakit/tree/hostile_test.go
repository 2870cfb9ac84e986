package tree

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/slipway-desktop/slipway/backend/datakit"
	"github.com/slipway-desktop/slipway/backend/ninep"
)

// TestHostile walks the whole tree and does to each file and directory what its
// client must not do, and what it need not do; the tree has to be the same after.
func TestHostile(t *testing.T) {
	f := &fakeRemotes{urls: map[string]string{"origin": "file:///x"}, auto: map[string]bool{}, heads: map[string]datakit.Hash{}}
	w := newWorld(t, Options{Remotes: f})
	victim, u := w.join(alice, "plain"), w.plain()
	hash := victim.put("main", "f", "1", "d/g", "2")
	x := victim.begin("main", "t")
	victim.write(x.rw("h"), "3")
	victim.write(x.dir+"/msg", "message")
	visited := 0
	var walk func(dir string, depth int)
	walk = func(dir string, depth int) {
		for _, name := range u.ls(dir) {
			path := strings.TrimPrefix(dir+"/"+name, "/")
			visited++
			st, err := u.Stat(u.ctx, path)
			u.must(err)
			if st.Mode.IsDir() {
				if depth < 12 {
					walk(path, depth+1)
				}
				abuseDir(u, path)
			} else {
				abuseFile(u, path)
			}
		}
	}
	walk("", 0)
	for _, dir := range []string{"snapshots/" + hash, "commits/" + hash, "branch/main/diff/" + hash} {
		if st, err := u.Stat(u.ctx, dir); err == nil && st.Mode.IsDir() {
			walk(dir, 0)
		} else {
			abuseFile(u, dir)
		}
	}
	if visited < 40 {
		t.Errorf("visited only %d files", visited)
	}
	equal(t, "head", u.cat("branch/main/head"), hash+"\n")
	equal(t, "the other's transaction", u.cat(x.rw("h")), "3")
	equal(t, "its message", u.cat(x.dir+"/msg"), "message")
	equalList(t, "branches", u.ls("branch"), "main")
	equalList(t, "remotes", u.ls("remotes"), "origin")
	x.commit()
}

// abuseDir must not succeed in anything: every name is one that cannot be, or the
// directory is not the client's.
func abuseDir(u *guest, path string) {
	for _, name := range []string{"a/b", "", ".", "..", "\x01", "a\xff", strings.Repeat("n", 256), "nul\x00"} {
		if err := u.rootMkdir(path, name); err == nil {
			u.t.Errorf("mkdir of %q in %s", name, path)
		}
	}
	f, err := u.Root().Walk(u.ctx, elements(path)...)
	u.must(err)
	defer f.Close()
	if err := f.Create(u.ctx, "new\x7f", ninep.ReadWrite, 0o644); err == nil {
		u.t.Errorf("create in %s", path)
	}
	if err := f.SetAttr(u.ctx, ninep.SetAttr{Valid: ninep.SetSize, Size: 3}); err == nil {
		u.t.Errorf("truncated %s", path)
	}
	if err := f.Open(u.ctx, ninep.WriteOnly); err == nil {
		u.t.Errorf("opened %s for writing", path)
	}
	if path == "branch" || strings.HasPrefix(path, "branch/main") && strings.Count(path, "/") == 1 || path == "remotes" || strings.HasPrefix(path, "remotes/") {
		return // here a stranger may remove things by their right names
	}
	for _, e := range u.ls(path) {
		for _, dir := range []bool{false, true} {
			if err := u.rm(path+"/"+e, dir); err == nil {
				u.t.Errorf("removed %s/%s", path, e)
			}
		}
		if err := u.mv(path+"/"+e, path+"/other"); err == nil {
			u.t.Errorf("moved %s/%s", path, e)
		}
	}
}

func (u *guest) rootMkdir(dir, name string) error {
	f, err := u.Root().Walk(u.ctx, elements(dir)...)
	if err != nil {
		return err
	}
	defer f.Close()
	return f.Mkdir(u.ctx, name, 0o775)
}

// abuseFile reads and writes at odd places. Command files and queries get nonsense,
// which they must refuse.
func abuseFile(u *guest, path string) {
	if strings.HasSuffix(path, "/level") || strings.HasSuffix(path, "/url") || strings.HasSuffix(path, ".live") || strings.HasSuffix(path, "/head") && strings.HasPrefix(path, "remotes") || strings.HasSuffix(path, "reflog") {
		f, err := u.Open(u.ctx, path, ninep.ReadOnly)
		u.must(err)
		f.Close()
		return
	}
	for _, flags := range []ninep.OpenFlags{ninep.ReadOnly, ninep.ReadWrite, ninep.WriteOnly | ninep.Truncate, ninep.ReadWrite | ninep.Append} {
		f, err := u.Open(u.ctx, path, flags)
		if err != nil {
			continue
		}
		b := make([]byte, 100)
		_, _ = f.ReadAt(u.ctx, b, 1<<62) // any answer, but an answer
		_, _ = f.ReadAt(u.ctx, b, 7)
		for _, text := range []string{"nonsense", strings.Repeat("x", 100<<10), "\x00\xff", "{}", "[" + strings.Repeat("[", 10000)} {
			if n, err := f.WriteAt(u.ctx, []byte(text), 1<<40); err == nil && !strings.HasPrefix(path, "query/") {
				u.t.Errorf("%s took %d bytes of nonsense", path, n)
			}
		}
		f.Close()
	}
	if err := u.set(path, ninep.SetAttr{Valid: ninep.SetSize, Size: 1 << 62}); err == nil {
		u.t.Errorf("extended %s", path)
	}
	if _, err := u.Stat(u.ctx, path+"/x"); err == nil {
		u.t.Errorf("%s is a directory, too", path)
	}
}

func TestManyTransactions(t *testing.T) {
	w := newWorld(t, Options{})
	u := w.plain()
	u.mkdir("branch/main")
	refused := 0
	for i := range 10_000 {
		err := u.Mkdir(u.ctx, fmt.Sprintf("branch/main/transactions/t%d", i), 0o775)
		if err != nil {
			wantErrno(t, err, ninep.ENFILE)
			refused++
		}
	}
	equal(t, "refused", refused, 10_000-defaultTransactions)
	other := w.plain() // another client has its own
	other.begin("main", "mine").commit()
	u.say("branch/main/transactions/t0/ctl", "close")
	u.mkdir("branch/main/transactions/one-more")
}

func TestManyNames(t *testing.T) {
	w := newWorld(t, Options{})
	u := w.plain()
	for i := range maxEmptyBranches {
		u.mkdir(fmt.Sprintf("branch/b%d", i))
	}
	wantErrno(t, u.Mkdir(u.ctx, "branch/another", 0o775), ninep.ENFILE)
	wantErrno(t, errOf(u.Stat(u.ctx, "branch/b0/watch/"+strings.Repeat("a.node/", 4096)+"tree.live")), ninep.ENAMETOOLONG)
	long := u.follow("branch/b0/watch/" + strings.Repeat("a.node/", 400) + "tree.live")
	equal(t, "far too deep", long.next(), "\n")
	long.close()
}

// TestIdentity moves files about and looks at whether their identities stay right,
// also when nobody holds them.
func TestIdentity(t *testing.T) {
	w := newWorld(t, Options{})
	u := w.plain()
	x := u.begin("main", "t")
	for i := range 300 { // more than one sweep of the children
		u.write(x.rw(fmt.Sprintf("f%d", i)), fmt.Sprint(i))
	}
	seen := map[uint64]string{}
	for round := range 3 {
		for i := range 300 {
			name := fmt.Sprintf("f%d", i)
			if round > 0 {
				name = fmt.Sprintf("g%d-%d", round, i)
				old := fmt.Sprintf("g%d-%d", round-1, i)
				if round == 1 {
					old = fmt.Sprintf("f%d", i)
				}
				u.must(u.mv(x.rw(old), x.rw(name)))
				if round == 1 {
					u.write(x.rw(old), "new")
				}
			}
			st, err := u.Stat(u.ctx, x.rw(name))
			u.must(err)
			if first, ok := seen[st.Qid.Path]; round > 0 && (!ok || first != fmt.Sprint(i)) {
				t.Fatalf("%s has the number of %q", name, first)
			}
			seen[st.Qid.Path] = fmt.Sprint(i)
		}
	}
	for i := range 300 {
		st, err := u.Stat(u.ctx, x.rw(fmt.Sprintf("f%d", i)))
		u.must(err)
		if _, ok := seen[st.Qid.Path]; ok {
			t.Fatalf("the new f%d has the number of another file", i)
		}
	}
	u.say(x.dir+"/ctl", "close")
}

func TestRemoveAll(t *testing.T) {
	w := newWorld(t, Options{})
	u := w.plain()
	u.put("main", "d/e/f", "1", "g", "2")
	x := u.begin("main", "t")
	txs := w.s.open("main")
	dir := editDir{editNode{&view{s: w.s, x: txs[0].session}, txs[0].root}}
	u.must(dir.RemoveAll(t.Context(), "d"))
	equalList(t, "left", u.ls(x.rw("")), "g")
	wantErrno(t, dir.RemoveAll(t.Context(), "d"), ninep.ENOENT)
	x.commit()
}

// FuzzPaths walks to any path and writes to any name.
func FuzzPaths(f *testing.F) {
	for _, p := range []string{
		"branch/main/ro/../../..", "branch/main/watch/a.node/..node/tree.live", "branch/%2F/head", "trees/D-", "trees/Z-1234",
		"branch/main/transactions/t/rw/\x00", "snapshots/\xff", "commits/" + strings.Repeat("0", 40), "branch/main/diff/x",
		"branch/main/transactions/t/rw/.git/config", "remotes/-x/url", "branch/" + strings.Repeat("n", 300),
	} {
		f.Add(p, "commit")
	}
	w := newWorld(f, Options{Remotes: &fakeRemotes{urls: map[string]string{}, auto: map[string]bool{}}})
	u := w.plain()
	u.put("main", "a", "1")
	f.Fuzz(func(t *testing.T, path, text string) {
		if u.Mkdir(u.ctx, "branch/main/transactions/t", 0o775) == nil {
			defer u.tell("branch/main/transactions/t/ctl", "close")
		}
		names := strings.Split(path, "/")
		file, err := u.Root().Walk(u.ctx, names...)
		if err != nil {
			parent, err := u.Root().Walk(u.ctx, names[:len(names)-1]...)
			if err != nil {
				return
			}
			defer parent.Close()
			if parent.Mkdir(u.ctx, names[len(names)-1], 0o775) == nil {
				_ = parent.Unlink(u.ctx, names[len(names)-1], true) // may be a transaction
			}
			return
		}
		defer file.Close()
		if _, err := file.Attr(u.ctx); err != nil && errors.Is(err, ninep.EIO) {
			t.Errorf("%q: %v", path, err)
		}
		if strings.HasSuffix(path, "url") || file.Qid().Type&ninep.QidDir != 0 {
			return
		}
		if file.Open(u.ctx, ninep.ReadWrite) == nil {
			if _, err := file.WriteAt(u.ctx, []byte(text), 0); errors.Is(err, ninep.EIO) {
				t.Errorf("%q to %q: %v", text, path, err)
			}
		}
	})
}

// FuzzCommands gives any text to the files that take commands.
func FuzzCommands(f *testing.F) {
	f.Add("restore main "+strings.Repeat("0", 40)+" x", uint8(0))
	f.Add("close main t", uint8(0))
	f.Add(`{"branch":"main","limit":-1}`, uint8(1))
	f.Add(`{"commit":"","path":"../.."}`, uint8(2))
	f.Add(strings.Repeat("1", 40), uint8(5))
	w := newWorld(f, Options{})
	u := w.plain()
	hash := u.put("main", "a", "1")
	f.Add("revert main "+hash, uint8(0))
	f.Add(`{"to":"`+hash+`"}`, uint8(3))
	files := []string{"ctl", "query/log", "query/file", "query/diff", "query/tree", "branch/main/fast-forward", "debug/src/tree/level", "query/conflict"}
	f.Fuzz(func(t *testing.T, text string, which uint8) {
		name := files[int(which)%len(files)]
		answer, err := u.tell(name, text)
		if errors.Is(err, ninep.EIO) {
			t.Errorf("%q to %s: %v: %s", text, name, err, answer)
		}
		if err != nil && ninep.ErrnoOf(err) != ninep.EFBIG && strings.Count(answer, "\n") != 1 {
			t.Errorf("%q to %s: the reason is %q", text, name, answer)
		}
	})
}

// A client that goes in the middle of everything leaves nothing: newWorld's
// clean-up looks.
func TestGoneInTheMiddle(t *testing.T) {
	w := newWorld(t, Options{})
	u := w.plain()
	x := u.begin("main", "t")
	u.write(x.rw("f"), "1")
	f, err := u.Open(u.ctx, x.rw("f"), ninep.ReadWrite)
	u.must(err)
	_ = f // stays open
	live := u.follow("branch/main/head.live")
	live.next()
	log := u.follow("branch/main/reflog")
	ctx, cancel := context.WithCancel(t.Context())
	blocked := make(chan error, 2)
	for _, s := range []*stream{live, log} {
		go func() {
			_, err := s.f.ReadAt(ctx, make([]byte, 10), s.offset)
			blocked <- err
		}()
	}
	cancel()
	for range 2 {
		if err := <-blocked; !errors.Is(err, context.Canceled) {
			t.Errorf("a cancelled read: %v", err)
		}
	}
	u.close()
}
