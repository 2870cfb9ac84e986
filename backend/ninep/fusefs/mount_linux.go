package fusefs

import (
	"context"
	"errors"
	"fmt"
	"log"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/hanwen/go-fuse/v2/fuse"
	"golang.org/x/sys/unix"

	"github.com/slipway-desktop/slipway/backend/ninep"
)

const (
	maxTransfer = 128 << 10 // bytes of one read or write
	// How long an unmounted file system may be kept by processes that use it, where
	// it cannot be aborted.
	detachPatience = 5 * time.Second
)

// Mount shows client's tree at dir, an existing directory, until ctx ends, somebody
// unmounts it, or the connection is lost; then it unmounts, closes the files it has
// open on client, and returns. The error is nil but for a mount that failed and a
// connection that was lost (ninep.ErrClosed). client stays its caller's.
func Mount(ctx context.Context, dir string, client *ninep.Client, opt Options) error {
	if opt.Log == nil {
		opt.Log = slog.New(slog.DiscardHandler)
	}
	dir, err := filepath.Abs(dir)
	if err != nil {
		return fmt.Errorf("mount %s: %w", dir, err)
	}
	if err := checkMountPoint(dir); err != nil {
		return err
	}
	b := newBridge(client, opt)
	defer b.close()
	server, err := fuse.NewServer(b, dir, mountOptions(opt))
	if err != nil {
		return fmt.Errorf("mount %s: %w", dir, explainMount(err))
	}
	served := make(chan struct{})
	go func() {
		defer close(served)
		server.Serve()
	}()
	m := &mounted{dir: dir, served: served}
	if err := server.WaitMount(); err != nil {
		m.unmount(opt.Log)
		return fmt.Errorf("mount %s: %w", dir, err)
	}
	m.device = deviceOf(dir)
	if opt.Ready != nil {
		opt.Ready()
	}
	select {
	case <-served: // somebody has unmounted it
		return nil
	case <-ctx.Done():
		m.unmount(opt.Log)
		return nil
	case <-client.Done():
		m.unmount(opt.Log)
		return fmt.Errorf("unmounted %s: %w", dir, client.Err())
	}
}

func mountOptions(opt Options) *fuse.MountOptions {
	o := &fuse.MountOptions{
		AllowOther: opt.AllowOther,
		FsName:     "slipway",
		Name:       "slipway",
		MaxWrite:   maxTransfer,
		// A stream's reads come in order, one at a time.
		SyncRead:             true,
		IgnoreSecurityLabels: true, // else each write asks for one
		DisableReadDirPlus:   true, // it would look up names that nobody wants
		DirectMount:          true, // root needs no fusermount3
		ExtraCapabilities:    fuse.CAP_ATOMIC_O_TRUNC | fuse.CAP_DIRECT_IO_ALLOW_MMAP,
		Logger:               log.New(logWriter{opt.Log}, "", 0),
	}
	if opt.AllowOther {
		o.Options = append(o.Options, "default_permissions")
	}
	return o
}

// logWriter passes go-fuse's complaints on.
type logWriter struct{ log *slog.Logger }

func (w logWriter) Write(p []byte) (int, error) {
	w.log.Debug("FUSE", "message", strings.TrimSpace(string(p)))
	return len(p), nil
}

func checkMountPoint(dir string) error {
	info, err := os.Stat(dir)
	if errors.Is(err, unix.ENOTCONN) {
		return fmt.Errorf("mount %s: an earlier mount is left there; `fusermount3 -uz %s` removes it: %w", dir, dir, err)
	}
	if err != nil {
		return fmt.Errorf("mount: %w", err)
	}
	if !info.IsDir() {
		return fmt.Errorf("mount %s: %w", dir, unix.ENOTDIR)
	}
	return nil
}

// explainMount says what to do where it is known.
func explainMount(err error) error {
	if errors.Is(err, exec.ErrNotFound) {
		return fmt.Errorf("%w; install fusermount3 (package fuse3)", err)
	}
	if _, statErr := os.Stat("/dev/fuse"); statErr != nil {
		return fmt.Errorf("%w; this system has no /dev/fuse (try `modprobe fuse`)", err)
	}
	return err
}

// deviceOf names the connection of a mount below /sys/fs/fuse; 0 if it is unknown.
func deviceOf(dir string) uint32 {
	var st unix.Stat_t
	if unix.Stat(dir, &st) != nil {
		return 0
	}
	return unix.Minor(st.Dev)
}

type mounted struct {
	dir    string
	device uint32
	served <-chan struct{} // closed when the last request was answered
}

// unmount returns when nothing is served any more. A mount that is in use is taken
// out of the tree and its connection is cut, so that who uses it gets errors.
func (m *mounted) unmount(log *slog.Logger) {
	if err := detach(m.dir, false); err == nil {
		<-m.served
		return
	}
	err := detach(m.dir, true)
	if err != nil {
		log.Warn("cannot unmount", "dir", m.dir, "error", err)
	}
	if m.device != 0 {
		abort := fmt.Sprintf("/sys/fs/fuse/connections/%d/abort", m.device)
		_ = os.WriteFile(abort, []byte("1"), 0) // not there: cut already, or fusectl is not mounted
	}
	select {
	case <-m.served:
	case <-time.After(detachPatience):
		log.Warn("a directory is unmounted, but processes still use it", "dir", m.dir)
	}
}

// detach unmounts dir, by force even if it is in use.
func detach(dir string, force bool) error {
	flags, option := 0, "-u"
	if force {
		flags, option = unix.MNT_FORCE|unix.MNT_DETACH, "-uz"
	}
	err := unix.Unmount(dir, flags)
	if !errors.Is(err, unix.EPERM) {
		return err
	}
	out, err := exec.Command("fusermount3", option, "--", dir).CombinedOutput()
	if errors.Is(err, exec.ErrNotFound) {
		out, err = exec.Command("fusermount", option, "--", dir).CombinedOutput()
	}
	if err != nil {
		return fmt.Errorf("%w: %s", err, strings.TrimSpace(string(out)))
	}
	return nil
}
