package merge

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

var cases = flag.Int("linecases", 250, "generated merges to compare with git merge-file")

func TestSmall(t *testing.T) {
	for _, test := range []struct{ name, base, ours, theirs, want string }{
		{"apart", "a\nb\nc\n", "A\nb\nc\n", "a\nb\nC\n", "A\nb\nC\n"},
		{"same", "a\nb\nc\n", "a\nX\nc\n", "a\nX\nc\n", "a\nX\nc\n"},
		{"one side", "a\n", "a\n", "b\n", "b\n"},
		{"end without newline", "a\nb\nc", "A\nb\nc", "a\nb\nc\n", "A\nb\nc\n"},
		{"crlf", "a\r\nb\r\nc\r\n", "A\r\nb\r\nc\r\n", "a\r\nb\r\nC\r\n", "A\r\nb\r\nC\r\n"},
		{"touching", "a\nb\n", "A\nb\n", "a\nB\n", "conflict"},
		{"both add", "a\n", "a\nx\n", "a\ny\n", "conflict"},
		{"emptied", "a\n", "", "a\nb\n", "conflict"},
	} {
		got, err := Lines([]byte(test.base), []byte(test.ours), []byte(test.theirs))
		if errors.Is(err, ErrConflict) {
			got = []byte("conflict")
		} else if err != nil {
			t.Fatal(err)
		}
		if string(got) != test.want {
			t.Errorf("%s: %q, want %q", test.name, got, test.want)
		}
	}
	if _, err := Lines([]byte("a\x00"), []byte("b\x00"), []byte("c\x00")); !errors.Is(err, ErrBinary) {
		t.Errorf("binary: %v", err)
	}
	if _, err := Lines(make([]byte, MaxSize+1), nil, nil); !errors.Is(err, ErrTooLarge) {
		t.Errorf("large: %v", err)
	}
	lines := []byte(strings.Repeat("\n", MaxLines+1))
	if _, err := Lines(lines, nil, nil); !errors.Is(err, ErrTooLarge) {
		t.Errorf("many lines: %v", err)
	}
}

// text makes lines of few or many words, so that they repeat or do not.
func randomText(r *rand.Rand) []string {
	words := []int{2, 5, 30, 1000}[r.IntN(4)]
	lines := make([]string, r.IntN(60))
	if r.IntN(8) == 0 {
		lines = make([]string, 500+r.IntN(1500))
	}
	for i := range lines {
		lines[i] = fmt.Sprint("line ", r.IntN(words))
	}
	return lines
}

func randomEdit(r *rand.Rand, lines []string) []string {
	lines = append([]string{}, lines...)
	for range 1 + r.IntN(4) {
		at := r.IntN(len(lines) + 1)
		end := min(len(lines), at+r.IntN(4))
		var fresh []string
		for range r.IntN(4) {
			fresh = append(fresh, fmt.Sprint("line ", r.IntN(40)))
		}
		lines = append(lines[:at:at], append(fresh, lines[end:]...)...)
	}
	return lines
}

func join(r *rand.Rand, lines []string) []byte {
	s := strings.Join(lines, "\n")
	if r.IntN(6) > 0 && len(lines) > 0 {
		s += "\n"
	}
	return []byte(s)
}

