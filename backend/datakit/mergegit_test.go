package datakit

import (
	"bytes"
	"flag"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

var (
	mergeCases = flag.Int("mergecases", 220, "generated merges to compare with git merge-tree")
	mergeSeed  = flag.Uint64("mergeseed", 1, "of the generated merges")
)

// tree is a generated tree: path to mode and content.
type genTree map[string]genFile

type genFile struct {
	mode string
	text string // of a submodule, 40 digits
}

type generator struct {
	*rand.Rand
	next int
}

func (g *generator) word() string { g.next++; return fmt.Sprint("word ", g.next, " ", g.IntN(1000)) }

func (g *generator) text() string {
	end := []string{"\n", "\n", "\n", "\r\n"}[g.IntN(4)]
	var lines []string
	for range 5 + g.IntN(30) {
		if g.IntN(5) == 0 {
			lines = append(lines, []string{"", "}", "end"}[g.IntN(3)])
		} else {
			lines = append(lines, g.word())
		}
	}
	s := strings.Join(lines, end)
	if g.IntN(5) > 0 {
		s += end
	}
	return s
}

func (g *generator) base() genTree {
	t := genTree{}
	for _, dir := range []string{"", "a/", "b/", "b/c/", "d/e/f/"} {
		for i := range 2 + g.IntN(3) {
			t[fmt.Sprint(dir, "file", g.IntN(8), ".", i)] = genFile{"100644", g.text()}
		}
	}
	t["link"] = genFile{"120000", "a/target"}
	t["sub"] = genFile{"160000", strings.Repeat("12", 20)}
	t["a/empty"] = genFile{"100644", ""}
	t["run.sh"] = genFile{"100755", g.text()}
	return t
}

func (g *generator) pick(t genTree) string {
	paths := slices.Sorted(maps.Keys(t))
	if len(paths) == 0 {
		return ""
	}
	return paths[g.IntN(len(paths))]
}

func (g *generator) edited(text string) string {
	lines := strings.SplitAfter(text, "\n")
	for range 1 + g.IntN(2) {
		i := g.IntN(len(lines))
		switch g.IntN(3) {
		case 0:
			lines[i] = g.word() + "\n"
		case 1:
			lines = slices.Insert(lines, i, g.word()+"\n")
		default:
			lines[i] = ""
		}
	}
	return strings.Join(lines, "")
}

// change applies one random change of a kind.
func (g *generator) change(t genTree, kind string) {
	p := g.pick(t)
	f := t[p]
	regular := strings.HasPrefix(f.mode, "100")
	switch kind {
	case "edit":
		if regular {
			t[p] = genFile{f.mode, g.edited(f.text)}
		}
	case "add":
		t[fmt.Sprint([]string{"", "a/", "new/", "b/c/"}[g.IntN(4)], "added", g.IntN(4))] = genFile{"100644", g.text()}
	case "delete":
		delete(t, p)
	case "mode":
		if regular {
			f.mode = map[string]string{"100644": "100755", "100755": "100644"}[f.mode]
			t[p] = f
		}
	case "swap": // a file becomes a directory, or a directory a file
		if g.IntN(2) == 0 {
			delete(t, p)
			t[p+"/inside"] = f
		} else if dir, _, ok := strings.Cut(p, "/"); ok {
			for q := range t {
				if strings.HasPrefix(q, dir+"/") {
					delete(t, q)
				}
			}
			t[dir] = genFile{"100644", g.text()}
		}
	case "type":
		t["link"] = genFile{"120000", g.word()}
		if g.IntN(2) == 0 {
			t["sub"] = genFile{"160000", strings.Repeat([]string{"34", "56"}[g.IntN(2)], 20)}
		}
	case "rename", "rename+edit":
		delete(t, p)
		to := p + "-moved"
		if g.IntN(2) == 0 {
			to = []string{"", "a/", "elsewhere/", "d/e/"}[g.IntN(4)] + baseName(p)
		}
		if kind == "rename+edit" && regular {
			f.text = g.edited(f.text)
		}
		if _, taken := t[to]; !taken {
			t[to] = f
		} else {
			t[p] = f
		}
	case "dir":
		from := []string{"a/", "b/", "b/c/", "d/e/f/", "d/"}[g.IntN(5)]
		to := []string{"moved/", "d/e/", "x/y/"}[g.IntN(3)]
		for _, q := range slices.Sorted(maps.Keys(t)) {
			if rest, ok := strings.CutPrefix(q, from); ok {
				if _, taken := t[to+rest]; !taken {
					t[to+rest] = t[q]
					delete(t, q)
				}
			}
		}
	}
}

// valid takes out files that have become directories.
func (t genTree) valid() genTree {
	out := genTree{}
	for p, f := range t {
		ok := true
		for q := range t {
			ok = ok && !strings.HasPrefix(q, p+"/")
		}
		if ok {
			out[p] = f
		}
	}
	return out
}

var mergeKinds = map[string][]string{
	"edits":        {"edit", "edit", "edit", "edit"},
	"adds":         {"add", "add", "edit"},
	"deletes":      {"delete", "edit", "edit"},
	"modes":        {"mode", "edit", "mode"},
	"swaps":        {"swap", "edit", "edit"},
	"types":        {"type", "edit"},
	"renames":      {"rename", "edit", "edit", "edit"},
	"rename+edit":  {"rename+edit", "edit", "edit", "edit"},
	"directories":  {"dir", "edit", "edit", "add"},
	"many renames": {"rename", "rename+edit", "rename", "edit", "edit", "delete", "add"},
	"mixed":        {"edit", "add", "delete", "mode", "rename", "rename+edit", "type", "swap", "dir"},
}

type importer struct {
	bytes.Buffer
	marks int
}

func (im *importer) commit(branch string, t genTree, parents ...int) int {
	im.marks++
	fmt.Fprintf(im, "commit refs/heads/%s\nmark :%d\ncommitter a <a@b> %d +0000\ndata 0\n", branch, im.marks, 1000+im.marks)
	for i, p := range parents {
		fmt.Fprintf(im, "%s :%d\n", []string{"from", "merge"}[min(i, 1)], p)
	}
	im.WriteString("deleteall\n")
	for _, path := range slices.Sorted(maps.Keys(t)) {
		f := t[path]
		if f.mode == "160000" {
			fmt.Fprintf(im, "M 160000 %s %s\n", f.text, path)
		} else {
			fmt.Fprintf(im, "M %s inline %s\ndata %d\n%s\n", f.mode, path, len(f.text), f.text)
		}
	}
	return im.marks
}

// add makes the commits of one case: ours on branch c<i>-1, theirs on c<i>-2.
func (g *generator) add(im *importer, i int, kind, shape string) {
	some := func(t genTree, n int) genTree {
		t = maps.Clone(t)
		kinds := mergeKinds[kind]
		for range n {
			g.change(t, kinds[g.IntN(len(kinds))])
		}
		return t.valid()
	}
	one, two := fmt.Sprintf("c%d-1", i), fmt.Sprintf("c%d-2", i)
	base := g.base()
	switch shape {
	case "no base":
		im.commit(one, some(base, 2))
		other := g.base()
		if g.IntN(2) == 0 {
			other = genTree{"only/" + g.word(): genFile{"100644", g.text()}}
		}
		im.commit(two, other)
	case "criss-cross":
		root := im.commit(one, base)
		left, right := some(base, 1), some(base, 1)
		l := im.commit(one, left, root)
		r := im.commit(two, right, root)
		both := maps.Clone(left)
		for p := range base {
			if _, kept := right[p]; !kept {
				delete(both, p)
			}
		}
		for p, f := range right {
			if base[p] != f {
				both[p] = f
			}
		}
		both = both.valid()
		ml := im.commit(one, both, l, r)
		mr := im.commit(two, both, r, l)
		im.commit(one, some(both, 2), ml)
		im.commit(two, some(both, 2), mr)
	default:
		root := im.commit(one, base)
		ours, theirs := some(base, 1+g.IntN(4)), some(base, 1+g.IntN(4))
		if g.IntN(5) == 0 { // the same on both sides, and more
			both := some(base, 2)
			ours, theirs = some(both, 1), some(both, 1)
		}
		im.commit(one, ours, root)
		im.commit(two, theirs, root)
	}
}

// onlyMovedAndRemoved reports whether git's conflicts are of the one kind that we
// decide.
func onlyMovedAndRemoved(said string) bool {
	for _, line := range strings.Split(said, "\n") {
		if strings.HasPrefix(line, "CONFLICT") && !strings.HasPrefix(line, "CONFLICT (rename/delete)") {
			return false
		}
	}
	return true
}

// TestMergeAgreesWithGit: where git merges cleanly our tree is git's, or a
// conflict; where git does not, so do we not.
func TestMergeAgreesWithGit(t *testing.T) {
	t.Parallel()
	dir := t.TempDir() + "/r.git"
	git(t, "", "init", "-q", "--bare", "-b", "main", dir)
	g := &generator{Rand: rand.New(rand.NewPCG(*mergeSeed, 9))}
	kinds := slices.Sorted(maps.Keys(mergeKinds))
	type row struct{ clean, conflict, stricter, looser int }
	table := map[string]*row{}
	names := make([]string, *mergeCases)
	im := &importer{}
	for i := range names {
		kind, shape := kinds[i%len(kinds)], "one base"
		names[i] = kind
		if n := i / len(kinds) % 5; n > 2 {
			shape = []string{"criss-cross", "no base"}[n-3]
			names[i] = shape + ", " + kind
			if shape == "no base" {
				names[i] = shape
			}
		}
		g.add(im, i, kind, shape)
	}
	cmd := gitCommand(dir, "fast-import", "--quiet", "--force")
	cmd.Stdin = im
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	s := openAt(t, dir, Options{})
	for i, name := range names {
		one, two := fmt.Sprintf("c%d-1", i), fmt.Sprintf("c%d-2", i)
		cmd := gitCommand(dir, "merge-tree", "--write-tree", "--allow-unrelated-histories", one, two)
		var text, stderr bytes.Buffer
		cmd.Stdout, cmd.Stderr = &text, &stderr
		err := cmd.Run()
		if err != nil && cmd.ProcessState.ExitCode() != 1 {
			t.Fatalf("%v\n%s", err, stderr.String())
		}
		clean := err == nil
		want, said, _ := strings.Cut(text.String(), "\n")
		got, conflicts, err := s.MergeTrees(t.Context(), head(t, s, one), head(t, s, two))
		if err != nil {
			t.Fatalf("%s and %s: %v", one, two, err)
		}
		if table[name] == nil {
			table[name] = &row{}
		}
		switch {
		case clean && len(conflicts) > 0:
			table[name].stricter++
			if testing.Verbose() {
				t.Logf("stricter, %s: %v", name, conflicts)
			}
		case clean && got.String() != want:
			t.Errorf("%s (%s, %s): git's tree is %s, ours %s", one, two, name, want, got)
		case clean:
			table[name].clean++
		case len(conflicts) == 0 && onlyMovedAndRemoved(said):
			table[name].looser++
		case len(conflicts) == 0:
			t.Errorf("%s (%s, %s): git finds conflicts, we do not\n%s", one, two, name, said)
		default:
			table[name].conflict++
		}
	}
	var sum row
	for _, name := range slices.Sorted(maps.Keys(table)) {
		r := table[name]
		t.Logf("%-26s same tree %4d, both conflict %4d, only we conflict %3d, only git %3d", name, r.clean, r.conflict, r.stricter, r.looser)
		sum = row{sum.clean + r.clean, sum.conflict + r.conflict, sum.stricter + r.stricter, sum.looser + r.looser}
	}
	t.Logf("%-26s same tree %4d, both conflict %4d, only we conflict %3d, only git %3d", "all", sum.clean, sum.conflict, sum.stricter, sum.looser)
	if sum.clean < *mergeCases/4 || sum.stricter > sum.clean/10 {
		t.Errorf("too few clean merges: %+v", sum)
	}
}
