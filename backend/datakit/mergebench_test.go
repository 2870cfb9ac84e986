package datakit

import (
	"fmt"
	"testing"

	"github.com/go-git/go-git/v5/plumbing"
)

// grid makes a commit of a*b*c small files at depth 3, by fast-import, and two
// branches that each change a file, in a repository of its own.
func grid(b *testing.B, x, y, z int) *Store {
	b.Helper()
	dir := b.TempDir() + "/r.git"
	if out, err := gitCommand("", "init", "-q", "--bare", dir).CombinedOutput(); err != nil {
		b.Fatal(string(out))
	}
	im := &importer{}
	t := genTree{}
	for i := range x {
		for j := range y {
			for k := range z {
				t[fmt.Sprint(i, "/", j, "/", k)] = genFile{"100644", fmt.Sprintln(i, j, k)}
			}
		}
	}
	root := im.commit("main", t)
	t["1/2/3"] = genFile{"100644", "ours\n"}
	im.commit("ours", t, root)
	t["1/2/3"] = genFile{"100644", fmt.Sprintln(1, 2, 3)}
	t["3/2/1"] = genFile{"100644", "theirs\n"}
	im.commit("theirs", t, root)
	cmd := gitCommand(dir, "fast-import", "--quiet")
	cmd.Stdin = im
	if out, err := cmd.CombinedOutput(); err != nil {
		b.Fatal(string(out))
	}
	s, err := Open(b.Context(), dir, Options{})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { s.Close() })
	return s
}

var grids = []struct {
	name    string
	x, y, z int
}{{"1k", 10, 10, 10}, {"100k", 47, 47, 46}}

// BenchmarkTx is Begin, Write and Commit of one small file.
func BenchmarkTx(b *testing.B) {
	for _, g := range grids {
		b.Run(g.name, func(b *testing.B) {
			s := grid(b, g.x, g.y, g.z)
			for i := 0; b.Loop(); i++ {
				change := map[string]string{fmt.Sprint(i%g.x, "/", i/7%g.y, "/", i/49%g.z): fmt.Sprint("changed ", i)}
				if _, err := tryPut(b.Context(), s, "main", "change", change); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkTxBuild is the part of it that this package computes: no disk.
func BenchmarkTxBuild(b *testing.B) {
	for _, g := range grids {
		b.Run(g.name, func(b *testing.B) {
			s := grid(b, g.x, g.y, g.z)
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				tx, err := s.Begin(b.Context(), "main")
				if err != nil {
					b.Fatal(err)
				}
				if err := tx.Write(fmt.Sprint(i%g.x, "/", i/7%g.y, "/", i/49%g.z), []byte("new"), ModeFile); err != nil {
					b.Fatal(err)
				}
				if _, err := tx.build(b.Context(), newBatch(tx.merged), false); err != nil {
					b.Fatal(err)
				}
				tx.Close()
			}
		})
	}
}

// BenchmarkMergeTrees merges two branches that changed one file each.
func BenchmarkMergeTrees(b *testing.B) {
	for _, g := range grids {
		s := grid(b, g.x, g.y, g.z)
		ours, err := s.Head("ours")
		if err != nil {
			b.Fatal(err)
		}
		theirs, err := s.Head("theirs")
		if err != nil {
			b.Fatal(err)
		}
		b.Run(g.name, func(b *testing.B) {
			for b.Loop() {
				if _, conflicts, err := s.MergeTrees(b.Context(), ours, theirs); err != nil || len(conflicts) > 0 {
					b.Fatal(conflicts, err)
				}
			}
		})
		b.Run(g.name+"-git", func(b *testing.B) {
			for b.Loop() {
				if out, err := gitCommand(s.Path(), "merge-tree", "--write-tree", "ours", "theirs").CombinedOutput(); err != nil {
					b.Fatal(string(out))
				}
			}
		})
	}
}

func BenchmarkDecodeTree(b *testing.B) {
	var entries []treeEntry
	for i := range 1000 {
		entries = append(entries, treeEntry{fmt.Sprintf("file-%04d", i), node{ModeFile, hashOf(plumbing.BlobObject, []byte(fmt.Sprint(i)))}})
	}
	data := encodeTree(entries)
	b.SetBytes(int64(len(data)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := decodeTree(data); err != nil {
			b.Fatal(err)
		}
	}
}
