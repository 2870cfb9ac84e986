package fusefs

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/slipway-desktop/slipway/backend/ninep"
)

// mounting is a tree that is served and mounted until the test ends.
type mounting struct {
	*testing.T
	tree   *memTree
	dir    string
	cancel context.CancelFunc // unmounts
	hangUp context.CancelFunc // ends the server
	result chan error         // of Mount
}

func mountTree(t *testing.T) *mounting {
	t.Helper()
	if _, err := os.Stat("/dev/fuse"); err != nil {
		t.Skipf("cannot mount here: %v", err)
	}
	if os.Getuid() != 0 {
		if _, err := exec.LookPath("fusermount3"); err != nil {
			t.Skipf("cannot mount here: %v (package fuse3)", err)
		}
	}
	m := &mounting{T: t, tree: newMemTree(), dir: t.TempDir(), result: make(chan error, 1)}
	serving, hangUp := context.WithCancel(context.Background())
	mounted, cancel := context.WithCancel(context.Background())
	m.cancel, m.hangUp = cancel, hangUp
	a, b := net.Pipe()
	served := make(chan error, 1)
	server := ninep.Server{NewTree: func(net.Conn) (ninep.Tree, error) { return m.tree, nil }}
	go func() { served <- server.ServeConn(serving, a) }()
	client, err := ninep.NewClient(context.Background(), b, ninep.AttachRequest{Name: "plain"})
	if err != nil {
		t.Fatal(err)
	}
	ready := make(chan struct{})
	go func() { m.result <- Mount(mounted, m.dir, client, Options{Ready: func() { close(ready) }}) }()
	t.Cleanup(func() {
		cancel()
		select {
		case err := <-m.result:
			if err != nil {
				t.Errorf("Mount: %v", err)
			}
		case <-time.After(10 * time.Second):
			t.Error("Mount does not return")
		}
		if client.Err() == nil && m.tree.open.Load() != 0 {
			t.Errorf("%d files are left open", m.tree.open.Load())
		}
		client.Close()
		hangUp()
		if err := <-served; err != nil {
			t.Errorf("server: %v", err)
		}
		if text, _ := os.ReadFile("/proc/self/mounts"); strings.Contains(string(text), m.dir) {
			t.Errorf("%s is still mounted", m.dir)
		}
	})
	select {
	case <-ready:
	case err := <-m.result:
		m.result <- nil
		t.Fatalf("Mount: %v", err)
	}
	return m
}

// sh runs a script in the mount; it must succeed.
func (m *mounting) sh(script string) string {
	m.Helper()
	out, err := m.try(script)
	if err != nil {
		m.Fatalf("%s\n%v\n%s", script, err, out)
	}
	return out
}

func (m *mounting) try(script string) (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	out, err := m.command(ctx, script).CombinedOutput()
	return string(out), err
}

// command runs a script in the mount. It goes there by itself: were it to begin
// there, this process would wait in fork, with a processor of its own, for an answer
// that it has to give itself.
func (m *mounting) command(ctx context.Context, script string) *exec.Cmd {
	return exec.CommandContext(ctx, "bash", "-ec", `cd "$0"; `+script, m.dir)
}

func (m *mounting) want(script, want string) {
	m.Helper()
	if got := m.sh(script); got != want {
		m.Errorf("%s\ngives %q, want %q", script, got, want)
	}
}

func TestFiles(t *testing.T) {
	m := mountTree(t)
	m.want(`mkdir -p a/b; echo hello >a/b/f; cat a/b/f; ls a; stat -c %s a/b/f`, "hello\nb\n6\n")
	m.want(`echo more >>a/b/f; cat a/b/f`, "hello\nmore\n")
	m.want(`truncate -s 3 a/b/f; cat a/b/f; echo; : >a/b/f; stat -c %s a/b/f`, "hel\n0\n")
	m.want(`echo '#!/bin/sh
echo ran' >run; chmod +x run; ./run; stat -c %A run`, "ran\n-rwxr-xr-x\n")
	m.want(`ln -s a/b link; readlink link; echo x >link/y; cat a/b/y`, "a/b\nx\n")
	m.want(`mv a/b/y z; cat z; test ! -e a/b/y && mv z run; cat run`, "x\nx\n")
	m.want(`cd a/b; mv ../../a ../../c; pwd -P | tail -c 5; echo here >w; cat ../../c/b/w`, "/c/b\nhere\n")
	m.want(`rm -r c link run; ls`, "ctl\nlive\n")
	m.want(`rmdir nothing 2>&1 || true; cat nothing 2>&1 || true`, "rmdir: failed to remove 'nothing': No such file or directory\ncat: nothing: No such file or directory\n")
	m.want(`echo old >f; exec 3<f; echo newer >f; cat <&3; cat f`, "newer\nnewer\n")
	m.want(`head -c 3000000 /dev/urandom >f; cp f g; cmp f g; dd if=f of=g bs=7777 conv=notrunc 2>/dev/null; cmp f g; stat -c %s g`, "3000000\n")
	m.want(`sed -i s/x/y/ ctl 2>/dev/null || true; cp /bin/true prog; chmod +x prog; ./prog && echo ok`, "ok\n")
}

