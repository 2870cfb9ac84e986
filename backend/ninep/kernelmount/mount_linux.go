package kernelmount

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/user"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/slipway-desktop/slipway/backend/ninep"
	"github.com/slipway-desktop/slipway/backend/ninep/fusefs"
)

const (
	dialPatience = 10 * time.Second
	pollInterval = 250 // milliseconds between looks at whether the connection stands
	messageSize  = 512 << 10
)

// Auto connects to the server at address (network "unix" or "tcp") and shows its tree
// at dir until ctx ends, somebody unmounts it, or the connection is lost. Errors as
// fusefs.Mount.
func Auto(ctx context.Context, dir, network, address string, opt fusefs.Options) error {
	err := Mount(ctx, dir, network, address, opt)
	if !errors.Is(err, ErrNoKernel) {
		return err
	}
	dialing, cancel := context.WithTimeout(ctx, dialPatience)
	client, err := ninep.Dial(dialing, network, address)
	cancel()
	if err != nil {
		return fmt.Errorf("mount %s: %w", dir, err)
	}
	defer client.Close()
	return fusefs.Mount(ctx, dir, client, opt)
}

// Mount is Auto by the kernel alone: ErrNoKernel if that is not possible.
func Mount(ctx context.Context, dir, network, address string, opt fusefs.Options) error {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return fmt.Errorf("mount %s: %w", dir, err)
	}
	if os.Geteuid() != 0 {
		return fmt.Errorf("mount %s: %w: it is root's to mount", dir, ErrNoKernel)
	}
	d := net.Dialer{Timeout: dialPatience}
	conn, err := d.DialContext(ctx, network, address)
	if err != nil {
		return fmt.Errorf("mount %s: %w", dir, err)
	}
	defer conn.Close()
	socket, err := conn.(syscall.Conn).SyscallConn()
	if err != nil {
		return fmt.Errorf("mount %s: %w", dir, err)
	}
	var mountErr error
	if err := socket.Control(func(fd uintptr) {
		mountErr = unix.Mount("slipway", dir, "9p", unix.MS_NOSUID|unix.MS_NODEV, options(int(fd), opt.AllowOther))
	}); err != nil {
		return fmt.Errorf("mount %s: %w", dir, err)
	}
	switch {
	case mountErr == nil:
	case impossible(mountErr):
		return fmt.Errorf("mount %s: %w: %w", dir, ErrNoKernel, mountErr)
	default:
		return fmt.Errorf("mount %s: %w", dir, mountErr)
	}
	if opt.Ready != nil {
		opt.Ready()
	}
	lost := wait(ctx, dir, socket)
	if err := unix.Unmount(dir, unix.MNT_FORCE|unix.MNT_DETACH); err != nil && !errors.Is(err, unix.EINVAL) {
		return fmt.Errorf("unmount %s: %w", dir, err) // EINVAL: it is no mount any more
	}
	if lost {
		return fmt.Errorf("unmounted %s: %w", dir, ninep.ErrClosed)
	}
	return nil
}

// impossible tells the refusals that mean that this kernel or user cannot: no file
// system 9p, no transport fd, no right to mount.
func impossible(err error) bool {
	for _, e := range []error{unix.ENODEV, unix.EPERM, unix.ESRCH, unix.EPROTONOSUPPORT, unix.ENOSYS} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}

func options(fd int, others bool) string {
	access := fmt.Sprint(os.Geteuid())
	if others {
		access = "any"
	}
	o := fmt.Sprintf("trans=fd,rfdno=%d,wfdno=%d,version=9p2000.L,msize=%d,cache=none,access=%s", fd, fd, messageSize, access)
	if u, err := user.Current(); err == nil && !strings.ContainsAny(u.Username, ",\\") {
		o += ",uname=" + u.Username
	}
	return o
}

// wait returns when ctx ends, dir is unmounted, or the connection is lost, and tells
// whether it was the latter. It reads nothing: what arrives is the kernel's.
func wait(ctx context.Context, dir string, socket syscall.RawConn) (lost bool) {
	tick := time.NewTicker(pollInterval * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return false
		case <-tick.C:
		}
		_ = socket.Control(func(fd uintptr) { // fails on a closed connection only, and it is ours
			poll := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLRDHUP}}
			n, err := unix.Poll(poll, 0)
			lost = err == nil && n > 0 && poll[0].Revents&(unix.POLLHUP|unix.POLLRDHUP|unix.POLLERR) != 0
		})
		if lost {
			return true
		}
		if !isMounted(dir) {
			return false
		}
	}
}

// isMounted looks at the table of mounts: a stat would ask the server.
func isMounted(dir string) bool {
	table, err := os.ReadFile("/proc/self/mounts")
	if err != nil {
		return true
	}
	dir = strings.NewReplacer(" ", `\040`, "\t", `\011`, "\n", `\012`, `\`, `\134`).Replace(dir)
	for line := range strings.Lines(string(table)) {
		if f := strings.Fields(line); len(f) > 2 && f[1] == dir && f[2] == "9p" {
			return true
		}
	}
	return false
}
