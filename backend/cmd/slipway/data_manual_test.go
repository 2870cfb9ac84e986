package main

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// TestManual runs the sessions of the data kit's manual in one shell, and compares
// what they print with what the manual says.
func TestManual(t *testing.T) {
	manual, err := os.ReadFile("../../datakit/README.md")
	if err != nil {
		t.Fatal(err)
	}
	steps := sessions(string(manual))
	if len(steps) < 40 {
		t.Fatalf("%d commands found: this test looks in the wrong place", len(steps))
	}
	mounts := ""
	if _, err := os.Stat("/dev/fuse"); err != nil {
		mounts = fmt.Sprintf("the sessions with a mount are left out: %v", err)
		t.Log(mounts)
	}
	sh := startShell(t)
	said := renamer{seen: map[string]int{}}
	printed := renamer{seen: map[string]int{}}
	for _, s := range steps {
		if s.needs == "mount" && mounts != "" {
			continue
		}
		got := sh.run(t, s.command)
		if diff := cmp.Diff(said.rename(s.output), printed.rename(got)); diff != "" {
			t.Fatalf("README.md:%d: $ %s\n%s\nit prints:\n%s", s.line, s.command, diff, got)
		}
	}
}

// step is a command of a session, with what the manual says it prints.
type step struct {
	line            int
	needs           string // "mount" or ""
	command, output string
}

// sessions finds the commands in blocks that begin with "```console".
func sessions(text string) []step {
	var steps []step
	in, needs := false, ""
	for i, line := range strings.Split(text, "\n") {
		switch {
		case !in:
			var is bool
			needs, is = strings.CutPrefix(line, "```console")
			in, needs = is, strings.TrimSpace(needs)
		case line == "```":
			in = false
		case strings.HasPrefix(line, "$ "):
			steps = append(steps, step{line: i + 1, needs: needs, command: line[2:]})
		default:
			steps[len(steps)-1].output += line + "\n"
		}
	}
	return steps
}

// renamer replaces hashes, shortened or not, by the order in which they first came.
type renamer struct{ seen map[string]int }

var hashes = regexp.MustCompile(`\b[0-9a-f]{10}([0-9a-f]{30})?\b`)

func (r renamer) rename(text string) string {
	return hashes.ReplaceAllStringFunc(text, func(h string) string {
		key := h[:10]
		if r.seen[key] == 0 {
			r.seen[key] = len(r.seen) + 1
		}
		return fmt.Sprintf("<%d digits of hash %d>", len(h), r.seen[key])
	})
}

// terminal is a bash that is given one command after the other.
type terminal struct {
	in  io.Writer
	out <-chan string // lines; closed at its end
}

const mark = "--- the end of a command's output ---"

func startShell(t *testing.T) *terminal {
	t.Helper()
	dir, err := os.MkdirTemp("", "manual") // short, for sockets
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("bash", "--norc", "--noprofile")
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "HOME="+dir, "SLIPWAY_HOME="+dir+"/none", "SLIPWAY_DATA=", "TZ=UTC", "LC_ALL=C",
		"GIT_CONFIG_NOSYSTEM=1", "GIT_AUTHOR_NAME=you", "GIT_AUTHOR_EMAIL=you@localhost",
		"GIT_COMMITTER_NAME=you", "GIT_COMMITTER_EMAIL=you@localhost")
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stderr = cmd.Stdout
	if err := cmd.Start(); err != nil {
		t.Fatalf("the manual needs bash: %v", err)
	}
	lines := make(chan string)
	go func() {
		defer close(lines)
		for s := bufio.NewScanner(out); s.Scan(); {
			lines <- s.Text()
		}
	}()
	t.Cleanup(func() {
		// What a session that failed has left running.
		fmt.Fprintln(in, "cd /; jobs -p | xargs -r kill; wait; exit")
		in.Close()
		for range lines { // until the shell and its jobs have ended
		}
		_ = cmd.Wait() // its exit code is that of the last session
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	return &terminal{in, lines}
}

// run returns what a command prints, errors included.
func (s *terminal) run(t *testing.T, command string) string {
	t.Helper()
	// $? has to stay what the command left, for the next one to look at.
	if _, err := fmt.Fprintf(s.in, "%s\n{ __rc=$?; echo; echo %q; (exit $__rc); }\n", command, mark); err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	patience := time.After(30 * time.Second)
	for {
		select {
		case line, ok := <-s.out:
			switch {
			case !ok:
				t.Fatalf("the shell has ended at: %s", command)
			case line == mark:
				// The line break before the mark is the runner's.
				return strings.TrimSuffix(out.String(), "\n")
			}
			out.WriteString(line + "\n")
		case <-patience:
			t.Fatalf("it does not end: %s\n%s", command, out.String())
		}
	}
}
