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
	room := maxDiffTotal
	for _, c := range changes {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		d, err := diffFile(s.objects, c, &room)
		if err != nil {
			return nil, err
		}
		diffs = append(diffs, d)
	}
	return diffs, tooMany
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
	return readBlob(r, n)
}
