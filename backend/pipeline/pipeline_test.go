package pipeline

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/slipway-desktop/slipway/backend/datakit"
	"github.com/slipway-desktop/slipway/backend/datakit/client"
	"github.com/slipway-desktop/slipway/backend/datakit/tree"
	"github.com/slipway-desktop/slipway/backend/ninep"
)

// world is a data store that is served in this process.
type world struct {
	testing.TB
	store  *datakit.Store
	server *tree.Server
}

func newWorld(t testing.TB) *world {
	store, err := datakit.Open(t.Context(), t.TempDir()+"/repo", datakit.Options{})
	if err != nil {
		t.Fatal(err)
	}
	w := &world{t, store, tree.New(store, tree.Options{})}
	t.Cleanup(func() {
		if err := store.Close(); err != nil {
			t.Error(err)
		}
	})
	return w
}

// join connects a client; leave ends its connection, and with that its transactions.
func (w *world) join() (c *client.Client, leave func()) {
	w.Helper()
	a, b := net.Pipe()
	served := make(chan error, 1)
	server := ninep.Server{NewTree: func(net.Conn) (ninep.Tree, error) { return w.server.Session(ninep.Peer{UID: -1}), nil }}
	go func() { served <- server.ServeConn(context.Background(), a) }()
	n, err := ninep.NewClient(context.Background(), b, ninep.AttachRequest{Name: "plain"})
	if err != nil {
		w.Fatal(err)
	}
	c = client.New(n, "")
	ended := false
	leave = func() {
		if ended {
			return
		}
		ended = true
		c.Close()
		if err := <-served; err != nil {
			w.Error(err)
		}
	}
	w.Cleanup(leave)
	return c, leave
}

// commit writes files to a branch.
func (w *world) commit(branch, message string, files map[string]string) datakit.Hash {
	w.Helper()
	tx, err := w.store.Begin(context.Background(), branch)
	if err != nil {
		w.Fatal(err)
	}
	for path, text := range files {
		if err := tx.Write(path, []byte(text), datakit.ModeFile); err != nil {
			w.Fatal(err)
		}
	}
	c, err := tx.Commit(context.Background(), datakit.Message{Text: message, Author: datakit.Author{Name: "Ada", Email: "a@example"}})
	if err != nil {
		w.Fatal(err)
	}
	return c.Hash
}

func (w *world) find(src Source, id string) Run {
	w.Helper()
	r, err := Find(w.Context(), src, id)
	if err != nil {
		w.Fatal(err)
	}
	return r
}

