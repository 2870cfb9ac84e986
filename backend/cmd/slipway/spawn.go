package main

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/slipway-desktop/slipway/backend/control"
)

// spawn starts the engine in a process that outlives this one. What that process
// prints goes where the engine's log goes.
func (h host) spawn() (*running, error) {
	image, err := h.findImage() // here: the place may depend on the directory we are in
	if err != nil {
		return nil, err
	}
	program, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("find the program: %w", err)
	}
	if err := os.MkdirAll(h.home, 0o700); err != nil {
		return nil, fmt.Errorf("make the home: %w", err)
	}
	path := filepath.Join(h.home, "engine.log")
	log, err := os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open the engine's log: %w", err)
	}
	defer log.Close()
	info, err := log.Stat()
	if err != nil {
		return nil, fmt.Errorf("open the engine's log: %w", err)
	}
	cmd := exec.Command(program, "up", "--host-only", "--home", h.home, "--image", image)
	cmd.Stdout, cmd.Stderr = log, log
	cmd.SysProcAttr = detachedProcess()
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("start the engine: %w", err)
	}
	r := &running{done: make(chan struct{})}
	go func() { // ends with the engine, or with this process
		defer close(r.done)
		if err := cmd.Wait(); err != nil {
			r.err = lastWords(path, info.Size(), err)
		}
	}()
	return r, nil
}

// lastWords finds what the engine's process said before it ended, in the part of
// the log from offset on.
func lastWords(path string, offset int64, exit error) error {
	unknown := control.Errorf(control.CodeInternal, "the engine ended: %v", exit).WithHint("%s may say why", path)
	log, err := os.Open(path)
	if err != nil {
		return unknown
	}
	defer log.Close()
	const most = 1 << 20
	text, err := io.ReadAll(io.NewSectionReader(log, offset, most))
	if err != nil {
		return unknown
	}
	at := bytes.LastIndex(append([]byte("\n"), text...), []byte("\nslipway: "))
	if at < 0 {
		return unknown
	}
	message, rest, _ := strings.Cut(strings.TrimPrefix(string(text[at:]), "slipway: "), "\n")
	hint, _, _ := strings.Cut(rest, "\n")
	if !strings.HasPrefix(hint, "  ") {
		hint = ""
	}
	return &control.Error{Code: control.CodeInternal, Message: message, Hint: strings.TrimSpace(hint), Err: exit}
}
