package tree

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/slipway-desktop/slipway/backend/datakit"
	"github.com/slipway-desktop/slipway/backend/ninep"
)

// onSocket connects a client over a Unix socket, as programs do.
func (w *world) onSocket(path string) *guest {
	w.t.Helper()
	l, err := net.Listen("unix", path)
	if err != nil {
		w.t.Fatal(err)
	}
	defer l.Close()
	client, err := net.Dial("unix", path)
	if err != nil {
		w.t.Fatal(err)
	}
	server, err := l.Accept()
	if err != nil {
		w.t.Fatal(err)
	}
	return w.connect(client, server, ninep.Peer{UID: os.Getuid()}, "plain")
}

// thousand commits a tree of 1,000 files at depth 3.
func thousand(b *testing.B, store *datakit.Store) {
	t, err := store.Begin(b.Context(), "main")
	if err != nil {
		b.Fatal(err)
	}
	for i := range 1000 {
		if err := t.Write(fmt.Sprintf("d%d/d%d/f%d", i/100, i/10%10, i%10), []byte(fmt.Sprintln("file", i)), datakit.ModeFile); err != nil {
			b.Fatal(err)
		}
	}
	if _, err := t.Commit(b.Context(), datakit.Message{Text: "tree"}); err != nil {
		b.Fatal(err)
	}
}

// BenchmarkTransaction makes a transaction, changes one file of 1,000 and commits,
// through one connection and durably; beside it, git commit.
func BenchmarkTransaction(b *testing.B) {
	w := newDiskWorld(b, Options{})
	thousand(b, w.store)
	u := w.onSocket(filepath.Join(b.TempDir(), "s"))
	all, err := u.Root().Walk(u.ctx, "branch", "main", "transactions")
	u.must(err)
	defer all.Close()
	asked := u.asked.Load()
	for i := 0; b.Loop(); i++ {
		u.must(all.Mkdir(u.ctx, "t", 0o775))
		f, err := all.Walk(u.ctx, "t", "rw", "d3", "d3", "f3")
		u.must(err)
		u.must(f.Open(u.ctx, ninep.WriteOnly|ninep.Truncate))
		_, err = f.WriteAt(u.ctx, []byte(fmt.Sprintln("change", i)), 0)
		u.must(err)
		u.must(f.Close())
		ctl, err := all.Walk(u.ctx, "t", "ctl")
		u.must(err)
		u.must(ctl.Open(u.ctx, ninep.WriteOnly))
		_, err = ctl.WriteAt(u.ctx, []byte("commit"), 0)
		u.must(err)
		u.must(ctl.Close())
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "commits/s")
	b.ReportMetric(float64(u.asked.Load()-asked)/float64(b.N), "round-trips/commit")
}

func BenchmarkGitCommit(b *testing.B) {
	dir := b.TempDir()
	git := func(args ...string) {
		c := exec.Command("git", append([]string{"-C", dir, "-c", "user.name=x", "-c", "user.email=x@x", "-c", "gc.auto=0"}, args...)...)
		if out, err := c.CombinedOutput(); err != nil {
			b.Fatalf("git %v: %v: %s", args, err, out)
		}
	}
	git("init", "-q")
	for i := range 1000 {
		path := fmt.Sprintf("%s/d%d/d%d/f%d", dir, i/100, i/10%10, i%10)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			b.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(fmt.Sprintln("file", i)), 0o644); err != nil {
			b.Fatal(err)
		}
	}
	git("add", ".")
	git("commit", "-q", "-m", "tree")
	for i := 0; b.Loop(); i++ {
		if err := os.WriteFile(dir+"/d3/d3/f3", []byte(fmt.Sprintln("change", i)), 0o644); err != nil {
			b.Fatal(err)
		}
		git("commit", "-q", "-a", "-m", "change")
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "commits/s")
}

