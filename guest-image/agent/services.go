//go:build linux

package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/slipway-desktop/slipway/backend/guest"
)

const (
	containerdSocket = "/run/containerd/containerd.sock"
	containerStop    = 10 * time.Second // for containers, at the machine's end
	serviceStop      = containerStop + 5*time.Second
	maxBackoff       = 30 * time.Second
)

// A service is a program that is started again when it ends.
type service struct {
	name string
	argv []string
	// again is called before each start but the first.
	again func()
	log   *slog.Logger

	tail tailBuffer // the last of its output
}

// run keeps the service running until ctx ends, then stops it.
func (s *service) run(ctx context.Context, c *children) {
	backoff := time.Second / 2
	for first := true; ; first = false {
		if !first && s.again != nil {
			s.again()
		}
		started := time.Now()
		err := s.once(ctx, c)
		if ctx.Err() != nil {
			return
		}
		if time.Since(started) > time.Minute {
			backoff = time.Second / 2
		}
		s.log.Error("service ended; starting it again", "name", s.name, "in", backoff, "err", err, "said", s.tail.lastLine())
		select {
		case <-ctx.Done():
			return
		case <-time.After(backoff):
		}
		backoff = min(2*backoff, maxBackoff)
	}
}

func (s *service) once(ctx context.Context, c *children) error {
	r, w, err := os.Pipe()
	if err != nil {
		return err
	}
	p, err := c.start(w, s.argv...)
	w.Close()
	if err != nil {
		r.Close()
		return err
	}
	var copied sync.WaitGroup
	copied.Go(func() {
		defer lastWords()
		s.copyLines(r)
	})
	defer copied.Wait()
	defer r.Close() // a grandchild may hold the other end
	select {
	case status := <-p.done:
		if status.Signaled() {
			return fmt.Errorf("signal: %v", status.Signal())
		}
		return fmt.Errorf("exit status %d", status.ExitStatus())
	case <-ctx.Done():
		p.stop(serviceStop)
		return nil
	}
}

// copyLines passes the service's output to the console, line by line.
func (s *service) copyLines(r io.Reader) {
	lines := bufio.NewReaderSize(r, 4096)
	for {
		line, _, err := lines.ReadLine()
		if err != nil {
			return
		}
		_, _ = s.tail.Write(append(line, '\n'))
		fmt.Fprintf(os.Stderr, "%s: %s\n", s.name, line)
	}
}

// runDocker keeps containerd and dockerd running, which start side by side: dockerd
// spends its first second or so before it needs the other. dockerd ends first.
func (m *machine) runDocker(ctx context.Context) {
	containerdCtx, stopContainerd := context.WithCancel(context.WithoutCancel(ctx))
	var all sync.WaitGroup
	start := func(ctx context.Context, s *service) {
		all.Go(func() {
			defer lastWords()
			s.run(ctx, m.children)
		})
	}
	start(containerdCtx, &service{
		name: "containerd", argv: []string{"/usr/bin/containerd"}, log: m.log,
	})
	dockerd := &service{name: "dockerd", argv: dockerdArgs(m.boot.DockerArgs), log: m.log}
	starts := make(chan struct{}, 1)
	starts <- struct{}{}
	dockerd.again = func() {
		m.update(func(f *guest.Facts) {
			f.Docker = guest.DockerFailed
			f.Problem = "Docker Engine ended and is started again; it said: " + dockerd.tail.lastLine()
		})
		select {
		case starts <- struct{}{}:
		default:
		}
	}
	all.Go(func() {
		defer lastWords()
		m.watchDocker(ctx, starts)
	})
	dockerd.run(ctx, m.children)
	stopContainerd()
	all.Wait()
}

// dockerdArgs returns dockerd's command line. Later options win, so extra can change
// most of it.
func dockerdArgs(extra []string) []string {
	return append([]string{
		"/usr/sbin/dockerd",
		"--host=unix://" + dockerSocket,
		"--group=root",
		"--containerd=" + containerdSocket,
		"--storage-driver=overlay2",
		"--log-level=warn",
		"--userland-proxy-path=/usr/sbin/docker-proxy",
		fmt.Sprintf("--shutdown-timeout=%d", int(containerStop/time.Second)),
		// The host's network stack routes every container's address, and names its
		// flows by it.
		"--ip-masq=false",
		"--iptables=false", "--ip6tables=false", // see isolation.go
		"--default-network-opt=bridge=com.docker.network.bridge.enable_ip_masquerade=false",
	}, extra...)
}

// watchDocker reports Docker as ready when its API answers, after each start.
func (m *machine) watchDocker(ctx context.Context, starts <-chan struct{}) {
	client := &http.Client{Transport: &http.Transport{
		DisableKeepAlives: true,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "unix", dockerSocket)
		},
	}}
	for first := true; ; {
		select {
		case <-ctx.Done():
			return
		case <-starts:
		}
		for !ping(ctx, client) {
			select {
			case <-ctx.Done():
				return
			case <-time.After(100 * time.Millisecond):
			}
		}
		if first {
			m.phase("docker")
		}
		m.update(func(f *guest.Facts) {
			f.Docker = guest.DockerReady
			if strings.HasPrefix(f.Problem, "Docker Engine ended") {
				f.Problem = ""
			}
		})
		if first {
			m.moduleGroup("late")
		}
		first = false
	}
}

// ping asks once. dockerd takes connections before it answers them, so this mostly
// waits inside a single request, and the pause between tries hardly matters.
func ping(ctx context.Context, client *http.Client) bool {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://docker/_ping", nil)
	if err != nil {
		return false
	}
	res, err := client.Do(req)
	if err != nil {
		return false
	}
	res.Body.Close()
	return res.StatusCode == http.StatusOK
}
