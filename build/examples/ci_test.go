// Package examples runs the samples of this directory for real, so that they stay
// true: a data store that is served and mounted, and git beside it.
package examples

import (
	"bufio"
	"bytes"
	"context"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/slipway-desktop/slipway/backend/datakit"
	"github.com/slipway-desktop/slipway/backend/datakit/client"
	"github.com/slipway-desktop/slipway/backend/pipeline"
)

// patience is how long what has to happen may take.
const patience = 30 * time.Second

// lab is a served and mounted repository, a clone to work in, and a client to look.
type lab struct {
	*testing.T
	home, addr string
	program    string
	*client.Client
}

func newLab(t *testing.T) *lab {
	if _, err := os.Stat("/dev/fuse"); err != nil {
		t.Skipf("cannot mount here: %v", err)
	}
	for _, tool := range []string{"bash", "git"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skip(err)
		}
	}
	home, err := os.MkdirTemp("", "ci") // a socket's path has to be short
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(home) })
	l := &lab{T: t, home: home, addr: "unix://" + home + "/s", program: filepath.Join(home, "slipway")}
	l.run("go", "build", "-o", l.program, "github.com/slipway-desktop/slipway/backend/cmd/slipway")
	l.start("ready", l.program, "data", "serve", "--git", home+"/repo.git", "--listen", l.addr)
	if l.Client, err = client.Dial(t.Context(), l.addr); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Client.Close() })
	l.run("git", "init", "-q", "-b", "main", home+"/work")
	l.run("git", "-C", home+"/work", "remote", "add", "origin", home+"/repo.git")
	return l
}

// run runs a program to its end.
func (l *lab) run(name string, args ...string) string {
	l.Helper()
	cmd := exec.Command(name, args...)
	cmd.Env = append(os.Environ(), "GIT_CONFIG_GLOBAL=/dev/null", "GIT_CONFIG_NOSYSTEM=1",
		"GIT_AUTHOR_NAME=Ada", "GIT_AUTHOR_EMAIL=ada@example", "GIT_COMMITTER_NAME=Ada", "GIT_COMMITTER_EMAIL=ada@example")
	out, err := cmd.CombinedOutput()
	if err != nil {
		l.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, out)
	}
	return strings.TrimSpace(string(out))
}

// start runs a program until stop is called, which kills it if hard, or the end of
// the test. It returns when the program has printed a line that holds ready.
func (l *lab) start(ready, name string, args ...string) (stop func(hard bool)) {
	l.Helper()
	cmd := exec.Command(name, args...)
	var errOut bytes.Buffer
	cmd.Stderr = &errOut
	cmd.WaitDelay = time.Second // children may be left that hold its output
	out := io.NopCloser(strings.NewReader(""))
	if ready != "" {
		var err error
		if out, err = cmd.StdoutPipe(); err != nil {
			l.Fatal(err)
		}
	}
	if err := cmd.Start(); err != nil {
		l.Fatal(err)
	}
	seen, drained := make(chan bool, 1), make(chan struct{})
	go func(wanted string) {
		defer close(drained)
		lines := bufio.NewScanner(out)
		for lines.Scan() {
			if wanted != "" && strings.Contains(lines.Text(), wanted) {
				seen <- true
				wanted = ""
			}
		}
		_, _ = io.Copy(io.Discard, out) // a line that was too long
	}(ready)
	stopped := false
	stop = func(hard bool) {
		if stopped {
			return
		}
		stopped = true
		signal := os.Interrupt
		if hard {
			signal = os.Kill
		}
		_ = cmd.Process.Signal(signal)
		late := time.AfterFunc(10*time.Second, func() { _ = cmd.Process.Kill(); l.Errorf("%s does not end", name) })
		<-drained
		_ = cmd.Wait() // it was told to end
		late.Stop()
		if l.Failed() {
			l.Logf("%s %s said:\n%s", name, strings.Join(args, " "), errOut.String())
		}
	}
	l.Cleanup(func() { stop(false) })
	if ready == "" {
		return stop
	}
	select {
	case <-seen:
	case <-drained:
		l.Fatalf("%s ended: %s", name, errOut.String())
	case <-time.After(patience):
		l.Fatalf("%s is not ready: %s", name, errOut.String())
	}
	return stop
}

// mount shows the store at a directory of this name.
func (l *lab) mount(name string) (dir string, stop func(hard bool)) {
	l.Helper()
	dir = filepath.Join(l.home, name)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		l.Fatal(err)
	}
	return dir, l.start("ready", l.program, "data", "mount", "--addr", l.addr, dir)
}

