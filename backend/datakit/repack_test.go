package datakit

import (
	"context"
	"fmt"
	"path/filepath"
	"testing"
)

// TestPacksStayFew: a repository that is written to for long has few packs, with
// every object in them.
func TestPacksStayFew(t *testing.T) {
	s, err := Open(context.Background(), filepath.Join(t.TempDir(), "repo.git"), Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	const commits = manySmall + 3
	for i := range commits {
		tx, err := s.Begin(t.Context(), "main")
		if err != nil {
			t.Fatal(err)
		}
		if err := tx.Write(fmt.Sprintf("dir/file-%d", i), fmt.Appendln(nil, i), ModeFile); err != nil {
			t.Fatal(err)
		}
		if _, err := tx.Commit(t.Context(), Message{Text: fmt.Sprint(i)}); err != nil {
			t.Fatal(err)
		}
		if err := s.Sync(t.Context()); err != nil { // a checkpoint, and so a pack
			t.Fatal(err)
		}
	}
	before := s.objects.packs.count()
	if err := s.repack(); err != nil {
		t.Fatal(err)
	}
	if after := s.objects.packs.count(); after > manySmall || after >= before {
		t.Errorf("%d packs before, %d after", before, after)
	}
	if files, err := filepath.Glob(filepath.Join(s.Path(), "objects", "pack", "*.pack")); err != nil || len(files) > manySmall {
		t.Errorf("%d pack files, %v", len(files), err)
	}
	git(t, s.Path(), "fsck", "--full", "--strict")
	log, err := s.Log(t.Context(), "main", commits+1, "")
	if err != nil || len(log) != commits {
		t.Errorf("%d commits, %v; want %d", len(log), err, commits)
	}
}
