package tree

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/slipway-desktop/slipway/backend/datakit/query"
	"github.com/slipway-desktop/slipway/backend/ninep"
)

var (
	alice = ninep.Peer{UID: 1000, GID: 1000, PID: 1}
	bob   = ninep.Peer{UID: 1001, GID: 1001}
)

func TestParseAccess(t *testing.T) {
	rules, err := ParseAccess(`
		uid=1000       main:rw ci/*:r *:none # Alice
		user=ci unix   ci/*:rw ; tcp public*:r secret:none *x*y:r
	`)
	if err != nil {
		t.Fatal(err)
	}
	tcp := ninep.Peer{UID: -1, Addr: "127.0.0.1:9"}
	for _, c := range []struct {
		peer         ninep.Peer
		user, branch string
		want         Access
	}{
		{alice, "", "main", Write}, {alice, "", "ci/a/b", Read}, {alice, "", "ci", None}, {alice, "ci", "ci/a", Read},
		{bob, "ci", "ci/a", Write}, {bob, "ci", "main", None}, {bob, "bob", "ci/a", None},
		{tcp, "ci", "ci/a", None}, {tcp, "", "public/a", Read}, {tcp, "", "secret", None},
		{tcp, "", "axby", Read}, {tcp, "", "axbyc", None}, {tcp, "", "yx", None},
	} {
		if got := rules.Access(c.peer, c.user, c.branch); got != c.want {
			t.Errorf("%+v as %q on %s: %v, want %v", c.peer, c.user, c.branch, got, c.want)
		}
	}
	for _, bad := range []string{"main:x", "uid=x main:r", "main:r uid=1", "uid=1", "who main:r", ":r", "user= main:r"} {
		if _, err := ParseAccess(bad); err == nil {
			t.Errorf("%q was accepted", bad)
		}
	}
	if rules, err := ParseAccess(""); err != nil || rules.Access(alice, "", "main") != None {
		t.Error("no rules give access")
	}
}

func FuzzAccess(f *testing.F) {
	f.Add("uid=1000 main:rw ci/*:r *:none", "main")
	f.Add("tcp;unix user=x **a*:r # c", "ba")
	f.Fuzz(func(t *testing.T, text, branch string) {
		rules, err := ParseAccess(text)
		if err != nil {
			return
		}
		rules.Access(alice, "x", branch)
		for _, r := range rules {
			for _, g := range r.grants {
				if !strings.Contains(g.pattern, "*") && match(g.pattern, branch) != (g.pattern == branch) {
					t.Errorf("%q and %q", g.pattern, branch)
				}
				if !match(g.pattern, g.pattern) {
					t.Errorf("%q does not fit itself", g.pattern)
				}
			}
		}
	})
}