// push commits a file in the clone and pushes it, as anybody would.
func (l *lab) push(file, text string) datakit.Hash {
	l.Helper()
	work := filepath.Join(l.home, "work")
	if err := os.WriteFile(filepath.Join(work, file), []byte(text), 0o700); err != nil {
		l.Fatal(err)
	}
	l.run("git", "-C", work, "add", "-A")
	l.run("git", "-C", work, "commit", "-q", "-m", "Change "+file)
	l.run("git", "-C", work, "push", "-q", "origin", "main")
	h, err := datakit.ParseHash(l.run("git", "-C", work, "rev-parse", "HEAD"))
	if err != nil {
		l.Fatal(err)
	}
	return h
}

// await returns the n-th run on a source when it is in a state.
func (l *lab) await(source datakit.Hash, n int, state pipeline.State) pipeline.Run {
	l.Helper()
	ctx, cancel := context.WithTimeout(l.Context(), patience)
	defer cancel()
	var last []pipeline.Run
	for runs, err := range pipeline.Watch(ctx, l.Client) {
		if err != nil {
			l.Fatal(err)
		}
		last = runs
		for _, r := range runs {
			if r.Source == source.String() && r.Number == n && r.Status == state {
				return r
			}
		}
	}
	l.Fatalf("run %d of %s is not %s but:\n%+v", n, source.Short(), state, last)
	return pipeline.Run{}
}

func (l *lab) log(r pipeline.Run) string {
	l.Helper()
	var b bytes.Buffer
	if err := pipeline.Log(l.Context(), l.Client, r.ID, false, &b); err != nil {
		l.Error(err)
	}
	return b.String()
}

// awaitLog waits until the live log of a run holds a text.
func (l *lab) awaitLog(r pipeline.Run, text string) {
	l.Helper()
	ctx, cancel := context.WithTimeout(l.Context(), patience)
	defer cancel()
	r1, w := io.Pipe()
	go func() { w.CloseWithError(pipeline.Log(ctx, l.Client, r.ID, true, w)) }()
	defer r1.Close()
	lines := bufio.NewScanner(r1)
	for lines.Scan() {
		if strings.Contains(lines.Text(), text) {
			return
		}
	}
	l.Fatalf("the log of %s has no %q: %v", r.ID, text, lines.Err())
}

// TestCI is the story of the sample: git push, and the results appear.
func TestCI(t *testing.T) {
	l := newLab(t)
	dir, unmount := l.mount("mnt")
	script, err := filepath.Abs("ci.sh")
	if err != nil {
		t.Fatal(err)
	}
	ci := []string{script, dir, "main", "build", `sh build.sh`, `mkdir -p artefacts; wc -c <build.sh >artefacts/size`}
	endCI := l.start("", "bash", ci...)

	source := l.push("build.sh", "echo compiling\n")
	r := l.await(source, 1, pipeline.Passed)
	if got := l.log(r); got != "compiling\n" || r.Subject != "Change build.sh" || r.Author != "Ada" || r.SourceBranch != "main" ||
		len(r.Steps) != 2 || r.Steps[0].Status != pipeline.Passed || r.Artefacts != 1 {
		t.Errorf("%+v\n%q", r, got)
	}

	source = l.push("build.sh", "echo compiling; echo oops >&2; exit 3\n")
	r = l.await(source, 1, pipeline.Failed)
	if got := l.log(r); got != "compiling\noops\n" || len(r.Steps) != 1 || r.Steps[0].Status != pipeline.Failed || r.Artefacts != 0 {
		t.Errorf("%+v\n%q", r, got)
	}
	if err := pipeline.Act(t.Context(), l.Client, r.ID, pipeline.Rerun); err != nil {
		t.Fatal(err)
	}
	if r = l.await(source, 2, pipeline.Failed); r.Trigger != "rerun" {
		t.Errorf("%+v", r)
	}

	source = l.push("build.sh", "echo working; exec sleep 1000\n")
	r = l.await(source, 1, pipeline.Running)
	l.awaitLog(r, "working")
	if err := pipeline.Act(t.Context(), l.Client, r.ID, pipeline.Cancel); err != nil {
		t.Fatal(err)
	}
	l.await(source, 1, pipeline.Cancelled)

	// Everything is ordinary git.
	l.run("git", "-C", l.home+"/repo.git", "fsck", "--full", "--strict")

	// A runner that dies with its machine, and so with its mount, leaves a lost run.
	pidFile := filepath.Join(l.home, "pid")
	source = l.push("build.sh", "echo $$ >"+pidFile+"; echo working again; exec sleep 1000\n")
	l.awaitLog(l.await(source, 1, pipeline.Running), "working again")
	endCI(true)
	if pid, err := os.ReadFile(pidFile); err != nil {
		t.Error(err)
	} else {
		defer l.run("kill", strings.TrimSpace(string(pid)))
	}
	unmount(true)
	l.run("umount", "-l", dir)
	l.await(source, 1, pipeline.Lost)
}
