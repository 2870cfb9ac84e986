package kernelmount

import (
	"context"
	"errors"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/slipway-desktop/slipway/backend/ninep"
	"github.com/slipway-desktop/slipway/backend/ninep/fusefs"
	"github.com/slipway-desktop/slipway/backend/ninep/synth"
)

type oneFile struct{}

func (oneFile) Attach(context.Context, ninep.AttachRequest) (ninep.Node, error) {
	return synth.NewDir("/", synth.NewFile("/hello", func(context.Context) ([]byte, error) { return []byte("hello\n"), nil })), nil
}
func (oneFile) Close() {}

// TestAuto mounts a tree by whatever this system has.
func TestAuto(t *testing.T) {
	if _, err := os.Stat("/dev/fuse"); err != nil {
		t.Skipf("cannot mount here: %v", err)
	}
	if _, err := exec.LookPath("fusermount3"); err != nil && os.Getuid() != 0 {
		t.Skipf("cannot mount here: %v", err)
	}
	home := t.TempDir()
	socket, dir := filepath.Join(home, "s"), filepath.Join(home, "mnt with space")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	serving, hangUp := context.WithCancel(context.Background())
	served := make(chan error, 1)
	server := ninep.Server{NewTree: func(net.Conn) (ninep.Tree, error) { return oneFile{}, nil }}
	go func() { served <- server.Serve(serving, l) }()
	defer func() {
		hangUp()
		if err := <-served; err != nil {
			t.Error(err)
		}
	}()

	for name, end := range map[string]func(cancel context.CancelFunc) error{
		"context": func(cancel context.CancelFunc) error { cancel(); return nil },
		"unmount": func(context.CancelFunc) error { return unix.Unmount(dir, 0) },
	} {
		t.Run(name, func(t *testing.T) {
			ctx, cancel := context.WithCancel(context.Background())
			defer cancel()
			ready, result := make(chan struct{}), make(chan error, 1)
			go func() {
				result <- Auto(ctx, dir, "unix", socket, fusefs.Options{Ready: func() { close(ready) }})
			}()
			select {
			case <-ready:
			case err := <-result:
				t.Fatal(err)
			}
			if b, err := os.ReadFile(filepath.Join(dir, "hello")); err != nil || string(b) != "hello\n" {
				t.Errorf("%q, %v", b, err)
			}
			if err := end(cancel); err != nil {
				t.Error(err)
			}
			if err := <-result; err != nil {
				t.Error(err)
			}
		})
	}
}

func TestNoServer(t *testing.T) {
	err := Auto(t.Context(), t.TempDir(), "unix", filepath.Join(t.TempDir(), "none"), fusefs.Options{})
	if err == nil || errors.Is(err, ErrNoKernel) {
		t.Error(err)
	}
}

func TestOptions(t *testing.T) {
	if o := options(7, false); !strings.HasPrefix(o, "trans=fd,rfdno=7,wfdno=7,version=9p2000.L,") || !strings.Contains(o, ",access=0") && os.Getuid() == 0 {
		t.Error(o)
	}
	for err, want := range map[error]bool{unix.ENODEV: true, unix.EPERM: true, unix.ECONNREFUSED: false, unix.ENOTDIR: false} {
		if impossible(err) != want {
			t.Errorf("%v: %v", err, !want)
		}
	}
}