func TestRun(t *testing.T) {
	w := newWorld(t)
	c, _ := w.join()
	reader, _ := w.join()
	source := w.commit("main", "Add a thing\n\nat length", map[string]string{"src/a.c": "int a;"})
	run, err := Begin(t.Context(), c, Spec{Pipeline: "build", Source: source, SourceBranch: "main", Offers: []Action{Rerun, Cancel}, Runner: "me"})
	if err != nil {
		t.Fatal(err)
	}
	id := ResultBranch("build", source) + "@1"
	got := w.find(reader, id)
	if got.Status != Running || got.Pipeline != "build" || got.Subject != "Add a thing" || got.Author != "Ada" ||
		got.SourceBranch != "main" || got.Trigger != "commit" || got.Source != source.String() || len(got.Offers) != 2 {
		t.Errorf("running: %+v", got)
	}
	run.Step("compile")
	fmt.Fprint(run, "\x1b[1mhello\x1b[0m\n")

	// The log is followed while it grows.
	followed, followError := &lockedBuffer{news: make(chan struct{}, 100)}, make(chan error, 1)
	go func() { followError <- Log(t.Context(), reader, id, true, followed) }()
	followed.wait(t, "\x1b[1mhello\x1b[0m\n")
	fmt.Fprint(run, "more\n")
	followed.wait(t, "\x1b[1mhello\x1b[0m\nmore\n")
	run.Step("test")
	run.Artefact("bin/a.out", func() (io.ReadCloser, error) { return io.NopCloser(strings.NewReader("ELF")), nil })
	fmt.Fprint(run, "end\n")
	result, err := run.Finish(t.Context(), Failed, "2 tests failed")
	if err != nil {
		t.Fatal(err)
	}
	if err := <-followError; err != nil || followed.String() != "\x1b[1mhello\x1b[0m\nmore\nend\n" {
		t.Errorf("followed %q, %v", followed.String(), err)
	}
	got = w.find(reader, id)
	if got.Status != Failed || got.Message != "2 tests failed" || got.Result != result.String() || got.Artefacts != 1 || got.LogBytes != 23 ||
		len(got.Steps) != 2 || got.Steps[0].Status != Passed || got.Steps[1].Status != Failed || got.Steps[1].Name != "test" ||
		got.Ended.Before(got.Started) || len(got.Offers) != 1 || got.Runner != "me" {
		t.Errorf("ended: %+v", got)
	}
	if b, err := reader.Snapshot(result).Read(t.Context(), "src/a.c"); err != nil || string(b) != "int a;" {
		t.Errorf("the result has not the source: %q, %v", b, err)
	}

	// A rerun is a further run on the same branch.
	if err := Act(t.Context(), reader, id, Cancel); !errors.Is(err, ErrNotOffered) {
		t.Errorf("cancel of what has ended: %v", err)
	}
	if err := Act(t.Context(), reader, id, Rerun); err != nil {
		t.Fatal(err)
	}
	head, err := c.Head(t.Context(), got.ResultBranch)
	if err != nil {
		t.Fatal(err)
	}
	if b, err := c.Snapshot(head).Read(t.Context(), RequestFile); err != nil || string(b) != "rerun 1\n" {
		t.Errorf("request %q, %v", b, err)
	}
	again, err := Begin(t.Context(), c, Spec{Pipeline: "build", Source: source, Trigger: "rerun"})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := again.Finish(t.Context(), Passed, ""); err != nil {
		t.Fatal(err)
	}
	runs, err := Runs(t.Context(), reader, "build", 0)
	if err != nil || len(runs) != 2 || runs[0].Number != 2 || runs[0].Status != Passed || runs[0].Trigger != "rerun" ||
		runs[0].Artefacts != 0 || runs[1].ID != id || runs[1].Status != Failed || runs[1].Artefacts != 1 {
		t.Errorf("%+v, %v", runs, err)
	}
	if runs, err := Runs(t.Context(), reader, "other", 0); err != nil || len(runs) != 0 {
		t.Errorf("%v, %v", runs, err)
	}
	for _, id := range []string{"", "x", "build-of-12@1", ResultBranch("build", source) + "@3", ResultBranch("build", source) + "@-1"} {
		if _, err := Find(t.Context(), reader, id); !errors.Is(err, ErrNoRun) {
			t.Errorf("%q: %v", id, err)
		}
	}
}

// TestLost: a run whose runner is gone is lost, after the grace time.
func TestLost(t *testing.T) {
	w := newWorld(t)
	c, _ := w.join()
	source := w.commit("main", "m", map[string]string{"f": "1"})
	status := func(started time.Time) map[string]string {
		return map[string]string{StatusFile: fmt.Sprintf("source %s\nstate running\nstarted %s\noffer cancel\noffer rerun\n", source, stamp(started))}
	}
	branch := ResultBranch("p", source)
	w.commit(branch, "begin", status(time.Now()))
	if r := w.find(c, branch+"@1"); r.Status != Running {
		t.Errorf("in the grace time: %+v", r)
	}
	// Another run has begun since: whatever the time, the first is lost.
	w.commit(branch, "begin again", status(time.Now().Add(time.Second)))
	if r := w.find(c, branch+"@1"); r.Status != Lost || len(r.Offers) != 1 || r.Offers[0] != Rerun {
		t.Errorf("%+v", r)
	}
	if r := w.find(c, branch+"@2"); r.Status != Running {
		t.Errorf("%+v", r)
	}
	old := fixedTime{c, time.Now().Add(-2 * grace)}
	if r := w.find(old, branch+"@2"); r.Status != Lost || r.Message == "" {
		t.Errorf("after the grace time: %+v", r)
	}
	tx, err := c.Begin(t.Context(), branch)
	if err != nil {
		t.Fatal(err)
	}
	if r := w.find(old, branch+"@2"); r.Status != Running {
		t.Errorf("with its transaction: %+v", r)
	}
	if err := tx.Close(); err != nil {
		t.Error(err)
	}
}

