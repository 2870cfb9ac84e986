package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"os/exec"
	"slices"
	"strings"
	"time"

	"github.com/slipway-desktop/slipway/backend/control"
	"github.com/slipway-desktop/slipway/backend/datakit"
)

const (
	pushDelay = 2 * time.Second // so that a burst of commits is pushed once
	pushRetry = time.Minute
)

// autoPush pushes each branch that moves to a git URL, with git's own program and so
// with the user's keys and helpers, until ctx ends. What cannot be pushed is logged,
// and tried again.
type autoPush struct {
	store *datakit.Store
	url   string
	log   *slog.Logger
}

func newAutoPush(store *datakit.Store, url string, log *slog.Logger) (*autoPush, error) {
	if strings.HasPrefix(url, "-") || strings.HasPrefix(url, "ext::") {
		return nil, control.Errorf(control.CodeInvalid, "%q is no URL to push to", url)
	}
	if _, err := exec.LookPath("git"); err != nil {
		return nil, &control.Error{Code: control.CodeUnavailable, Message: "--auto-push needs git", Hint: "install git", Err: err}
	}
	return &autoPush{store, url, log}, nil
}

func (p *autoPush) run(ctx context.Context) error {
	moved := make(chan string)
	ended := make(chan error, 1)
	ctx, cancel := context.WithCancel(ctx)
	go func() {
		defer close(moved)
		ended <- p.follow(ctx, moved)
	}()
	defer func() {
		cancel()
		for range moved { // until follow has ended
		}
	}()
	dirty, err := p.all()
	if err != nil {
		return err
	}
	due := time.NewTimer(pushDelay)
	defer due.Stop()
	for {
		select {
		case branch, ok := <-moved:
			if !ok {
				return <-ended
			}
			dirty[branch] = true
			due.Reset(pushDelay)
		case <-due.C:
			if err := p.push(ctx, dirty); err != nil && ctx.Err() == nil {
				p.log.Warn("cannot push", "branches", len(dirty), "error", err)
				due.Reset(pushRetry)
				continue
			}
			clear(dirty)
		}
	}
}

// follow tells the names of the branches that move.
func (p *autoPush) follow(ctx context.Context, moved chan<- string) error {
	for m, err := range p.store.Moves(ctx, "") {
		if errors.Is(err, datakit.ErrTooSlow) {
			continue // what was skipped is pushed when it moves again, or at the next start
		}
		if err != nil {
			return err
		}
		select {
		case moved <- m.Branch:
		case <-ctx.Done():
			return nil
		}
	}
	return nil
}

func (p *autoPush) all() (map[string]bool, error) {
	names, err := p.store.Branches()
	dirty := map[string]bool{}
	for _, name := range names {
		dirty[name] = true
	}
	return dirty, err
}

// push sends the branches as they are in git's view. One that was removed stays there.
func (p *autoPush) push(ctx context.Context, dirty map[string]bool) error {
	if err := p.store.Sync(ctx); err != nil {
		return err
	}
	args := []string{"push", "--quiet", "--porcelain", "--", p.url}
	options := len(args)
	for _, branch := range slices.Sorted(maps.Keys(dirty)) {
		ref := "refs/heads/" + branch
		if _, err := p.store.Head(branch); !errors.Is(err, datakit.ErrNoBranch) {
			args = append(args, ref+":"+ref)
		}
	}
	if len(args) == options {
		return nil
	}
	cmd := exec.CommandContext(ctx, "git", args...)
	cmd.Dir = p.store.Path()
	cmd.Env = append(cmd.Environ(), "GIT_TERMINAL_PROMPT=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("git push: %w: %s", err, bytes.TrimSpace(out))
	}
	return nil
}
