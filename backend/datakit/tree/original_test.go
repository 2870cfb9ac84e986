package tree

import (
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/slipway-desktop/slipway/backend/ninep"
)

// The cases of DataKit's own server and client tests, by what they test.

func TestTransaction(t *testing.T) {
	u := newDiskWorld(t, Options{}).plain()
	equalList(t, "root", u.ls("/"), "branch", "commits", "ctl", "debug", "query", "remotes", "snapshots", "trees")
	u.mkdir("branch/dev")
	equal(t, "head of a new branch", u.cat("branch/dev/head"), "\n")
	equalList(t, "branch", u.ls("branch/dev"), "diff", "fast-forward", "head", "head.live", "reflog", "ro", "transactions", "watch")
	x := u.begin("dev", "one")
	wantErrno(t, u.Mkdir(u.ctx, x.dir, 0o775), ninep.EEXIST)
	equalList(t, "transaction", u.ls(x.dir), "age", "ctl", "diff", "merge", "msg", "origin", "owner", "parents", "rw")
	equal(t, "origin", u.cat(x.dir+"/origin"), "")
	equal(t, "parents", u.cat(x.dir+"/parents"), "")
	u.mkdir(x.rw("src"))
	u.write(x.rw("src/Makefile"), "all: build test")
	u.write(x.dir+"/msg", "My commit")
	answer, err := u.tell(x.dir+"/ctl", "frobnicate")
	wantErrno(t, err, ninep.EINVAL)
	equal(t, "why", answer, "Unknown command \"frobnicate\"\n")
	equal(t, "nothing yet", u.cat("branch/dev/head"), "\n")
	hash := x.commit()
	equal(t, "head", u.cat("branch/dev/head"), hash+"\n")
	equal(t, "content", u.cat("branch/dev/ro/src/Makefile"), "all: build test")
	equalList(t, "transactions", u.ls("branch/dev/transactions"))
	wantErrno(t, errOf(u.tell(x.dir+"/ctl", "commit")), ninep.ENOENT)
	snap := "snapshots/" + hash
	equal(t, "hash", u.cat(snap+"/hash"), hash+"\n")
	equal(t, "msg", u.cat(snap+"/msg"), "My commit\n")
	equal(t, "parents of the first", u.cat(snap+"/parents"), "")
	equal(t, "file of the snapshot", u.cat(snap+"/ro/src/Makefile"), "all: build test")
	equal(t, "author", u.cat(snap+"/author"), "tester <tester@localhost>\n")
	if _, err := time.Parse(time.RFC3339, strings.TrimSpace(u.cat(snap+"/date"))); err != nil {
		t.Error(err)
	}
	if !strings.Contains(u.cat("commits/"+hash), `"message": "My commit"`) {
		t.Error("the commit's JSON lacks its message")
	}

	x = u.begin("dev", "two")
	equal(t, "parents", u.cat(x.dir+"/parents"), hash+"\n")
	u.write(x.rw("x"), "y")
	u.say(x.dir+"/ctl", "close")
	equalList(t, "given up", u.ls("branch/dev/ro"), "src")

	x = u.begin("dev", "three") // a commit without a message, and without a change
	second := x.commit()
	equal(t, "message", u.cat("snapshots/"+second+"/msg"), "(no commit message)\n")
	equal(t, "parent", u.cat("snapshots/"+second+"/parents"), hash+"\n")

	wantErrno(t, errOf(u.Stat(u.ctx, "snapshots/12345")), ninep.ENOENT)
	wantErrno(t, errOf(u.Stat(u.ctx, "snapshots/"+strings.Repeat("0", 39)+"1")), ninep.ENOENT)
}

func errOf[T any](_ T, err error) error { return err }

