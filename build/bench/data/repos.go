package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"

	"github.com/slipway-desktop/slipway/backend/datakit"
	"github.com/slipway-desktop/slipway/backend/datakit/client"
	"github.com/slipway-desktop/slipway/backend/datakit/tree"
)

// A shape is a tree of files at depth 3.
type shape [3]int

var (
	thousand        = shape{10, 10, 10}
	hundredThousand = shape{47, 47, 46}
)

func (s shape) path(n int) string {
	return fmt.Sprintf("%d/%d/%d", n%s[0], n/s[0]%s[1], n/s[0]/s[1]%s[2])
}

func (s shape) files() int { return s[0] * s[1] * s[2] }

func content(n int) []byte { return fmt.Appendf(nil, "line one\ncontent %d\n", n) }

// runGit runs git in dir.
func runGit(ctx context.Context, dir string, in []byte, args ...string) error {
	cmd := exec.CommandContext(ctx, "git", args...)
	cmd.Dir, cmd.Stdin = dir, bytes.NewReader(in)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("git %v: %w: %s", args, err, bytes.TrimSpace(out))
	}
	return nil
}

// makeRepository makes a bare repository whose branch main has one commit.
func makeRepository(ctx context.Context, dir string, s shape) error {
	if err := runGit(ctx, filepath.Dir(dir), nil, "init", "-q", "--bare", "-b", "main", dir); err != nil {
		return err
	}
	var in bytes.Buffer
	in.WriteString("commit refs/heads/main\ncommitter b <b@localhost> 1700000000 +0000\ndata 5\nbase\n\n")
	for n := range s.files() {
		text := content(n)
		fmt.Fprintf(&in, "M 644 inline %s\ndata %d\n%s\n", s.path(n), len(text), text)
	}
	return runGit(ctx, dir, in.Bytes(), "fast-import", "--quiet")
}

// storeOn opens the store on a new repository.
func storeOn(ctx context.Context, dir string, s shape) (*datakit.Store, error) {
	if err := makeRepository(ctx, dir, s); err != nil {
		return nil, err
	}
	return datakit.Open(ctx, dir, datakit.Options{})
}

// commitTo makes one durable commit through the Go API.
func commitTo(ctx context.Context, store *datakit.Store, branch, path string, n int) error {
	tx, err := store.Begin(ctx, branch)
	if err != nil {
		return err
	}
	defer tx.Close()
	if err := tx.Write(path, content(n), datakit.ModeFile); err != nil {
		return err
	}
	_, err = tx.Commit(ctx, datakit.Message{Text: "change"})
	return err
}

// ours commits through the Go API.
func ours(store *datakit.Store, s shape, name string) *contender {
	return &contender{name: name, do: func(ctx context.Context, n int) error {
		return commitTo(ctx, store, "main", s.path(n), n+1_000_000)
	}}
}

// serve serves a store on a socket until end is called.
func serve(ctx context.Context, store *datakit.Store, dir string) (addr string, end func() error, err error) {
	ctx, cancel := context.WithCancel(ctx)
	addr = "unix://" + filepath.Join(dir, "s")
	l, err := tree.Listen(ctx, addr, tree.ListenOptions{})
	if err != nil {
		cancel()
		return "", nil, err
	}
	served := make(chan error, 1)
	go func() { served <- tree.New(store, tree.Options{}).Serve(ctx, l) }()
	return addr, func() error {
		cancel()
		return <-served
	}, nil
}

// commitOver makes one durable commit over 9P.
func commitOver(ctx context.Context, c *client.Client, branch, path string, n int) error {
	tx, err := c.Begin(ctx, branch)
	if err != nil {
		return err
	}
	defer tx.Close()
	if err := tx.Write(ctx, path, content(n)); err != nil {
		return err
	}
	_, err = tx.Commit(ctx, "change")
	return err
}

// gitCommit changes a file of a clone and runs `git commit`.
func gitCommit(ctx context.Context, dir string, s shape) (*contender, error) {
	bare, work := filepath.Join(dir, "git.git"), filepath.Join(dir, "work")
	if err := makeRepository(ctx, bare, s); err != nil {
		return nil, err
	}
	if err := runGit(ctx, dir, nil, "clone", "-q", bare, work); err != nil {
		return nil, err
	}
	return &contender{name: "git commit", do: func(ctx context.Context, n int) error {
		if err := os.WriteFile(filepath.Join(work, s.path(n)), content(n+1_000_000), 0o644); err != nil {
			return err
		}
		return runGit(ctx, work, nil, "-c", "user.name=b", "-c", "user.email=b@localhost", "commit", "-q", "-a", "-m", "change")
	}}, nil
}

// goGit lets the program in build/bench/gogit commit with go-git. It is a module of its
// own, so that the product does not depend on what only this measurement needs.
func goGit(ctx context.Context, dir, source string, s shape) (*contender, error) {
	bare, program := filepath.Join(dir, "gogit.git"), filepath.Join(dir, "gogit")
	if err := makeRepository(ctx, bare, s); err != nil {
		return nil, err
	}
	build := exec.CommandContext(ctx, "go", "build", "-C", source, "-o", program, ".")
	if out, err := build.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("build the go-git program: %w: %s", err, out)
	}
	cmd := exec.CommandContext(ctx, program, bare)
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	pipe, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	out := bufio.NewReader(pipe)
	return &contender{name: "go-git", do: func(_ context.Context, n int) error {
		if _, err := fmt.Fprintf(in, "%s\n", s.path(n)); err != nil {
			return err
		}
		_, err := out.ReadString('\n')
		return err
	}, end: func() error { return errors.Join(in.Close(), cmd.Wait()) }}, nil
}
