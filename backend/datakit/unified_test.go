package datakit

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestUnifiedApplies gives random edits to git apply, which is strict about
// line numbers and context.
func TestUnifiedApplies(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	r := rand.New(rand.NewPCG(1, 2))
	text := func() string {
		var b strings.Builder
		for range r.IntN(30) {
			fmt.Fprintf(&b, "line %d\n", r.IntN(8))
		}
		if r.IntN(3) == 0 {
			b.WriteString("no newline")
		}
		return b.String()
	}
	var patch strings.Builder
	want := map[string]string{}
	for i := range 300 {
		name := fmt.Sprintf("f%d", i)
		old, now := text(), text()
		if old == now || old == "" || now == "" {
			continue
		}
		if err := os.WriteFile(filepath.Join(dir, name), []byte(old), 0o644); err != nil {
			t.Fatal(err)
		}
		want[name] = now
		file := node{mode: ModeFile, hash: Hash{1}}
		patch.WriteString(unified(name, change{old: file, new: file}, old, now))
	}
	added := node{mode: ModeExec, hash: Hash{1}}
	patch.WriteString(unified("added", change{new: added}, "", "x\ny"))
	want["added"] = "x\ny"
	if err := os.WriteFile(filepath.Join(dir, "gone"), []byte("bye\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	patch.WriteString(unified("gone", change{old: node{mode: ModeFile, hash: Hash{1}}}, "bye\n", ""))
	cmd := gitCommand(dir, "apply", "-v", "-")
	cmd.Stdin = strings.NewReader(patch.String())
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("git apply: %v\n%s", err, out)
	}
	for name, content := range want {
		got, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil || string(got) != content {
			t.Errorf("%s: %q %v, want %q", name, got, err, content)
		}
	}
	if _, err := os.Stat(filepath.Join(dir, "gone")); err == nil {
		t.Error("gone is still there")
	}
}

func TestDiffIsShortest(t *testing.T) {
	for _, test := range []struct {
		a, b string
		want int
	}{{"abcabba", "cbabac", 5}, {"", "abc", 3}, {"abc", "", 3}, {"abc", "abc", 0}, {"abc", "abd", 2}} {
		ops := diffLines(strings.Split(test.a, ""), strings.Split(test.b, ""))
		n := 0
		for _, op := range ops {
			if op.kind != ' ' {
				n++
			}
		}
		if n != test.want {
			t.Errorf("%s to %s: %d edits, want %d", test.a, test.b, n, test.want)
		}
	}
	// Above the bound it is not the shortest, but still right.
	var a, b []string
	for i := range 2 * maxEditSteps {
		a, b = append(a, fmt.Sprint("a", i)), append(b, fmt.Sprint("b", i))
	}
	var rebuilt []string
	for _, op := range diffLines(a, b) {
		if op.kind != '-' {
			rebuilt = append(rebuilt, b[op.b])
		}
	}
	if strings.Join(rebuilt, "") != strings.Join(b, "") {
		t.Error("the bounded diff does not lead to the new text")
	}
}