func TestQids(t *testing.T) {
	u := newWorld(t, Options{}).plain()
	u.put("dev", "a/b", "1", "a/c", "2")
	x := u.begin("dev", "t")
	qid := func(name string) ninep.Qid {
		f, err := u.Root().Walk(u.ctx, elements(name)...)
		u.must(err)
		defer f.Close()
		return f.Qid()
	}
	names := []string{"branch", "branch/dev", "branch/dev/ro", "branch/dev/ro/a", "branch/dev/ro/a/b", x.dir, x.dir + "/rw",
		x.dir + "/ctl", x.dir + "/msg", x.rw("a"), x.rw("a/b"), x.rw("a/c"), "branch/dev/head", "branch/dev/watch/a.node"}
	seen := map[uint64]string{}
	for _, name := range names {
		q := qid(name)
		equal(t, "stable Qid of "+name, qid(name), q)
		if other := seen[q.Path]; other != "" {
			t.Errorf("%s and %s have the same Qid", name, other)
		}
		seen[q.Path] = name
	}
	// A listing has the same as a walk.
	entries, err := u.ReadDir(u.ctx, x.rw("a"))
	u.must(err)
	for _, e := range entries {
		equal(t, "listed Qid of "+e.Name, e.Qid.Path, qid(x.rw("a/"+e.Name)).Path)
	}
	before, b := qid("branch/dev/ro/a/b"), qid(x.rw("a/b"))
	u.write(x.rw("a/b"), "changed")
	if qid(x.rw("a/b")).Version == b.Version {
		t.Error("a changed file keeps its version")
	}
	x.commit()
	after := qid("branch/dev/ro/a/b")
	equal(t, "path", after.Path, before.Path)
	if after.Version == before.Version {
		t.Error("another content has the same version")
	}
}

func TestStableInodes(t *testing.T) {
	u := newWorld(t, Options{}).plain()
	u.put("dev", "d/f", "content", "other", "o")
	x := u.begin("dev", "t")
	f, err := u.Root().Walk(u.ctx, elements(x.rw("d/f"))...)
	u.must(err)
	defer f.Close()
	id := f.Qid().Path
	u.must(u.mv(x.rw("d"), x.rw("e"))) // the directory moves under the fid
	u.must(u.mv(x.rw("e/f"), x.rw("g")))
	u.write(x.rw("e/f"), "another")
	g, err := f.Walk(u.ctx)
	u.must(err)
	defer g.Close()
	u.must(g.Open(u.ctx, ninep.ReadOnly))
	b, err := io.ReadAll(g.Reader(u.ctx))
	u.must(err)
	equal(t, "content of the file that moved", string(b), "content")
	q, err := u.Stat(u.ctx, x.rw("g"))
	u.must(err)
	equal(t, "number of the file that moved", q.Qid.Path, id)
	if q, err = u.Stat(u.ctx, x.rw("e/f")); err != nil || q.Qid.Path == id {
		t.Errorf("the new file has the number of the old one (%v)", err)
	}
	u.must(u.rm(x.rw("g"), false))
	_, err = f.Attr(u.ctx)
	wantErrno(t, err, ninep.ENOENT)
	u.write(x.rw("g"), "third")
	_, err = f.Attr(u.ctx)
	wantErrno(t, err, ninep.ENOENT)
}

func TestRange(t *testing.T) {
	u := newWorld(t, Options{}).plain()
	x := u.begin("dev", "t")
	u.write(x.rw("f"), "0123456789")
	a, err := u.Open(u.ctx, x.rw("f"), ninep.ReadWrite)
	u.must(err)
	defer a.Close()
	b, err := u.Open(u.ctx, x.rw("f"), ninep.ReadWrite)
	u.must(err)
	defer b.Close()
	_, err = a.WriteAt(u.ctx, []byte("abc"), 2)
	u.must(err)
	_, err = b.WriteAt(u.ctx, []byte("XY"), 4)
	u.must(err)
	p := make([]byte, 4)
	n, err := a.ReadAt(u.ctx, p, 3)
	u.must(err)
	equal(t, "middle", string(p[:n]), "bXY6")
	if _, err := a.ReadAt(u.ctx, p, 10); !errors.Is(err, io.EOF) {
		t.Errorf("at the end: %v", err)
	}
	_, err = b.WriteAt(u.ctx, []byte("more"), 10)
	u.must(err)
	n, err = a.ReadAt(u.ctx, p, 10) // as who reads a log that is being written
	u.must(err)
	equal(t, "what was added", string(p[:n]), "more")
	_, err = a.WriteAt(u.ctx, []byte("!"), 16)
	u.must(err)
	equal(t, "hole", u.cat(x.rw("f")), "01abXY6789more\x00\x00!")
	appender, err := u.Open(u.ctx, x.rw("f"), ninep.WriteOnly|ninep.Append)
	u.must(err)
	defer appender.Close()
	_, err = appender.WriteAt(u.ctx, []byte("end"), 0)
	u.must(err)
	equal(t, "appended", u.cat(x.rw("f")), "01abXY6789more\x00\x00!end")
	u.say(x.dir+"/ctl", "close")
	_, err = a.ReadAt(u.ctx, p, 0)
	wantErrno(t, err, ninep.ENOENT)
}

