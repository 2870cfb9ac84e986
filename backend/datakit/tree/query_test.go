package tree

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/slipway-desktop/slipway/backend/datakit"
	"github.com/slipway-desktop/slipway/backend/datakit/query"
	"github.com/slipway-desktop/slipway/backend/ninep"
)

// ask puts a question to a query file.
func ask[A any](u *guest, name string, question any) A {
	u.t.Helper()
	q, err := json.Marshal(question)
	u.must(err)
	var a A
	u.must(json.Unmarshal([]byte(u.say("query/"+name, string(q))), &a))
	return a
}

func TestQueries(t *testing.T) {
	u := newWorld(t, Options{}).plain()
	var hashes []string
	for i := range 5 {
		hashes = append(hashes, u.put("main", "f", fmt.Sprint(i), "d/bin", "a\x00b", "d/x"+fmt.Sprint(i), "x"))
	}
	page := ask[query.LogPage](u, "log", query.LogQuestion{Branch: "main", Limit: 2})
	equal(t, "newest", page.Commits[0].Hash.String(), hashes[4])
	page = ask[query.LogPage](u, "log", query.LogQuestion{From: page.Next, Limit: 10})
	equal(t, "rest", len(page.Commits), 3)
	equal(t, "end", page.Next, "")
	page = ask[query.LogPage](u, "log", query.LogQuestion{Branch: "main", Path: "d/x2"})
	if len(page.Commits) != 1 || page.Commits[0].Hash.String() != hashes[2] {
		t.Errorf("history of a file: %+v", page)
	}
	diff := ask[[]datakit.FileDiff](u, "diff", query.DiffQuestion{To: hashes[4], Path: "f"})
	if len(diff) != 1 || diff[0].Old != "3" || diff[0].New != "4" {
		t.Errorf("diff: %+v", diff)
	}
	tree := ask[[]query.TreeEntry](u, "tree", query.Place{Commit: hashes[4], Path: ""})
	if len(tree) != 2 || tree[0].Kind != "dir" || tree[1].Name != "f" || tree[1].Size != 1 {
		t.Errorf("tree: %+v", tree)
	}
	file := ask[query.Content](u, "file", query.Place{Commit: hashes[0], Path: "f"})
	equal(t, "file", file.Text, "0")
	file = ask[query.Content](u, "file", query.Place{Commit: hashes[0], Path: "d/bin"})
	equal(t, "binary", file, query.Content{Size: 3, Binary: true})
	stats := ask[query.Stats](u, "stats", struct{}{})
	equal(t, "commits", stats.Commits, 5)

	for name, question := range map[string]string{
		"log": `{}`, "file": `{"commit":"x"}`, "tree": `not json`, "diff": `{"to":"` + hashes[0] + `"} {}`, "conflict": `{"nosuch":1}`,
	} {
		answer, err := u.tell("query/"+name, question)
		if err == nil || strings.Count(answer, "\n") != 1 {
			t.Errorf("%s to %s: %q, %v", question, name, answer, err)
		}
	}

	head := u.follow("branch/main/head.live")
	head.next()
	watchers := ask[[]query.Watcher](u, "watchers", struct{}{})
	if len(watchers) != 1 || watchers[0].Kind != "head" || watchers[0].Events != 1 || watchers[0].Owner.User != "tester" {
		t.Errorf("watchers: %+v", watchers)
	}
	head.close()
}

func TestConflictQuestion(t *testing.T) {
	u := newWorld(t, Options{}).plain()
	base := u.put("main", "f", "1", "g", "1")
	u.mkdir("branch/side")
	u.say("branch/side/fast-forward", base)
	side := u.put("side", "f", "theirs", "g", "-")
	u.put("main", "f", "ours", "g", "2")
	x := u.begin("main", "m")
	u.say(x.dir+"/merge", side)
	sides := ask[query.Sides](u, "conflict", query.ConflictQuestion{Branch: "main", Transaction: "m", Path: "f"})
	if sides.Reason == "" || sides.Base.Text != "1" || sides.Ours.Text != "ours" || sides.Theirs.Text != "theirs" || !strings.HasPrefix(sides.Now.Text, "** Conflict") {
		t.Errorf("sides: %+v", sides)
	}
	sides = ask[query.Sides](u, "conflict", query.ConflictQuestion{Branch: "main", Transaction: "m", Path: "g"})
	if sides.Theirs != nil || sides.Ours.Text != "2" {
		t.Errorf("sides: %+v", sides)
	}
	u.say(x.dir+"/ctl", "close")
}

func TestControl(t *testing.T) {
	u := newWorld(t, Options{}).plain()
	first := u.put("ci/main", "f", "1", "d/a", "1")
	u.put("ci/main", "f", "2", "d/a", "2", "d/b", "2")
	c := strings.TrimSpace(u.say("ctl", "restore-path ci/main "+first+" d"))
	equalList(t, "d", u.ls("branch/ci%2Fmain/ro/d"), "a")
	equal(t, "f", u.cat("branch/ci%2Fmain/ro/f"), "2")
	u.say("ctl", "revert ci/main "+c)
	equalList(t, "d", u.ls("branch/ci%2Fmain/ro/d"), "a", "b")
	c = strings.TrimSpace(u.say("ctl", "restore ci/main "+first+" back to the start\n"))
	equal(t, "message", u.cat("snapshots/"+c+"/msg"), "back to the start\n")
	equal(t, "f", u.cat("branch/ci%2Fmain/ro/f"), "1")
	equalList(t, "d", u.ls("branch/ci%2Fmain/ro/d"), "a")
	for _, bad := range []string{"", "restore", "restore ci/main", "revert ci/main x", "revert ci/main " + first + " y", "dance", "restore-path ci/main " + first} {
		answer, err := u.tell("ctl", bad+"\n")
		wantErrno(t, err, ninep.EINVAL)
		if strings.Count(answer, "\n") != 1 {
			t.Errorf("%q: %q", bad, answer)
		}
	}
	f, err := u.Open(u.ctx, "ctl", ninep.ReadWrite)
	u.must(err)
	defer f.Close()
	_, err = f.WriteAt(u.ctx, []byte("dance"), 0)
	wantErrno(t, err, ninep.EINVAL)
	why, err := f.Xattr(u.ctx, "user.slipway.error")
	u.must(err)
	if !strings.HasPrefix(string(why), `Unknown command "dance"`) {
		t.Errorf("why: %s", why)
	}
}
