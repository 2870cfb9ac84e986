//go:build linux

package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// children starts programs and collects every process that ends. As PID 1 the agent
// inherits the orphans of all containers, and waiting for any child would take away
// what os/exec waits for; so os/exec is not used, and this is the only place that
// waits.
type children struct {
	mu      sync.Mutex // held from fork to entry in waiting, so that no end is missed
	waiting map[int]chan unix.WaitStatus
	ended   chan os.Signal
}

// A child is a process started here.
type child struct {
	proc *os.Process
	done chan unix.WaitStatus // gets one value
}

func newChildren() *children {
	c := &children{waiting: map[int]chan unix.WaitStatus{}, ended: make(chan os.Signal, 1)}
	signal.Notify(c.ended, unix.SIGCHLD)
	return c
}

// reap collects ended processes for as long as the machine runs.
func (c *children) reap() {
	defer lastWords()
	for range c.ended {
		for c.collect() {
		}
	}
}

// collect takes one ended process, if there is one.
func (c *children) collect() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	var status unix.WaitStatus
	pid, err := unix.Wait4(-1, &status, unix.WNOHANG, nil)
	if err == unix.EINTR {
		return true
	}
	if err != nil || pid <= 0 {
		return false
	}
	if done := c.waiting[pid]; done != nil {
		delete(c.waiting, pid)
		done <- status
	}
	return true
}

// start runs a program in a process group of its own. out gets its output.
func (c *children) start(out *os.File, argv ...string) (*child, error) {
	null, err := os.Open(os.DevNull)
	if err != nil {
		return nil, err
	}
	defer null.Close()
	c.mu.Lock()
	defer c.mu.Unlock()
	proc, err := os.StartProcess(argv[0], argv, &os.ProcAttr{
		Dir: "/", Env: []string{"PATH=/usr/sbin:/usr/bin", "HOME=/root", "TMPDIR=/tmp"}, Files: []*os.File{null, out, out},
		Sys: &syscall.SysProcAttr{Setpgid: true},
	})
	if err != nil {
		return nil, err
	}
	done := make(chan unix.WaitStatus, 1)
	c.waiting[proc.Pid] = done
	return &child{proc, done}, nil
}

// run runs a program to its end and returns its exit code and all its output.
func (c *children) run(ctx context.Context, argv ...string) (int, string, error) {
	r, w, err := os.Pipe()
	if err != nil {
		return -1, "", err
	}
	defer r.Close()
	p, err := c.start(w, argv...)
	w.Close()
	if err != nil {
		return -1, "", err
	}
	var out tailBuffer
	copied := make(chan struct{})
	go func() {
		defer close(copied)
		_, _ = out.ReadFrom(r)
	}()
	select {
	case status := <-p.done:
		<-copied
		if status.Signaled() {
			return -1, out.String(), fmt.Errorf("%s: ended by %v", argv[0], status.Signal())
		}
		return status.ExitStatus(), out.String(), nil
	case <-ctx.Done():
		_ = p.proc.Kill()
		<-p.done
		return -1, out.String(), ctx.Err()
	}
}

// stop asks a process to end, and ends it after the limit.
func (p *child) stop(limit time.Duration) {
	_ = p.proc.Signal(unix.SIGTERM)
	select {
	case <-p.done:
	case <-time.After(limit):
		_ = p.proc.Kill()
		<-p.done
	}
}

// endAll ends every process that is left but this one.
func (c *children) endAll() {
	for _, sig := range []unix.Signal{unix.SIGTERM, unix.SIGKILL} {
		if unix.Kill(-1, sig) != nil {
			return // none is left
		}
		for deadline := time.Now().Add(time.Second); time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
			if unix.Kill(-1, 0) != nil {
				return
			}
		}
	}
}