func TestRenameBranch(t *testing.T) {
	u := newWorld(t, Options{}).plain()
	old := u.put("old", "a", "1")
	u.must(u.mv("branch/old", "branch/new"))
	equalList(t, "branches", u.ls("branch"), "new")
	equal(t, "head", u.cat("branch/new/head"), old+"\n")
	u.put("third", "b", "2")
	wantErrno(t, u.mv("branch/new", "branch/third"), ninep.EISDIR)
	wantErrno(t, u.mv("branch/none", "branch/x"), ninep.ENOENT)
	u.mkdir("branch/unborn")
	u.must(u.mv("branch/unborn", "branch/unborn2"))
	equalList(t, "branches", u.ls("branch"), "new", "third", "unborn2")
	u.must(u.rm("branch/third", true))
	u.must(u.rm("branch/unborn2", true))
	wantErrno(t, u.rm("branch/third", true), ninep.ENOENT)
	equalList(t, "branches", u.ls("branch"), "new")
	u.put("ci/main", "c", "3")
	equalList(t, "a slash", u.ls("branch"), "ci%2Fmain", "new")
	equal(t, "file", u.cat("branch/ci%2Fmain/ro/c"), "3")
	u.mkdir("branch/fork")
	u.say("branch/fork/fast-forward", u.cat("branch/ci%2Fmain/head")) // cp old/head new/fast-forward
	equal(t, "fork", u.cat("branch/fork/head"), u.cat("branch/ci%2Fmain/head"))
	answer, err := u.tell("branch/fork/fast-forward", old)
	wantErrno(t, err, ninep.EINVAL)
	equal(t, "why", answer, "not-fast-forward\n")
	answer, err = u.tell("branch/fork/fast-forward", "zzz")
	wantErrno(t, err, ninep.EINVAL)
	if !strings.HasPrefix(answer, `invalid-hash "zzz"`) {
		t.Errorf("why: %q", answer)
	}
	wantErrno(t, errOf(u.tell("branch/fork/fast-forward", strings.Repeat("1", 40))), ninep.ENOENT)
	for _, bad := range []string{"a..b", "a b", "-x", ".x", "x.lock", "50%", "%2f", "%2F", "a%2F", "@", "\x01"} {
		wantErrno(t, u.Mkdir(u.ctx, "branch/"+bad, 0o775), ninep.EINVAL)
	}
}

func TestRenameFile(t *testing.T) {
	u := newWorld(t, Options{}).plain()
	u.put("dev", "a/x", "1", "a/y", "2", "b/z", "3")
	x := u.begin("dev", "t")
	u.must(u.mv(x.rw("a/x"), x.rw("b/w")))
	u.must(u.mv(x.rw("a/y"), x.rw("b/z"))) // replaces a file
	equalList(t, "b", u.ls(x.rw("b")), "w", "z")
	equal(t, "z", u.cat(x.rw("b/z")), "2")
	u.must(u.mv(x.rw("b"), x.rw("c")))
	wantErrno(t, u.mv(x.rw("none"), x.rw("n")), ninep.ENOENT)
	wantErrno(t, u.mv(x.rw("c"), "branch/dev/ro/c"), ninep.EXDEV)
	wantErrno(t, u.mv("branch/dev/ro/a", "branch/dev/ro/q"), ninep.EROFS)
	wantErrno(t, u.mv(x.dir+"/msg", x.dir+"/msg2"), ninep.EROFS)
	wantErrno(t, u.mv(x.dir, "branch/dev/transactions/other"), ninep.EPERM)
	x.commit()
	equalList(t, "committed", u.ls("branch/dev/ro/c"), "w", "z")
}