// TestAgreesWithGit compares with git's own merge through merge-tree, whose
// default differs from merge-file's.
func TestAgreesWithGit(t *testing.T) {
	dir := t.TempDir()
	git := func(stdin []byte, args ...string) string {
		cmd := exec.Command("git", args...)
		cmd.Dir, cmd.Stdin = dir, bytes.NewReader(stdin)
		cmd.Env = append(os.Environ(), "GIT_CONFIG_GLOBAL=/dev/null", "GIT_CONFIG_SYSTEM=/dev/null",
			"GIT_AUTHOR_NAME=a", "GIT_AUTHOR_EMAIL=a@b", "GIT_COMMITTER_NAME=a", "GIT_COMMITTER_EMAIL=a@b")
		out, err := cmd.CombinedOutput()
		if err != nil && args[0] != "merge-tree" && args[0] != "check-attr" {
			t.Fatalf("git %v: %v\n%s", args, err, out)
		}
		return string(out)
	}
	git(nil, "init", "-q", "--bare", ".")
	r := rand.New(rand.NewPCG(1, 2))
	// One fast-import makes all commits, one merge-tree a case compares.
	var script bytes.Buffer
	type triple struct{ base, ours, theirs []byte }
	all := make([]triple, *cases)
	for i := range all {
		base := randomText(r)
		all[i] = triple{join(r, base), join(r, randomEdit(r, base)), join(r, randomEdit(r, base))}
		for k, text := range [][]byte{all[i].base, all[i].ours, all[i].theirs} {
			fmt.Fprintf(&script, "commit refs/heads/c%d-%d\nmark :%d\ncommitter a <a@b> 1 +0000\ndata 0\n", i, k, 3*i+k+1)
			if k > 0 {
				fmt.Fprintf(&script, "from :%d\n", 3*i+1)
			}
			fmt.Fprintf(&script, "M 100644 inline f\ndata %d\n%s\n", len(text), text)
		}
	}
	git(script.Bytes(), "fast-import", "--quiet")
	clean, conflicts := 0, 0
	for i, c := range all {
		out := git(nil, "merge-tree", "--write-tree", fmt.Sprintf("c%d-1", i), fmt.Sprintf("c%d-2", i))
		tree, rest, _ := strings.Cut(out, "\n")
		got, err := Lines(c.base, c.ours, c.theirs)
		fail := func(text string) {
			for k, b := range [][]byte{c.base, c.ours, c.theirs} {
				_ = os.WriteFile(filepath.Join(os.TempDir(), fmt.Sprint("m-", k)), b, 0o600)
			}
			t.Fatalf("case %d: %s\n%q\n%q\n%q", i, text, c.base, c.ours, c.theirs)
		}
		if rest != "" {
			conflicts++
			if !errors.Is(err, ErrConflict) && !bytes.Equal(c.ours, c.base) {
				fail(fmt.Sprintf("git conflicts, we give %q, %v", got, err))
			}
			continue
		}
		clean++
		if err != nil {
			fail(fmt.Sprint("git merges, we do not: ", err))
		}
		if want := git(nil, "cat-file", "blob", tree+":f"); want != string(got) {
			fail(fmt.Sprintf("git gives %q, we give %q", want, got))
		}
	}
	t.Logf("%d clean and %d conflicts, as git", clean, conflicts)
	if clean < *cases/5 || conflicts < *cases/20 {
		t.Error("too few of one kind to prove anything")
	}
}

func FuzzLines(f *testing.F) {
	f.Add([]byte("a\nb\nc\n"), []byte("a\nB\nc\n"), []byte("a\nb\nc\nd"))
	f.Add([]byte(""), []byte("x"), []byte("x\n"))
	f.Add(bytes.Repeat([]byte("x\n"), 200), bytes.Repeat([]byte("x\n"), 150), append(bytes.Repeat([]byte("x\n"), 200), 'y'))
	f.Fuzz(func(t *testing.T, base, ours, theirs []byte) {
		got, err := Lines(base, ours, theirs)
		// A merge has no favourite, but where equal texts could be read in two ways.
		_, back := Lines(base, theirs, ours)
		if (err == nil) != (back == nil) {
			t.Fatalf("%v one way, %v the other", err, back)
		}
		if err != nil {
			return
		}
		if bytes.Equal(base, ours) && !bytes.Equal(got, theirs) || bytes.Equal(base, theirs) && !bytes.Equal(got, ours) ||
			bytes.Equal(ours, theirs) && !bytes.Equal(got, ours) {
			t.Fatalf("%q", got)
		}
	})
}
