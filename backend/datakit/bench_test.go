package datakit

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
)

// fill commits a tree of a*b*c files.
func fill(b *testing.B, s *Store, branch string, x, y, z int) {
	all := map[string]string{}
	for i := range x {
		for j := range y {
			for k := range z {
				all[fmt.Sprintf("%d/%d/%d", i, j, k)] = fmt.Sprint("file ", i, j, k)
			}
		}
	}
	if _, err := tryPut(b.Context(), s, branch, "base", all); err != nil {
		b.Fatal(err)
	}
}

// BenchmarkCommit makes durable commits of one small file: in a tree of 1,000 or
// 100,000 files at depth 3, from one client or from 16 on as many branches or on one.
func BenchmarkCommit(b *testing.B) {
	for _, c := range []struct {
		name     string
		x, y, z  int
		clients  int
		branches int
	}{
		{"1000files", 10, 10, 10, 1, 1},
		{"100000files", 47, 47, 46, 1, 1},
		{"1000files/16clients16branches", 10, 10, 10, 16, 16},
		{"1000files/16clients1branch", 10, 10, 10, 16, 1},
	} {
		b.Run(c.name, func(b *testing.B) { benchCommits(b, c.x, c.y, c.z, c.clients, c.branches) })
	}
}

func benchCommits(b *testing.B, x, y, z, clients, branches int) {
	s, err := Open(b.Context(), filepath.Join(b.TempDir(), "r.git"), Options{})
	if err != nil {
		b.Fatal(err)
	}
	defer s.Close()
	for i := range branches {
		fill(b, s, fmt.Sprint("b", i), x, y, z)
	}
	if err := s.Sync(b.Context()); err != nil {
		b.Fatal(err)
	}
	var next atomic.Int64
	var all sync.WaitGroup
	b.ResetTimer()
	for w := range clients {
		all.Go(func() {
			for {
				i := int(next.Add(1))
				if i > b.N {
					return
				}
				change := map[string]string{fmt.Sprintf("%d/%d/%d", i%x, w%y, i/x%z): fmt.Sprint("changed ", i)}
				for {
					_, err := tryPut(context.Background(), s, fmt.Sprint("b", w%branches), "change", change)
					var conflict *ConflictError
					if err == nil {
						break
					}
					if !errors.As(err, &conflict) {
						b.Error(err)
						return
					}
				}
			}
		})
	}
	all.Wait()
	b.StopTimer()
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "commits/s")
}

// BenchmarkGitCommit is git's own porcelain in the same run: one file of 1,000.
func BenchmarkGitCommit(b *testing.B) {
	dir := b.TempDir()
	run := func(args ...string) {
		if out, err := gitCommand(dir, args...).CombinedOutput(); err != nil {
			b.Fatalf("git %v: %s", args, out)
		}
	}
	run("init", "-q")
	for i := range 1000 {
		path := filepath.Join(dir, fmt.Sprint(i/100), fmt.Sprint(i/10%10))
		if err := errors.Join(os.MkdirAll(path, 0o750), os.WriteFile(filepath.Join(path, fmt.Sprint(i%10)), fmt.Append(nil, i), 0o600)); err != nil {
			b.Fatal(err)
		}
	}
	run("add", ".")
	run("commit", "-qm", "base")
	for i := 0; b.Loop(); i++ {
		if err := os.WriteFile(filepath.Join(dir, "1/2/3"), fmt.Append(nil, "changed ", i), 0o600); err != nil {
			b.Fatal(err)
		}
		run("commit", "-qam", "change")
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "commits/s")
}

// BenchmarkDatasync is the limit of the disk: 2 KiB written and synced.
func BenchmarkDatasync(b *testing.B) {
	f, err := os.Create(filepath.Join(b.TempDir(), "f"))
	if err != nil {
		b.Fatal(err)
	}
	defer f.Close()
	if _, err := f.Write(make([]byte, 8<<20)); err != nil {
		b.Fatal(err)
	}
	if err := f.Sync(); err != nil {
		b.Fatal(err)
	}
	data := make([]byte, 2048)
	for i := 0; b.Loop(); i++ {
		if _, err := f.WriteAt(data, int64(i%4096)*2048); err != nil {
			b.Fatal(err)
		}
		if err := f.Sync(); err != nil {
			b.Fatal(err)
		}
	}
}