func TestTruncateAndModes(t *testing.T) {
	u := newWorld(t, Options{}).plain()
	x := u.begin("dev", "t")
	u.write(x.rw("f"), "Hello")
	size := func(n uint64) ninep.SetAttr { return ninep.SetAttr{Valid: ninep.SetSize, Size: n} }
	u.must(u.set(x.rw("f"), size(4)))
	equal(t, "shorter", u.cat(x.rw("f")), "Hell")
	u.must(u.set(x.rw("f"), size(6)))
	equal(t, "longer", u.cat(x.rw("f")), "Hell\x00\x00")
	u.must(u.set(x.rw("f"), size(0)))
	equal(t, "empty", u.cat(x.rw("f")), "")
	u.must(u.set(x.dir+"/ctl", size(0)))
	wantErrno(t, u.set(x.dir+"/ctl", size(1)), ninep.EINVAL)
	wantErrno(t, u.set(x.rw("f"), size(1<<63)), ninep.EFBIG)
	u.write(x.rw("f"), "#!/bin/sh\n")
	mode := func(m uint32) ninep.SetAttr { return ninep.SetAttr{Valid: ninep.SetMode, Mode: m} }
	u.must(u.set(x.rw("f"), mode(0o755)))
	st, err := u.Stat(u.ctx, x.rw("f"))
	u.must(err)
	equal(t, "mode", st.Mode.Perm(), 0o775)
	equal(t, "size", st.Size, 10)
	wantErrno(t, u.set(x.dir+"/ctl", mode(0o755)), ninep.EPERM)
	wantErrno(t, u.set("branch/dev/head", size(0)), ninep.EROFS)
	x.commit()
	st, err = u.Stat(u.ctx, "branch/dev/ro/f")
	u.must(err)
	equal(t, "mode", st.Mode.Perm(), 0o775)
	equal(t, "size", st.Size, 10)
	if time.Since(st.MTime) > time.Hour {
		t.Errorf("time of the commit: %v", st.MTime)
	}
	x = u.begin("dev", "t2")
	u.must(u.set(x.rw("f"), mode(0o644)))
	x.commit()
	st, err = u.Stat(u.ctx, "branch/dev/ro/f")
	u.must(err)
	equal(t, "mode", st.Mode.Perm(), 0o664)
	st, err = u.Stat(u.ctx, "branch/dev")
	u.must(err)
	equal(t, "mode of a directory", st.Mode.Perm(), 0o775)
}

func TestParents(t *testing.T) {
	u := newWorld(t, Options{}).plain()
	main, other := u.put("main", "a", "1"), u.put("other", "b", "2")
	x := u.begin("main", "ours") // git's merge strategy "ours"
	f, err := u.Open(u.ctx, x.dir+"/parents", ninep.WriteOnly|ninep.Append)
	u.must(err)
	_, err = f.WriteAt(u.ctx, []byte(other+"\n"), 0)
	u.must(err)
	f.Close()
	equal(t, "parents", u.cat(x.dir+"/parents"), main+"\n"+other+"\n")
	c := x.commit()
	equal(t, "parents", u.cat("snapshots/"+c+"/parents"), main+"\n"+other+"\n")
	equalList(t, "files", u.ls("branch/main/ro"), "a")
	x = u.begin("main", "bad")
	u.say(x.dir+"/parents", "nonsense\n")
	answer, err := u.tell(x.dir+"/ctl", "commit")
	wantErrno(t, err, ninep.EINVAL)
	if !strings.HasPrefix(answer, "invalid-hash") {
		t.Errorf("why: %q", answer)
	}
	u.say(x.dir+"/parents", strings.Repeat("1", 40)+"\n")
	wantErrno(t, errOf(u.tell(x.dir+"/ctl", "commit")), ninep.ENOENT)
	u.say(x.dir+"/ctl", "close")
}

func TestMerge(t *testing.T) {
	u := newDiskWorld(t, Options{}).plain()
	base := u.put("main", "same", "1", "ours", "1", "theirs", "1", "dir/both", "1")
	u.mkdir("branch/side")
	u.say("branch/side/fast-forward", base)
	side := u.put("side", "theirs", "2", "new", "3")
	u.put("main", "ours", "2")
	x := u.begin("main", "m")
	wantErrno(t, errOf(u.Stat(u.ctx, x.dir+"/conflicts")), ninep.ENOENT)
	u.say(x.dir+"/merge", side)
	equal(t, "conflicts", u.cat(x.dir+"/conflicts"), "")
	equalList(t, "after a merge", u.ls(x.dir), "age", "base", "conflicts", "ctl", "diff", "merge", "msg", "origin", "ours", "owner", "parents", "rw", "theirs")
	equal(t, "ours", u.cat(x.rw("ours")), "2")
	equal(t, "theirs", u.cat(x.rw("theirs")), "2")
	equal(t, "base", u.cat(x.dir+"/base/theirs"), "1")
	equal(t, "side", u.cat(x.dir+"/theirs/new"), "3")
	c := x.commit()
	if !strings.Contains(u.cat("snapshots/"+c+"/parents"), side) {
		t.Error("the merged commit is no parent")
	}
	equal(t, "merged", u.cat("branch/main/ro/new"), "3")
}

