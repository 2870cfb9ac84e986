package datakit

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
)

// openStores are the stores that tests have open, by path.
var openStores sync.Map

// gitCommand prepares a run of git. An open store shows it all first, as it does by
// itself a moment later.
func gitCommand(dir string, args ...string) *exec.Cmd {
	if s, ok := openStores.Load(dir); ok {
		if err := s.(*Store).Sync(context.Background()); err != nil && !errors.Is(err, ErrClosed) {
			panic(err)
		}
	}
	cmd := exec.Command("git", args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "GIT_CONFIG_GLOBAL=/dev/null", "GIT_CONFIG_SYSTEM=/dev/null", "LC_ALL=C",
		"GIT_AUTHOR_NAME=Bob", "GIT_AUTHOR_EMAIL=bob@example.org",
		"GIT_COMMITTER_NAME=Bob", "GIT_COMMITTER_EMAIL=bob@example.org")
	return cmd
}

// git runs git and returns what it printed, both streams.
func git(t *testing.T, dir string, args ...string) string {
	t.Helper()
	out, err := gitCommand(dir, args...).CombinedOutput()
	if err != nil {
		t.Fatalf("git %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return strings.TrimSpace(string(out))
}

// fsck fails the test unless git finds nothing to say, dangling objects apart:
// those are refused or interrupted commits.
func fsck(t *testing.T, dir string) {
	t.Helper()
	for _, line := range strings.Split(git(t, dir, "fsck", "--full", "--strict"), "\n") {
		if line != "" && !strings.HasPrefix(line, "dangling ") && !strings.HasPrefix(line, "notice: ") {
			t.Errorf("git fsck: %s", line)
		}
	}
}

// gitPut commits one file with git alone, by its plumbing.
func gitPut(dir, branch, path, content string) (Hash, error) {
	run := func(stdin string, args ...string) (string, error) {
		cmd := gitCommand(dir, args...)
		cmd.Stdin = strings.NewReader(stdin)
		out, err := cmd.CombinedOutput()
		if err != nil {
			err = fmt.Errorf("git %s: %w: %s", args[0], err, out)
		}
		return strings.TrimSpace(string(out)), err
	}
	old, err := run("", "rev-parse", "--verify", "-q", "refs/heads/"+branch)
	if err != nil {
		old = strings.Repeat("0", 40)
	}
	blob, err := run(content, "hash-object", "-w", "--stdin")
	if err != nil {
		return Hash{}, err
	}
	listing := ""
	if old[0] != '0' || strings.Trim(old, "0") != "" {
		if listing, err = run("", "ls-tree", old); err != nil {
			return Hash{}, err
		}
	}
	var lines []string
	for _, line := range strings.Split(listing, "\n") {
		if line != "" && !strings.HasSuffix(line, "\t"+path) {
			lines = append(lines, line)
		}
	}
	lines = append(lines, "100644 blob "+blob+"\t"+path)
	tree, err := run(strings.Join(lines, "\n")+"\n", "mktree")
	if err != nil {
		return Hash{}, err
	}
	args := []string{"commit-tree", tree, "-m", "git writes " + path}
	if strings.Trim(old, "0") != "" {
		args = append(args, "-p", old)
	}
	commit, err := run("", args...)
	if err != nil {
		return Hash{}, err
	}
	if _, err := run("", "update-ref", "refs/heads/"+branch, commit, old); err != nil {
		return Hash{}, err
	}
	return ParseHash(commit)
}
