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

// update moves branch from old (zero: must not exist) to next. It returns
// errMoved when the branch has another value, and ErrLocked when a git process
// holds the lock for longer than r.wait. After nil the change is durable.
func (r *refStore) update(ctx context.Context, branch string, old, next Hash) error {
	if old.IsZero() {
		if err := r.checkRoom(branch); err != nil {
			return err
		}
	}
	tmp, err := writeTemp(r.tmp, "ref-*", 0o644, func(w io.Writer) error {
		_, err := fmt.Fprintf(w, "%s\n", next)
		return err
	})
	if err != nil {
		return fmt.Errorf("write branch %s: %w", branch, err)
	}
	defer os.Remove(tmp)
	path := r.path(branch)
	lock := path + ".lock"
	if err := r.lock(ctx, tmp, lock); err != nil {
		return fmt.Errorf("lock branch %s: %w", branch, err)
	}
	current, err := r.read(branch)
	if err != nil && !errors.Is(err, ErrNoBranch) {
		_ = os.Remove(lock)
		return err
	}
	if current != old {
		_ = os.Remove(lock)
		return errMoved
	}
	if info, err := os.Stat(path); err == nil && info.IsDir() {
		removeEmptyDirs(path) // what git leaves of deleted branches below this name
	}
	if err := os.Rename(lock, path); err != nil {
		_ = os.Remove(lock)
		return fmt.Errorf("write branch %s: %w", branch, err)
	}
	// A directory of this branch may be new: its parents must be durable too.
	for dir := filepath.Dir(path); dir != r.repo; dir = filepath.Dir(dir) {
		if err := syncDir(dir); err != nil {
			return fmt.Errorf("write branch %s: %w", branch, err)
		}
		if !old.IsZero() {
			break
		}
	}
	return nil
}

// remove removes a branch, or returns ErrNoBranch. As git does: the packed value
// first, so that it never comes to light again.
func (r *refStore) remove(ctx context.Context, branch string) error {
	path := r.path(branch)
	lock := path + ".lock"
	tmp, err := writeTemp(r.tmp, "ref-*", 0o644, func(io.Writer) error { return nil })
	if err != nil {
		return fmt.Errorf("remove branch %s: %w", branch, err)
	}
	defer os.Remove(tmp)
	if err := r.lock(ctx, tmp, lock); err != nil {
		return fmt.Errorf("lock branch %s: %w", branch, err)
	}
	defer os.Remove(lock)
	if _, err := r.read(branch); err != nil {
		return err
	}
	if err := r.unpack(ctx, tmp, headsPrefix+branch); err != nil {
		return fmt.Errorf("remove branch %s: %w", branch, err)
	}
	if err := ignoreNotExist(os.Remove(path)); err != nil {
		return fmt.Errorf("remove branch %s: %w", branch, err)
	}
	return syncDir(filepath.Dir(path))
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

// checkRoom refuses "a" beside "a/b", which git cannot store as files.
func (r *refStore) checkRoom(branch string) error {
	names, err := r.list()
	if err != nil {
		return err
	}
	for _, name := range names {
		if strings.HasPrefix(name, branch+"/") || strings.HasPrefix(branch, name+"/") {
			return fmt.Errorf("%w %q: branch %q exists", ErrBadBranch, branch, name)
		}
	}
	return nil
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

// recover removes the lock files and temporary files that a process of ours
// left when it died. The caller holds the store's own lock, so no such process
// lives.
func (r *refStore) recover() (removed []string, err error) {
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
				removed = append(removed, path)
				return os.Remove(path)
			}
		}
		return nil
	}
	for _, root := range []string{"refs", "packed-refs.lock"} {
		if err := filepath.WalkDir(filepath.Join(r.repo, root), unlock); err != nil {
			return removed, err
		}
	}
	for _, f := range left {
		if err := os.Remove(filepath.Join(r.tmp, f.Name())); err != nil {
			return removed, err
		}
	}
	return removed, nil
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