func TestConflicts(t *testing.T) {
	w := newWorld(t, Options{})
	u := w.plain()
	base := u.put("main", "f", "1", "gone", "1", "dir/g", "1")
	u.mkdir("branch/side")
	u.say("branch/side/fast-forward", base)
	side := u.put("side", "f", "theirs", "gone", "changed", "dir/g", "theirs")
	u.put("main", "f", "ours", "gone", "-", "dir/g", "ours")
	x := u.begin("main", "m")
	u.say(x.dir+"/merge", side)
	equal(t, "conflicts", u.cat(x.dir+"/conflicts"), "dir/g\nf\ngone\n")
	if text := u.cat(x.rw("f")); !strings.HasPrefix(text, "** Conflict **\n") {
		t.Errorf("the file in conflict: %q", text)
	}
	answer, err := u.tell(x.dir+"/ctl", "commit")
	wantErrno(t, err, ninep.EBUSY)
	equal(t, "why", answer, "conflicts file is not empty\n")
	answer, err = u.tell(x.dir+"/merge", side)
	wantErrno(t, err, ninep.EBUSY)
	equal(t, "why", answer, "conflicts file is not empty\n")
	u.write(x.rw("f"), "both")
	equal(t, "conflicts", u.cat(x.dir+"/conflicts"), "dir/g\ngone\n")
	u.must(u.rm(x.rw("gone"), false))
	u.must(u.Remove(u.ctx, x.rw("dir/g")))
	equal(t, "conflicts", u.cat(x.dir+"/conflicts"), "")
	x.commit()
	equal(t, "resolved", u.cat("branch/main/ro/f"), "both")

	// Two transactions that change a file differently: the second is refused, stays
	// open, and says what is in the way.
	a, b := u.begin("main", "a"), u.begin("main", "b")
	u.write(a.rw("f"), "a")
	u.write(b.rw("f"), "b")
	a.commit()
	answer, err = u.tell(b.dir+"/ctl", "commit")
	wantErrno(t, err, ninep.EBUSY)
	equal(t, "why", answer, "Merge conflict: f\n")
	equal(t, "it stays", u.cat(b.rw("f")), "b")
	u.say(b.dir+"/ctl", "close")
	equal(t, "refused", w.s.stats().Refused, 3-1)
}

func TestMergeEmpty(t *testing.T) {
	u := newWorld(t, Options{}).plain()
	side := u.put("side", "a", "1")
	x := u.begin("main", "m") // no head, so no common ancestor
	u.say(x.dir+"/merge", side)
	equal(t, "conflicts", u.cat(x.dir+"/conflicts"), "")
	equalList(t, "base", u.ls(x.dir+"/base"))
	x.commit()
	equal(t, "merged", u.cat("branch/main/ro/a"), "1")
}

func TestDiff(t *testing.T) {
	u := newWorld(t, Options{}).plain()
	first := u.put("dev", "a", "1", "b", "1", "d/c", "1")
	second := u.put("dev", "a", "2", "b", "-", "e", "1")
	const want = "* a\n- b\n+ e\n"
	equal(t, "branch", u.cat("branch/dev/diff/"+first), want)
	equal(t, "snapshot", u.cat("snapshots/"+second+"/diff/"+first), want)
	equal(t, "same", u.cat("branch/dev/diff/"+second), "")
	x := u.begin("dev", "t")
	u.write(x.rw("d/c"), "2")
	equal(t, "transaction", u.cat(x.dir+"/diff/"+second), "* d/c\n")
	equal(t, "transaction", u.cat(x.dir+"/diff/"+first), "* a\n- b\n* d/c\n+ e\n")
	equalList(t, "hidden", u.ls(x.dir+"/diff"))
	u.say(x.dir+"/ctl", "close")
}

