package control

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"time"

	"github.com/slipway-desktop/slipway/backend/ninep"
)

// maxSocketPath is what the shortest of our systems (macOS) takes for the path of
// a Unix socket, without the byte that ends it.
const maxSocketPath = 103

// Listen makes the socket of a control tree: only its owner can open it, and its
// directory, which is made if need be, is the owner's alone. A socket that an
// engine left behind is replaced; one that somebody answers on is CodeTaken.
// The listener removes the socket when it is closed.
func Listen(path string) (net.Listener, error) {
	if len(path) > maxSocketPath {
		return nil, Errorf(CodeInvalid, "the path of the control socket is too long: %d bytes in %s", len(path), path).
			WithHint("choose a home with a path shorter by %d with SLIPWAY_HOME", len(path)-maxSocketPath)
	}
	dir := filepath.Dir(path)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("make the directory of the control socket: %w", err)
	}
	if err := makePrivate(dir); err != nil {
		return nil, err
	}
	if err := removeStale(path); err != nil {
		return nil, err
	}
	l, err := net.Listen("unix", path)
	if err != nil {
		return nil, fmt.Errorf("make the control socket: %w", err)
	}
	if err := os.Chmod(path, 0o600); err != nil {
		l.Close()
		return nil, fmt.Errorf("protect the control socket: %w", err)
	}
	return l, nil
}

// makePrivate closes the socket's directory to others. One that others share,
// such as /tmp, is not ours to close.
func makePrivate(dir string) error {
	info, err := os.Stat(dir)
	if err != nil {
		return fmt.Errorf("check the directory of the control socket: %w", err)
	}
	if info.Mode()&fs.ModeSticky != 0 {
		return Errorf(CodeDenied, "the control socket would be in %s, which others share", dir).
			WithHint("choose a directory of your own with SLIPWAY_HOME")
	}
	if err := os.Chmod(dir, 0o700); err != nil {
		return &Error{
			Code: CodeDenied, Message: fmt.Sprintf("the directory %s belongs to somebody else", dir),
			Hint: "choose a directory of your own with SLIPWAY_HOME", Err: err,
		}
	}
	return nil
}

// removeStale removes a socket that nobody answers on.
func removeStale(path string) error {
	info, err := os.Lstat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("check the control socket: %w", err)
	}
	if info.Mode()&fs.ModeSocket == 0 {
		return Errorf(CodeExists, "%s is in the way of the control socket", path).WithHint("move it away")
	}
	if c, err := net.DialTimeout("unix", path, time.Second); err == nil {
		c.Close()
		return Errorf(CodeTaken, "an engine answers on %s already", path).WithHint("use it, or stop it with `slipway down`")
	}
	if err := os.Remove(path); err != nil {
		return fmt.Errorf("remove the control socket of an engine that is gone: %w", err)
	}
	return nil
}

// Serve shows the tree of s on l until ctx ends, then closes l and returns when
// all that goes on for its clients has ended. log may be nil.
func Serve(ctx context.Context, l net.Listener, s Sources, log *slog.Logger) error {
	server := ninep.Server{Log: log, NewTree: func(c net.Conn) (ninep.Tree, error) {
		return newTree(s, ninep.PeerOf(c)), nil
	}}
	if err := server.Serve(ctx, l); err != nil {
		return fmt.Errorf("serve the control tree: %w", err)
	}
	return nil
}