// BenchmarkWake measures from the moment that a commit is acknowledged to when a
// reader of tree.live has its line.
func BenchmarkWake(b *testing.B) {
	for _, watchers := range []int{1, 1000} {
		b.Run(fmt.Sprint(watchers), func(b *testing.B) { benchWake(b, watchers) })
	}
}

func benchWake(b *testing.B, watchers int) {
	w := newDiskWorld(b, Options{})
	thousand(b, w.store)
	var clients []*guest // a client has at most 512 calls under way
	for i := range (watchers + 249) / 250 {
		clients = append(clients, w.onSocket(filepath.Join(b.TempDir(), fmt.Sprint(i))))
	}
	u := clients[0]
	ctx, cancel := context.WithCancel(b.Context())
	defer cancel()
	woken := make(chan time.Time, watchers)
	ended := make(chan struct{}, watchers)
	for i := range watchers {
		s := clients[i/250].follow("branch/main/watch/d3.node/d3.node/f3.node/tree.live")
		s.next()
		go func() {
			defer func() { ended <- struct{}{} }()
			p := make([]byte, 64)
			for {
				n, err := s.f.ReadAt(ctx, p, s.offset)
				if err != nil {
					return
				}
				s.offset += int64(n)
				woken <- time.Now()
			}
		}()
	}
	var waits []time.Duration
	for i := 0; b.Loop(); i++ {
		t, err := w.store.Begin(ctx, "main")
		u.must(err)
		u.must(t.Write("d3/d3/f3", []byte(fmt.Sprintln("wake", i)), datakit.ModeFile))
		// Readers are told before Commit returns: the point is its own clock.
		p, release, err := w.s.hub.watch("main", pointKey{})
		u.must(err)
		_, _, changed := p.get()
		at := make(chan time.Time, 1)
		go func() { <-changed; at <- time.Now() }()
		_, err = t.Commit(ctx, datakit.Message{})
		u.must(err)
		began := <-at
		for range watchers {
			waits = append(waits, max(0, (<-woken).Sub(began)))
		}
		release()
	}
	cancel()
	for range watchers {
		<-ended
	}
	slices.Sort(waits)
	b.ReportMetric(float64(waits[len(waits)/2].Microseconds()), "p50-µs")
	b.ReportMetric(float64(waits[len(waits)*99/100].Microseconds()), "p99-µs")
}

// BenchmarkWakeAlone is BenchmarkWake without 9P: from the move of a branch to when
// the last of 1,000 handles has its line.
func BenchmarkWakeAlone(b *testing.B) {
	const watchers = 1000
	w := newWorld(b, Options{})
	x := w.s.Session(ninep.Peer{UID: -1})
	defer x.Close()
	v := x.Root(ninep.AttachRequest{Name: "plain"}).(*dir).v
	ctx, cancel := context.WithCancel(b.Context())
	woken := make(chan struct{}, watchers)
	ended := make(chan struct{}, watchers)
	for range watchers {
		h, err := v.watch("w", "main", "head", pointKey{}).Open(ctx, ninep.ReadOnly)
		if err != nil {
			b.Fatal(err)
		}
		go func() {
			defer func() { h.Close(); ended <- struct{}{} }()
			p, offset := make([]byte, 64), int64(0)
			for {
				n, err := h.(ninep.Reader).ReadAt(ctx, p, offset)
				if err != nil {
					return
				}
				offset += int64(n)
				woken <- struct{}{}
			}
		}()
	}
	for range watchers {
		<-woken
	}
	w.s.hub.mu.Lock()
	branch := w.s.hub.branches["main"]
	w.s.hub.mu.Unlock()
	branch.mu.Lock()
	point := branch.points[pointKey{}]
	branch.mu.Unlock()
	for i := 0; b.Loop(); i++ {
		point.set(fmt.Sprint(i))
		for range watchers {
			<-woken
		}
	}
	cancel()
	for range watchers {
		<-ended
	}
}
