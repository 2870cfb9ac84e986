package datakit

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"sort"
	"strings"
	"time"
)

const (
	maxRefFile    = 4 << 10
	maxPackedRefs = 16 << 20
	headsPrefix   = "refs/heads/"
)

// refStore reads and moves branches by git's files-backend protocol.
//
// The lock file is made as a hard link to a complete file in our own
// directory: that is as exclusive as O_EXCL, the lock is never seen half
// written, and after a crash it is known by its inode to be ours. A lock that
// git left cannot be told from one that a live git holds, so that one is
// waited for, and then reported.
type refStore struct {
	repo string
	tmp  string
	mark string        // a file of ours; each lock we hold is a link to it
	wait time.Duration // for a lock that git holds
}

func (r *refStore) path(branch string) string {
	return filepath.Join(r.repo, "refs", "heads", filepath.FromSlash(branch))
}

// read returns the head of a branch, or ErrNoBranch. A loose file wins over
// packed-refs. `git pack-refs` writes the packed value before it removes the
// loose one, so this order never misses a branch that exists.
func (r *refStore) read(branch string) (Hash, error) {
	data, err := readBounded(r.path(branch), maxRefFile)
	if err == nil {
		h, err := parseRef(data)
		if err != nil {
			return Hash{}, fmt.Errorf("branch %s: %w", branch, err)
		}
		return h, nil
	}
	if !errors.Is(err, fs.ErrNotExist) {
		// A directory of this name, or a file where a directory should be, is
		// as good as absent.
		if info, statErr := os.Stat(r.path(branch)); statErr == nil && !info.IsDir() {
			return Hash{}, fmt.Errorf("read branch %s: %w", branch, err)
		}
	}
	packed, err := r.packed()
	if err != nil {
		return Hash{}, err
	}
	if h, ok := packed[branch]; ok {
		return h, nil
	}
	return Hash{}, fmt.Errorf("%s: %w", branch, ErrNoBranch)
}

// parseRef reads the content of a loose ref: a hash and white space.
func parseRef(data []byte) (Hash, error) {
	text := strings.TrimRight(string(data), " \t\r\n")
	if strings.HasPrefix(text, "ref:") {
		return Hash{}, fmt.Errorf("%w: symbolic branches are not supported", ErrDamaged)
	}
	h, err := ParseHash(text)
	if err != nil || h.IsZero() {
		return Hash{}, fmt.Errorf("%w: the branch file holds %q", ErrDamaged, clip(text))
	}
	return h, nil
}

func (r *refStore) packed() (map[string]Hash, error) {
	data, err := readBounded(filepath.Join(r.repo, "packed-refs"), maxPackedRefs)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read packed-refs: %w", err)
	}
	return parsePackedRefs(data)
}

// parsePackedRefs returns the branches in a packed-refs file: lines of hash,
// space, full name; "#" starts a header and "^" the target of a tag.
func parsePackedRefs(data []byte) (map[string]Hash, error) {
	branches := map[string]Hash{}
	lines := bufio.NewScanner(bytes.NewReader(data))
	for lines.Scan() {
		line := lines.Text()
		if line == "" || line[0] == '#' || line[0] == '^' {
			continue
		}
		text, name, _ := strings.Cut(line, " ")
		h, err := ParseHash(text)
		if err != nil {
			return nil, fmt.Errorf("%w: packed-refs has the line %q", ErrDamaged, clip(line))
		}
		if branch, ok := strings.CutPrefix(name, headsPrefix); ok && checkBranch(branch) == nil {
			branches[branch] = h
		}
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("%w: packed-refs: %w", ErrDamaged, err)
	}
	return branches, nil
}

// list returns the names of all branches, sorted.
func (r *refStore) list() ([]string, error) {
	names := map[string]bool{}
	root := filepath.Join(r.repo, "refs", "heads")
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) {
			return nil // removed by git while we walk
		}
		if err != nil || d.IsDir() {
			return err
		}
		rel, err := filepath.Rel(root, path)
		if name := filepath.ToSlash(rel); err == nil && checkBranch(name) == nil {
			names[name] = true
		}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("list branches: %w", err)
	}
	packed, err := r.packed()
	if err != nil {
		return nil, err
	}
	for name := range packed {
		names[name] = true
	}
	sorted := make([]string, 0, len(names))
	for name := range names {
		sorted = append(sorted, name)
	}
	sort.Strings(sorted)
	return sorted, nil
}

// show sets a branch, of which the caller has the lock; the zero Hash removes it.
// It is not durable before sync.
func (r *refStore) show(branch string, h Hash) error {
	path := r.path(branch)
	if h.IsZero() { // as git does: the packed value first, so that it never comes to light
		if err := r.unpack(context.Background(), r.mark, headsPrefix+branch); err != nil {
			return err
		}
		return ignoreNotExist(os.Remove(path))
	}
	return r.put(path, h)
}

func (r *refStore) put(path string, h Hash) error {
	tmp := filepath.Join(r.tmp, "next-ref")
	if err := os.WriteFile(tmp, []byte(h.String()+"\n"), 0o644); err != nil { //nolint:gosec // as git makes it
		return err
	}
	if info, err := os.Stat(path); err == nil && info.IsDir() {
		removeEmptyDirs(path) // what git leaves of deleted branches below this name
	}
	return os.Rename(tmp, path)
}

// sync makes durable what show did.
func (r *refStore) sync(branch string) error { return r.syncPath(r.path(branch)) }

