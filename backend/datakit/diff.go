package datakit

import (
	"bytes"
	"context"
	"errors"
)

// FileDiff is how one file differs between two commits.
type FileDiff struct {
	Path string `json:"path"`
	Kind Kind   `json:"kind"`
	// From is where an added file was before, when one with the same content
	// was removed; that one is listed too.
	From string `json:"from,omitempty"`
	Old  string `json:"old"` // content, "" when added, binary or cut
	New  string `json:"new"`
	// Unified is git's unified format with its header, "" when binary or cut.
	Unified string `json:"unified"`
	Binary  bool   `json:"binary,omitempty"` // one side is not text
	Cut     bool   `json:"cut,omitempty"`    // too large to show
}

const (
	maxDiffFiles = 1000
	maxDiffText  = 256 << 10 // bytes of one side of one file
	maxDiffFile  = 1 << 20   // bytes of a file that is read to see whether it is text
	maxDiffTotal = 4 << 20   // bytes of text in one answer
)

// Diff returns the files that differ between two commits, by path; the zero
// Hash is the empty tree. Errors: ErrNotExist for an unknown commit, and
// ErrTooLarge with the first files when more than 1,000 differ.
func (s *Store) Diff(ctx context.Context, a, b Hash) ([]FileDiff, error) {
	if err := s.enter(); err != nil {
		return nil, err
	}
	defer s.leave()
	left, err := treeOf(s.objects, a)
	if err != nil {
		return nil, err
	}
	right, err := treeOf(s.objects, b)
	if err != nil {
		return nil, err
	}
	changes, tooMany := treeChanges(s.objects, left, right, maxDiffFiles)
	if tooMany != nil && !errors.Is(tooMany, ErrTooLarge) {
		return nil, tooMany
	}
	diffs := make([]FileDiff, 0, len(changes))
	moved := movedFiles(changes)
	room := maxDiffTotal
	for _, c := range changes {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		d, err := diffFile(s.objects, c, &room)
		if err != nil {
			return nil, err
		}
		d.From = moved[c.path]
		diffs = append(diffs, d)
	}
	return diffs, tooMany
}

// movedFiles returns where added files were before: those of whose content just
// one was added and one removed.
func movedFiles(changes []change) map[string]string {
	removed, added := map[Hash][]string{}, map[Hash][]string{}
	for _, c := range changes {
		switch c.kind() {
		case Added:
			added[c.new.hash] = append(added[c.new.hash], c.path)
		case Removed:
			removed[c.old.hash] = append(removed[c.old.hash], c.path)
		}
	}
	moved := map[string]string{}
	for h, now := range added {
		if old := removed[h]; len(now) == 1 && len(old) == 1 && h != emptyBlob {
			moved[now[0]] = old[0]
		}
	}
	return moved
}

// diffFile takes the text it returns off room.
func diffFile(r objectReader, c change, room *int) (FileDiff, error) {
	d := FileDiff{Path: c.path, Kind: c.kind()}
	old, err := sideOf(r, c.old)
	if err == nil {
		var now []byte
		now, err = sideOf(r, c.new)
		size := len(old) + len(now)
		switch {
		case err != nil:
		case bytes.IndexByte(old, 0) >= 0 || bytes.IndexByte(now, 0) >= 0:
			d.Binary = true
		case max(len(old), len(now)) > maxDiffText || size > *room:
			d.Cut = true
		default:
			d.Old, d.New = string(old), string(now)
			d.Unified = unified(c.path, c, d.Old, d.New)
			*room -= size
		}
	}
	if errors.Is(err, ErrTooLarge) {
		d.Cut, err = true, nil
	}
	return d, err
}

func sideOf(r objectReader, n node) ([]byte, error) {
	if n.absent() {
		return nil, nil
	}
	if size, err := nodeSize(r, n); err != nil {
		return nil, err
	} else if size > maxDiffFile {
		return nil, ErrTooLarge
	}
	return readBlob(r, n)
}