func TestMakeDirsRemove(t *testing.T) {
	u := newWorld(t, Options{}).plain()
	u.put("dev", "d/e/f", "1", "g", "2")
	x := u.begin("dev", "t")
	u.mkdir(x.rw("empty"))
	equalList(t, "an empty directory is kept meanwhile", u.ls(x.rw("")), "d", "empty", "g")
	wantErrno(t, u.Mkdir(u.ctx, x.rw("empty"), 0o775), ninep.EEXIST)
	wantErrno(t, u.Mkdir(u.ctx, x.rw("g"), 0o775), ninep.EEXIST)
	wantErrno(t, u.rm(x.rw("d"), true), ninep.ENOTEMPTY)
	wantErrno(t, u.rm(x.rw("d"), false), ninep.EISDIR)
	wantErrno(t, u.rm(x.rw("g"), true), ninep.ENOTDIR)
	wantErrno(t, u.rm(x.rw("none"), false), ninep.ENOENT)
	u.must(u.rm(x.rw("d/e/f"), false))
	u.must(u.rm(x.rw("d/e"), true)) // as rm -r does it
	u.must(u.rm(x.rw("d"), true))
	u.must(u.rm(x.rw("empty"), true))
	equalList(t, "left", u.ls(x.rw("")), "g")
	x.commit()
	equalList(t, "committed", u.ls("branch/dev/ro"), "g")
	wantErrno(t, u.WriteFile(u.ctx, "branch/dev/ro/new", nil), ninep.EROFS)
	wantErrno(t, u.Mkdir(u.ctx, "branch/dev/ro/new", 0o775), ninep.EROFS)
	wantErrno(t, u.rm("branch/dev/ro/g", false), ninep.EROFS)
}

func TestLinks(t *testing.T) {
	u := newDiskWorld(t, Options{}).plain()
	x := u.begin("dev", "t")
	dir, err := u.Root().Walk(u.ctx, elements(x.dir+"/rw")...)
	u.must(err)
	defer dir.Close()
	u.must(dir.Symlink(u.ctx, "l", "../../../../etc/passwd"))
	wantErrno(t, dir.Symlink(u.ctx, "l", "x"), ninep.EEXIST)
	link := func(name string) string {
		f, err := u.Root().Walk(u.ctx, elements(name)...)
		u.must(err)
		defer f.Close()
		equal(t, "type", f.Qid().Type, ninep.QidSymlink)
		target, err := f.Readlink(u.ctx)
		u.must(err)
		return target
	}
	equal(t, "target", link(x.rw("l")), "../../../../etc/passwd")
	l, err := u.Root().Walk(u.ctx, elements(x.rw("l"))...)
	u.must(err)
	defer l.Close()
	wantErrno(t, errOf(l.Walk(u.ctx, "x")), ninep.ENOTDIR)
	x.commit()
	equal(t, "target", link("branch/dev/ro/l"), "../../../../etc/passwd")
	s := u.follow("branch/dev/watch/l.node/tree.live")
	line := s.next()
	s.close()
	if !strings.HasPrefix(line, "L-") {
		t.Errorf("watch of a link: %q", line)
	}
	equal(t, "by hash", link("trees/"+strings.TrimSpace(line)), "../../../../etc/passwd")
}

func TestLargeWrite(t *testing.T) {
	u := newDiskWorld(t, Options{}).plain()
	text := strings.Repeat("0123456789abcdef", 40<<10) // several messages
	u.put("dev", "big", text)
	if u.cat("branch/dev/ro/big") != text {
		t.Error("a large file came back differently")
	}
}

func TestCreateOrReplace(t *testing.T) {
	u := newWorld(t, Options{}).plain()
	x := u.begin("dev", "t")
	create := func(flags ninep.OpenFlags) error {
		d, err := u.Root().Walk(u.ctx, elements(x.dir+"/rw")...)
		u.must(err)
		defer d.Close()
		return d.Create(u.ctx, "f", flags, 0o644)
	}
	u.must(create(ninep.WriteOnly | ninep.Exclusive))
	wantErrno(t, create(ninep.WriteOnly|ninep.Exclusive), ninep.EEXIST)
	u.write(x.rw("f"), "long content")
	u.must(create(ninep.WriteOnly))
	equal(t, "kept", u.cat(x.rw("f")), "long content")
	u.must(create(ninep.WriteOnly | ninep.Truncate))
	equal(t, "emptied", u.cat(x.rw("f")), "")
	u.say(x.dir+"/ctl", "close")
}

func TestDebug(t *testing.T) {
	u := newWorld(t, Options{}).plain()
	equalList(t, "sources", u.ls("debug/src"), "tree")
	equal(t, "level", u.cat("debug/src/tree/level"), "info\n")
	for _, l := range levels {
		equal(t, "level", u.say("debug/src/tree/level", l.name+"\n"), l.name+"\n")
		equal(t, "level", u.cat("debug/src/tree/level"), l.name+"\n")
	}
	wantErrno(t, errOf(u.tell("debug/src/tree/level", "loud")), ninep.EINVAL)
}