func TestLargeDirectory(t *testing.T) {
	m := mountTree(t)
	for i := range 10_000 {
		if _, err := (dirNode{m.tree.root}).add(fmt.Sprintf("file-%05d", i), ninep.ModeRegular|0o644, ""); err != nil {
			t.Fatal(err)
		}
	}
	entries, err := os.ReadDir(m.dir)
	if err != nil || len(entries) != 10_002 {
		t.Errorf("%d entries, %v", len(entries), err)
	}
	if last := entries[len(entries)-1].Name(); last != "live" {
		t.Errorf("last is %s", last)
	}
}

// TestRefused: the error number of a refused write reaches the program, and the
// reason is in the attribute until a write succeeds.
func TestRefused(t *testing.T) {
	m := mountTree(t)
	ctl := filepath.Join(m.dir, "ctl")
	out, err := m.try(`echo nonsense >ctl`)
	if err == nil || !strings.Contains(out, "Input/output error") {
		t.Errorf("%v: %s", err, out)
	}
	value := make([]byte, 100)
	n, err := unix.Getxattr(ctl, ErrorXattr, value)
	if err != nil || string(value[:n]) != `unknown command "nonsense\n"` {
		t.Errorf("%q, %v", value[:max(0, n)], err)
	}
	if n, err := unix.Listxattr(ctl, value); err != nil || string(value[:n]) != ErrorXattr+"\x00" {
		t.Errorf("%q, %v", value[:max(0, n)], err)
	}
	m.sh(`echo ok >ctl`)
	if _, err := unix.Getxattr(ctl, ErrorXattr, value); !errors.Is(err, unix.ENODATA) {
		t.Errorf("after success: %v", err)
	}
}

// TestLive: a read gives what there is at once, and a shell that takes two lines in
// one read still gets each.
func TestLive(t *testing.T) {
	m := mountTree(t)
	cmd := m.command(t.Context(), `while read line; do echo "<$line>"; if test "$line" = end; then exit; fi; done <live`)
	var out bytes.Buffer
	cmd.Stdout = &out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	<-m.tree.waiting
	m.tree.news <- "one\ntwo\nthr"
	<-m.tree.waiting
	m.tree.news <- "ee\nend\n"
	if err := cmd.Wait(); err != nil || out.String() != "<one>\n<two>\n<three>\n<end>\n" {
		t.Errorf("%v: %q", err, out.String())
	}
}

// TestKilledReader: the server learns that nobody waits any more.
func TestKilledReader(t *testing.T) {
	m := mountTree(t)
	cmd := exec.Command("cat", filepath.Join(m.dir, "live"))
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	<-m.tree.waiting
	began := time.Now()
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	select {
	case <-m.tree.released:
	case <-time.After(5 * time.Second):
		t.Fatal("the read goes on without its reader")
	}
	_ = cmd.Wait() // it was killed
	t.Logf("released after %v", time.Since(began))
}

// TestUnmountInUse: a directory that is in use is unmounted all the same, and a
// reader that waits gets an error.
func TestUnmountInUse(t *testing.T) {
	m := mountTree(t)
	cmd := exec.Command("cat", filepath.Join(m.dir, "live"))
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	<-m.tree.waiting
	m.cancel()
	if err := cmd.Wait(); err == nil {
		t.Error("cat took the end of the mount for the end of the file")
	}
}

// TestLostConnection: Mount says so, and leaves no directory that hangs.
func TestLostConnection(t *testing.T) {
	m := mountTree(t)
	f, err := os.Open(m.dir) // it is in use
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	m.hangUp()
	select {
	case err := <-m.result:
		if !errors.Is(err, ninep.ErrClosed) {
			t.Errorf("Mount: %v", err)
		}
	case <-time.After(10 * time.Second):
		t.Fatal("Mount does not notice")
	}
	m.result <- nil
	if entries, err := os.ReadDir(m.dir); err != nil || len(entries) != 0 {
		t.Errorf("%v, %v", entries, err)
	}
}

func TestMountPoint(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := Mount(t.Context(), file, nil, Options{}); !errors.Is(err, unix.ENOTDIR) {
		t.Errorf("on a file: %v", err)
	}
	if err := Mount(t.Context(), file+"-not", nil, Options{}); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("on nothing: %v", err)
	}
}