func TestAccess(t *testing.T) {
	rules, err := ParseAccess("uid=1000 *:rw; uid=1001 open:r shared:rw *:none")
	if err != nil {
		t.Fatal(err)
	}
	w := newWorld(t, Options{Access: rules.Access})
	a, b, c := w.join(alice, "plain"), w.join(bob, "plain"), w.plain()
	hash := a.put("open", "f", "1")
	a.put("closed", "f", "1")
	equalList(t, "Bob's branches", b.ls("branch"), "open")
	equalList(t, "a stranger's branches", c.ls("branch"))
	wantErrno(t, errOf(b.Stat(b.ctx, "branch/closed")), ninep.ENOENT)
	wantErrno(t, b.Mkdir(b.ctx, "branch/closed", 0o775), ninep.ENOENT)
	equal(t, "reading", b.cat("branch/open/ro/f"), "1")
	wantErrno(t, b.Mkdir(b.ctx, "branch/open/transactions/t", 0o775), ninep.EACCES)
	wantErrno(t, errOf(b.tell("branch/open/fast-forward", hash)), ninep.EACCES)
	wantErrno(t, b.rm("branch/open", true), ninep.EACCES)
	wantErrno(t, b.mv("branch/open", "branch/shared"), ninep.EACCES)
	wantErrno(t, errOf(b.tell("ctl", "restore open "+hash)), ninep.EACCES)
	wantErrno(t, errOf(b.tell("ctl", "restore closed "+hash)), ninep.ENOENT)
	wantErrno(t, errOf(b.tell("query/log", `{"branch":"closed"}`)), ninep.ENOENT)
	var branches []query.Branch
	b.must(json.Unmarshal([]byte(b.cat("query/branches")), &branches))
	if len(branches) != 1 || branches[0].Access != "read" || branches[0].Head.String() != hash {
		t.Errorf("branches: %+v", branches)
	}

	// All who may read a branch see its transactions; only their owner changes them.
	x := a.begin("shared", "mine")
	a.write(x.rw("f"), "secret")
	a.write(x.dir+"/msg", "why")
	equal(t, "another's file", b.cat(x.rw("f")), "secret")
	wantErrno(t, b.WriteFile(b.ctx, x.rw("f"), []byte("x")), ninep.EACCES)
	wantErrno(t, b.WriteFile(b.ctx, x.rw("new"), []byte("x")), ninep.EACCES)
	wantErrno(t, b.WriteFile(b.ctx, x.dir+"/msg", []byte("x")), ninep.EACCES)
	wantErrno(t, b.rm(x.rw("f"), false), ninep.EACCES)
	wantErrno(t, b.mv(x.rw("f"), x.rw("g")), ninep.EACCES)
	answer, err := b.tell(x.dir+"/ctl", "commit")
	wantErrno(t, err, ninep.EACCES)
	equal(t, "why", answer, "The transaction belongs to another user\n")
	if owner := b.cat(x.dir + "/owner"); !strings.Contains(owner, `"uid":1000`) {
		t.Errorf("owner: %s", owner)
	}
	equal(t, "age", b.cat(x.dir+"/age"), "0\n")
	var open []query.Transaction
	b.must(json.Unmarshal([]byte(b.cat("query/transactions")), &open))
	if len(open) != 1 || open[0].Message != "why" || open[0].Changes != 1 || open[0].Owner.UID != 1000 {
		t.Errorf("transactions: %+v", open)
	}
	c.must(json.Unmarshal([]byte(c.cat("query/transactions")), &open))
	equal(t, "seen by a stranger", len(open), 0)
	again := w.join(alice, "plain") // the same user over another connection
	again.write(x.rw("f"), "more")
	wantErrno(t, errOf(c.tell("ctl", "close shared mine")), ninep.ENOENT)
	b.say("ctl", "close shared mine")
	wantErrno(t, a.WriteFile(a.ctx, x.rw("f"), []byte("x")), ninep.ENOENT)
	wantErrno(t, errOf(b.tell("ctl", "close shared mine")), ninep.ENOENT)
}

func TestDisconnectAndIdle(t *testing.T) {
	w := newWorld(t, Options{Idle: time.Hour})
	a, b := w.plain(), w.plain()
	x := a.begin("main", "a")
	a.write(x.rw("f"), "1")
	live := a.follow("branch/main/head.live")
	live.next()
	equalList(t, "open", b.ls("branch/main/transactions"), "a")
	a.close()
	equalList(t, "after its client went", b.ls("branch"))
	equal(t, "watchers", len(w.s.allWatchers()), 0)

	x = b.begin("main", "b")
	w.s.expire(time.Now().Add(59 * time.Minute))
	b.cat(x.dir + "/owner")
	w.s.expire(time.Now().Add(61 * time.Minute))
	wantErrno(t, b.WriteFile(b.ctx, x.rw("f"), nil), ninep.ENOENT)
	equal(t, "expired", w.s.stats().Expired, 1)
}

func TestChanged(t *testing.T) {
	w := newWorld(t, Options{})
	u := w.plain()
	news := w.s.Changed(t.Context())
	wait := func(what string) {
		t.Helper()
		select {
		case <-news:
		case <-time.After(patience):
			t.Fatalf("no news of %s", what)
		}
	}
	x := u.begin("main", "t")
	wait("a transaction")
	x.commit()
	wait("a commit")
}