// TestHostile: what makes no sense is a failed run, and harms no other.
func TestHostile(t *testing.T) {
	w := newWorld(t)
	c, _ := w.join()
	good := w.commit("main", "m", map[string]string{"f": "1"})
	w.commit(ResultBranch("good", good), "r", map[string]string{StatusFile: fmt.Sprintf("source %s\nstate passed\nstarted 2026-01-02T03:04:05Z\nmessage a\x1b[31mred\x07 \u202eback\n", good)})
	w.commit(ResultBranch("none", good), "r", map[string]string{"f": "not a result"})
	for name, text := range map[string]string{
		"empty": "", "garbage": "\xff\xfe\x00", "state": "state done\n", "time": "started yesterday\n", "big": strings.Repeat("x\n", maxStatus),
		"steps": strings.Repeat("step passed - - x\n", maxSteps+1), "other": "source 0123456789012345678901234567890123456789\n",
		"backwards": fmt.Sprintf("source %s\nstate passed\nstarted 2026-01-02T03:04:05Z\nended 2025-01-02T03:04:05Z\n", good),
	} {
		w.commit(ResultBranch(name, good), "r", map[string]string{StatusFile: text})
	}
	unknown := datakit.Hash{1}
	w.commit(ResultBranch("nosource", unknown), "r", map[string]string{StatusFile: fmt.Sprintf("source %s\nstate passed\nstarted 2026-01-02T03:04:05Z\n", unknown)})
	runs, err := Runs(t.Context(), c, "", 0)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range runs {
		switch r.Pipeline {
		case "good":
			if r.Status != Passed || r.Message != "a[31mred back" {
				t.Errorf("%+v", r)
			}
		case "nosource":
			if r.Status != Passed || r.Subject != "" {
				t.Errorf("%+v", r)
			}
		default:
			if r.Status != Failed || !strings.Contains(r.Message, "cannot be read") {
				t.Errorf("%+v", r)
			}
		}
	}
	if len(runs) != 10 {
		t.Errorf("%d runs", len(runs))
	}
}

func TestWatch(t *testing.T) {
	w := newWorld(t)
	c, _ := w.join()
	source := w.commit("main", "m", map[string]string{"f": "1"})
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	src := struct {
		*client.Client
		Notifier
	}{c, w.server}
	seen := 0
	for runs, err := range Watch(ctx, src) {
		if err != nil {
			t.Fatal(err)
		}
		if len(runs) != seen {
			t.Fatalf("%d runs, want %d", len(runs), seen)
		}
		if seen++; seen == 4 {
			break
		}
		w.commit(ResultBranch(fmt.Sprint("p", seen), source), "r", map[string]string{StatusFile: fmt.Sprintf("source %s\nstate passed\nstarted 2026-01-02T03:04:05Z\n", source)})
	}
}

func BenchmarkRuns(b *testing.B) {
	w := newWorld(b)
	c, _ := w.join()
	source := w.commit("main", "m", map[string]string{"f": "1"})
	for i := range 1000 {
		w.commit(ResultBranch(fmt.Sprint("p", i), source), "r", map[string]string{LogFile: "x", StatusFile: fmt.Sprintf("source %s\nstate passed\nstarted 2026-01-02T03:04:05Z\n", source)})
	}
	for name, forget := range map[string]bool{"first": true, "again": false} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				if forget {
					kept.Lock()
					kept.runs = nil
					kept.Unlock()
				}
				if runs, err := Runs(b.Context(), c, "", 1000); err != nil || len(runs) != 1000 {
					b.Fatal(len(runs), err)
				}
			}
		})
	}
}

// fixedTime is a source whose branches were all changed at one time.
type fixedTime struct {
	*client.Client
	at time.Time
}