func (r *refStore) syncPath(path string) error {
	if f, err := os.OpenFile(path, os.O_RDWR, 0); err == nil {
		err = f.Sync()
		_ = f.Close()
		if err != nil {
			return err
		}
	} else if !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	for dir := filepath.Dir(path); ; dir = filepath.Dir(dir) {
		if err := ignoreNotExist(syncDir(dir)); err != nil || dir == r.repo {
			return err
		}
	}
}

// unpack removes a ref from packed-refs, under git's lock of that file, of which
// tmp becomes a link.
func (r *refStore) unpack(ctx context.Context, tmp, name string) error {
	path := filepath.Join(r.repo, "packed-refs")
	data, err := readBounded(path, maxPackedRefs)
	if err != nil {
		return ignoreNotExist(err)
	}
	if _, there := withoutRef(data, name); !there {
		return nil
	}
	if err := r.lock(ctx, tmp, path+".lock"); err != nil {
		return err
	}
	defer os.Remove(path + ".lock")
	if data, err = readBounded(path, maxPackedRefs); err != nil {
		return ignoreNotExist(err)
	}
	rest, there := withoutRef(data, name)
	if !there {
		return nil
	}
	next, err := writeTemp(r.tmp, "packed-*", 0o644, func(w io.Writer) error {
		_, err := w.Write(rest)
		return err
	})
	if err != nil {
		return err
	}
	if err := os.Rename(next, path); err != nil {
		_ = os.Remove(next)
		return err
	}
	return syncDir(r.repo)
}

// withoutRef is the content of packed-refs without a ref and without the line on
// the target of the tag that it may be.
func withoutRef(data []byte, name string) (rest []byte, there bool) {
	skip := false
	for line := range bytes.Lines(data) {
		_, ref, _ := strings.Cut(strings.TrimRight(string(line), "\r\n"), " ")
		switch {
		case skip && line[0] == '^':
			continue
		case line[0] != '#' && ref == name:
			skip, there = true, true
			continue
		}
		skip = false
		rest = append(rest, line...)
	}
	return rest, there
}

func (r *refStore) lock(ctx context.Context, tmp, lock string) error {
	deadline := time.Now().Add(r.wait)
	for pause := time.Millisecond; ; pause = min(2*pause, 50*time.Millisecond) {
		if err := os.MkdirAll(filepath.Dir(lock), 0o777); err != nil {
			return err
		}
		err := os.Link(tmp, lock)
		if err == nil {
			return nil
		}
		// ErrNotExist: git removed the directory between the two calls.
		if !errors.Is(err, fs.ErrExist) && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("%w: %s exists; if no git command is running, remove that file", ErrLocked, lock)
		}
		timer := time.NewTimer(pause)
		select {
		case <-ctx.Done():
			timer.Stop()
			return ctx.Err()
		case <-timer.C:
		}
	}
}

// stale returns the lock files that a process of ours left when it died. The
// caller holds the store's own lock, so no such process lives.
func (r *refStore) stale() (locks []string, err error) {
	left, err := os.ReadDir(r.tmp)
	if err != nil {
		return nil, err
	}
	var ours []fs.FileInfo
	for _, f := range left {
		if info, err := f.Info(); err == nil && strings.HasPrefix(f.Name(), "ref-") {
			ours = append(ours, info)
		}
	}
	unlock := func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(path, ".lock") {
			return ignoreNotExist(err)
		}
		info, err := os.Lstat(path)
		if err != nil {
			return ignoreNotExist(err)
		}
		for _, own := range ours {
			if os.SameFile(own, info) {
				locks = append(locks, path)
				return nil
			}
		}
		return nil
	}
	for _, root := range []string{"refs", "packed-refs.lock"} {
		if err := filepath.WalkDir(filepath.Join(r.repo, root), unlock); err != nil {
			return locks, err
		}
	}
	return locks, nil
}

// clean removes stale locks and all temporary files, and makes a new mark.
func (r *refStore) clean(locks []string) error {
	for _, path := range locks {
		if err := ignoreNotExist(os.Remove(path)); err != nil {
			return err
		}
	}
	left, err := os.ReadDir(r.tmp)
	if err != nil {
		return err
	}
	for _, f := range left {
		if err := os.RemoveAll(filepath.Join(r.tmp, f.Name())); err != nil {
			return err
		}
	}
	r.mark = filepath.Join(r.tmp, "ref-lock")
	if err := os.WriteFile(r.mark, nil, 0o644); err != nil { //nolint:gosec // as git makes its locks
		return err
	}
	keep, err := writeTemp(r.tmp, "keep-*", 0o600, func(w io.Writer) error {
		_, err := io.WriteString(w, keepMark)
		return err
	})
	if err == nil {
		err = os.Rename(keep, filepath.Join(r.tmp, keepFile))
	}
	if err != nil {
		return err
	}
	return syncDir(r.tmp) // after a loss of power it tells our locks
}

func ignoreNotExist(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// removeEmptyDirs removes dir and the directories below it, as far as they are
// empty.
func removeEmptyDirs(dir string) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return
	}
	for _, e := range entries {
		if e.IsDir() {
			removeEmptyDirs(filepath.Join(dir, e.Name()))
		}
	}
	_ = os.Remove(dir)
}

func readBounded(path string, limit int64) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, limit+1))
	if err == nil && int64(len(data)) > limit {
		return nil, fmt.Errorf("%s: %w", path, ErrTooLarge)
	}
	return data, err
}
