package tree

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"time"
)

// ListenOptions say what Listen may do.
type ListenOptions struct {
	// Remote allows TCP addresses that other machines can reach. Nobody is
	// authenticated there.
	Remote bool
}

// Listen listens at unix://PATH or tcp://HOST:PORT. A socket can be opened by its
// owner only; one that a dead server left is replaced, one that a server answers
// at is refused. The listener removes its socket when it is closed.
func Listen(ctx context.Context, addr string, opt ListenOptions) (net.Listener, error) {
	scheme, rest, ok := strings.Cut(addr, "://")
	switch {
	case !ok || rest == "":
	case scheme == "unix" || scheme == "file":
		return listenUnix(ctx, rest)
	case scheme == "tcp":
		return listenTCP(ctx, rest, opt.Remote)
	}
	return nil, fmt.Errorf("cannot listen at %q: say unix://PATH or tcp://HOST:PORT", clip(addr))
}

func listenTCP(ctx context.Context, addr string, remote bool) (net.Listener, error) {
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return nil, fmt.Errorf("listen at tcp://%s: %w", clip(addr), err)
	}
	ip := net.ParseIP(host)
	if !remote && host != "localhost" && (ip == nil || !ip.IsLoopback()) {
		return nil, fmt.Errorf("tcp://%s can be reached by other machines, and asks nobody for a password: use 127.0.0.1, or say that you want it", clip(addr))
	}
	var c net.ListenConfig
	return c.Listen(ctx, "tcp", addr)
}

// listenUnix binds under another name and moves the socket into place, so that
// there is no moment at which somebody else could open it.
func listenUnix(ctx context.Context, path string) (net.Listener, error) {
	if err := removeDead(ctx, path); err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp(parentDir(path), ".slipway-")
	if err != nil {
		return nil, fmt.Errorf("listen at %s: %w", path, err)
	}
	defer os.RemoveAll(dir) // empty by then, and only ours
	tmp := dir + string(os.PathSeparator) + "s"
	var c net.ListenConfig
	l, err := c.Listen(ctx, "unix", tmp)
	if err != nil {
		return nil, fmt.Errorf("listen at %s: %w", path, err)
	}
	l.(*net.UnixListener).SetUnlinkOnClose(false)
	if err := errors.Join(os.Chmod(tmp, 0o600), os.Rename(tmp, path)); err != nil {
		return nil, errors.Join(fmt.Errorf("listen at %s: %w", path, err), l.Close())
	}
	made, err := os.Lstat(path)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("listen at %s: %w", path, err), l.Close())
	}
	return &unixListener{Listener: l, path: path, made: made}, nil
}

func parentDir(path string) string {
	if i := strings.LastIndexByte(path, os.PathSeparator); i > 0 {
		return path[:i]
	} else if i == 0 {
		return path[:1]
	}
	return "."
}

// removeDead removes the socket of a server that is gone, and nothing else.
func removeDead(ctx context.Context, path string) error {
	st, err := os.Lstat(path)
	switch {
	case errors.Is(err, os.ErrNotExist):
		return nil
	case err != nil:
		return fmt.Errorf("listen at %s: %w", path, err)
	case st.Mode()&os.ModeSocket == 0:
		return fmt.Errorf("listen at %s: there is a file that is no socket: remove it, or choose another path", path)
	}
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	var d net.Dialer
	nc, err := d.DialContext(ctx, "unix", path)
	if err == nil {
		return errors.Join(fmt.Errorf("listen at %s: a server answers there already: stop it, or choose another path", path), nc.Close())
	}
	if !isRefused(err) {
		return fmt.Errorf("listen at %s: cannot tell whether a server uses the socket: %w", path, err)
	}
	return os.Remove(path)
}

// unixListener removes its socket when it is closed, unless it is another one by then.
type unixListener struct {
	net.Listener
	path string
	made os.FileInfo
}

func (l *unixListener) Close() error {
	if st, err := os.Lstat(l.path); err == nil && os.SameFile(st, l.made) {
		return errors.Join(os.Remove(l.path), l.Listener.Close())
	}
	return l.Listener.Close()
}
