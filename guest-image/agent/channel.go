//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/mdlayher/vsock"
	"golang.org/x/sys/unix"
)

const (
	portName   = "org.slipway.agent"
	vsockPort  = 1024
	hostPoll   = 100 * time.Millisecond
	vsockGroup = "vsock"
)

// openChannel returns the stream to the host: the virtio-serial port of our name, or
// where the machine has no such port, the next connection to our virtio-socket port.
// With a port it waits until the host has it open.
func (m *machine) openChannel(ctx context.Context) (io.ReadWriteCloser, error) {
	if dev := findPort(); dev != "" {
		return openPort(ctx, dev)
	}
	m.moduleGroup(vsockGroup)
	return acceptVsock(ctx)
}

func findPort() string {
	files, _ := filepath.Glob("/sys/class/virtio-ports/*/name")
	for _, f := range files {
		if name, err := os.ReadFile(f); err == nil && strings.TrimSpace(string(name)) == portName {
			return "/dev/" + filepath.Base(filepath.Dir(f))
		}
	}
	return ""
}

// openPort opens the device without blocking, so that Go's poller serves it and Close
// ends a Read. A port whose host end is closed says so by POLLHUP; there is no event
// for its opening that could be waited for together with ctx, hence the polling.
func openPort(ctx context.Context, dev string) (io.ReadWriteCloser, error) {
	fd, err := unix.Open(dev, unix.O_RDWR|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", dev, err)
	}
	for {
		fds := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLOUT}}
		if _, err := unix.Poll(fds, 0); err != nil && !errors.Is(err, unix.EINTR) {
			unix.Close(fd)
			return nil, fmt.Errorf("poll %s: %w", dev, err)
		}
		if fds[0].Revents&unix.POLLHUP == 0 {
			return os.NewFile(uintptr(fd), dev), nil
		}
		select {
		case <-ctx.Done():
			unix.Close(fd)
			return nil, ctx.Err()
		case <-time.After(hostPoll):
		}
	}
}

// acceptVsock takes one connection from the host.
func acceptVsock(ctx context.Context) (io.ReadWriteCloser, error) {
	l, err := vsock.Listen(vsockPort, nil)
	if err != nil {
		return nil, fmt.Errorf("no virtio-serial port %s, and no virtio socket: %w", portName, err)
	}
	defer l.Close()
	stop := context.AfterFunc(ctx, func() { l.Close() })
	defer stop()
	for {
		c, err := l.Accept()
		if err != nil {
			return nil, fmt.Errorf("accept on virtio socket: %w", err)
		}
		if addr, ok := c.RemoteAddr().(*vsock.Addr); ok && addr.ContextID == vsock.Host {
			return c, nil
		}
		c.Close()
	}
}
