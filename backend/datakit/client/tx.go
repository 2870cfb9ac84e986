package client

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strings"
	"sync"
	"time"

	"github.com/slipway-desktop/slipway/backend/datakit"
	"github.com/slipway-desktop/slipway/backend/ninep"
)

// Tx is a transaction: a private copy of a branch as it was at Begin, to change
// and then Commit, which merges it into what the branch is by then. It belongs to
// its connection: when that ends the server closes it. One goroutine at a time
// may use it.
type Tx struct {
	c      *Client
	branch string
	name   string
	all    *ninep.File // transactions/ of the branch; nil when the transaction is over
	spent  sync.WaitGroup
}

// Begin starts a transaction on a branch, which need not exist.
func (c *Client) Begin(ctx context.Context, branch string) (*Tx, error) {
	return c.BeginNamed(ctx, branch, "tx-"+strings.ToLower(rand.Text()[:10]))
}

// BeginNamed is Begin with a name for others to see: ErrExist if it is taken.
func (c *Client) BeginNamed(ctx context.Context, branch, name string) (*Tx, error) {
	tx := &Tx{c: c, branch: branch, name: name}
	if err := tx.begin(ctx); err != nil {
		return nil, wrap("begin a transaction on", branch, err)
	}
	return tx, nil
}

func (tx *Tx) begin(ctx context.Context) error {
	all, err := tx.c.walk(ctx, "branch", element(tx.branch), "transactions")
	if missing(err) {
		if err = tx.c.makeBranch(ctx, tx.branch); err == nil {
			all, err = tx.c.walk(ctx, "branch", element(tx.branch), "transactions")
		}
	}
	if err != nil {
		return err
	}
	if err := all.Mkdir(ctx, tx.name, 0o775); err != nil {
		all.Close()
		return err
	}
	tx.all = all
	return nil
}

// drop closes a file of which nothing is expected any more, beside what goes on:
// a round trip less to wait for. end waits for all.
func (tx *Tx) drop(f *ninep.File) {
	tx.spent.Go(func() { f.Close() })
}

// Branch returns the branch that Commit changes.
func (tx *Tx) Branch() string { return tx.branch }

// Name returns the transaction's name in branch/BRANCH/transactions.
func (tx *Tx) Name() string { return tx.name }

func (tx *Tx) check(path string) error {
	if tx.all == nil {
		return ErrClosed
	}
	if path == "" {
		return nil
	}
	return datakit.CheckPath(path)
}

// walk finds what is at path, "" for the root.
func (tx *Tx) walk(ctx context.Context, path string) (*ninep.File, error) {
	if err := tx.check(path); err != nil {
		return nil, err
	}
	return tx.all.Walk(ctx, append([]string{tx.name, "rw"}, split(path)...)...)
}

// names is where a path of the transaction is in the server's tree.
func (tx *Tx) names(path string) []string {
	return append([]string{"branch", element(tx.branch), "transactions", tx.name, "rw"}, split(path)...)
}

// Read returns the content of a file; of a symbolic link, its target.
func (tx *Tx) Read(ctx context.Context, path string) ([]byte, error) {
	if err := tx.check(path); err != nil {
		return nil, err
	}
	return tx.c.readFile(ctx, path, tx.names(path))
}

// List returns the entries of a directory, "" for the root.
func (tx *Tx) List(ctx context.Context, dir string) ([]Entry, error) {
	if err := tx.check(dir); err != nil {
		return nil, err
	}
	return tx.c.listFiles(ctx, dir, tx.names(dir))
}

// Stat describes a file or directory.
func (tx *Tx) Stat(ctx context.Context, path string) (Entry, error) {
	if err := tx.check(path); err != nil {
		return Entry{}, err
	}
	return tx.c.stat(ctx, path, tx.names(path))
}

// Write sets the content of a file and makes the directories above it. A file
// that exists keeps its mode.
func (tx *Tx) Write(ctx context.Context, path string, data []byte) error {
	f, err := tx.create(ctx, path, datakit.ModeFile)
	if err != nil {
		return wrap("write", path, err)
	}
	defer tx.drop(f)
	if len(data) > 0 {
		_, err = f.WriteAt(ctx, data, 0)
	}
	return wrap("write", path, explain(ctx, f, err))
}

// WriteFrom is Write of what r has, as ModeFile or ModeExec, or as a symbolic
// link to it.
func (tx *Tx) WriteFrom(ctx context.Context, path string, r io.Reader, mode datakit.Mode) error {
	if mode == datakit.ModeSymlink {
		return tx.link(ctx, path, r)
	}
	f, err := tx.create(ctx, path, mode)
	if err != nil {
		return wrap("write", path, err)
	}
	defer f.Close()
	if err := tx.chmod(ctx, f, mode); err != nil {
		return wrap("write", path, err)
	}
	w := f.Writer(ctx)
	_, err = io.CopyBuffer(struct{ io.Writer }{w}, struct{ io.Reader }{r}, make([]byte, 512<<10))
	return wrap("write", path, explain(ctx, f, err))
}

func (tx *Tx) link(ctx context.Context, path string, r io.Reader) error {
	const longest = 4096
	target, err := io.ReadAll(io.LimitReader(r, longest+1))
	if err != nil {
		return err
	}
	if len(target) > longest {
		return fmt.Errorf("write %s: the target of a symbolic link: %w", path, ErrTooLarge)
	}
	if err := tx.Remove(ctx, path); err != nil && !errors.Is(err, ErrNotExist) {
		return err
	}
	dir, name, err := tx.parent(ctx, path)
	if err != nil {
		return wrap("write", path, err)
	}
	defer dir.Close()
	return wrap("write", path, dir.Symlink(ctx, name, string(target)))
}

// create opens a file for writing, empty, and makes it if there is none.
func (tx *Tx) create(ctx context.Context, path string, mode datakit.Mode) (*ninep.File, error) {
	f, err := tx.walk(ctx, path)
	if err == nil {
		if f.Qid().Type&ninep.QidSymlink == 0 {
			if err = f.Open(ctx, ninep.WriteOnly|ninep.Truncate); err != nil {
				f.Close()
			}
			return f, err
		}
		if err := f.Remove(ctx); err != nil { // Remove closes, too
			return nil, err
		}
	} else if !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	dir, name, err := tx.parent(ctx, path)
	if err != nil {
		return nil, err
	}
	perm := uint32(0o664)
	if mode == datakit.ModeExec {
		perm = 0o775
	}
	if err := dir.Create(ctx, name, ninep.WriteOnly, perm); err != nil {
		dir.Close()
		return nil, err
	}
	return dir, nil
}

// parent finds the directory of path, and makes it if there is none.
func (tx *Tx) parent(ctx context.Context, path string) (*ninep.File, string, error) {
	if path == "" {
		return nil, "", ErrBadPath
	}
	dir, name := "", path
	if i := strings.LastIndexByte(path, '/'); i >= 0 {
		dir, name = path[:i], path[i+1:]
	}
	f, err := tx.walk(ctx, dir)
	if errors.Is(err, fs.ErrNotExist) {
		if err = tx.Mkdir(ctx, dir); err == nil {
			f, err = tx.walk(ctx, dir)
		}
	}
	if err == nil && f.Qid().Type&ninep.QidDir == 0 {
		f.Close()
		return nil, "", &Error{Op: "make directory", Name: dir, Reason: "a file is in the way", Err: ninep.ENOTDIR}
	}
	return f, name, err
}

func (tx *Tx) chmod(ctx context.Context, f *ninep.File, mode datakit.Mode) error {
	perm := uint32(0o664)
	if mode == datakit.ModeExec {
		perm = 0o775
	}
	a, err := f.Attr(ctx)
	if err != nil || a.Mode&0o100 == perm&0o100 {
		return err
	}
	return f.SetAttr(ctx, ninep.SetAttr{Valid: ninep.SetMode, Mode: perm})
}

// Mkdir makes a directory and those above it; it is no error if they exist. Git
// keeps no empty directory: one that stays empty is gone after Commit.
func (tx *Tx) Mkdir(ctx context.Context, path string) error {
	at, err := tx.walk(ctx, "")
	if err != nil {
		return wrap("make directory", path, err)
	}
	if err := tx.check(path); err != nil {
		at.Close()
		return err
	}
	for _, name := range split(path) {
		next, err := at.Walk(ctx, name)
		if errors.Is(err, fs.ErrNotExist) {
			if err = at.Mkdir(ctx, name, 0o775); err == nil || ninep.ErrnoOf(err) == ninep.EEXIST {
				next, err = at.Walk(ctx, name)
			}
		}
		at.Close()
		if err != nil {
			return wrap("make directory", path, err)
		}
		at = next
	}
	return at.Close()
}

// Rename moves a file or directory. What is at to must be a file, or not be.
func (tx *Tx) Rename(ctx context.Context, from, to string) error {
	if err := tx.check(from); err != nil {
		return err
	}
	dir, name := "", from
	if i := strings.LastIndexByte(from, '/'); i >= 0 {
		dir, name = from[:i], from[i+1:]
	}
	old, err := tx.walk(ctx, dir)
	if err != nil {
		return wrap("rename", from, err)
	}
	defer old.Close()
	target, newName, err := tx.parent(ctx, to)
	if err != nil {
		return wrap("rename", from, err)
	}
	defer target.Close()
	return wrap("rename", from, old.Rename(ctx, name, target, newName))
}

// Remove removes a file, or a directory with all that is in it.
func (tx *Tx) Remove(ctx context.Context, path string) error {
	f, err := tx.walk(ctx, path)
	if err != nil {
		return wrap("remove", path, err)
	}
	if path == "" {
		f.Close()
		return fmt.Errorf("remove: %w: empty", ErrBadPath)
	}
	err = f.Remove(ctx)
	if ninep.ErrnoOf(err) == ninep.ENOTEMPTY { // DataKit removes all at once, others do not
		var entries []Entry
		if entries, err = tx.List(ctx, path); err != nil {
			return err
		}
		for _, e := range entries {
			if err := tx.Remove(ctx, path+"/"+e.Name); err != nil && !errors.Is(err, ErrNotExist) {
				return err
			}
		}
		if f, err = tx.walk(ctx, path); err == nil {
			err = f.Remove(ctx)
		}
		if errors.Is(err, fs.ErrNotExist) {
			return nil // it went with what was in it
		}
	}
	return wrap("remove", path, err)
}

// read reads one of the transaction's own files.
func (tx *Tx) read(ctx context.Context, name string) (string, error) {
	if tx.all == nil {
		return "", ErrClosed
	}
	f, err := tx.all.Walk(ctx, tx.name, name)
	if err != nil {
		return "", err
	}
	defer f.Close()
	if err := f.Open(ctx, ninep.ReadOnly); err != nil {
		return "", err
	}
	b, err := readAll(ctx, f)
	return string(b), err
}

// set replaces one of the transaction's own files.
func (tx *Tx) set(ctx context.Context, name, text string) error {
	f, err := tx.openOwn(ctx, name, ninep.WriteOnly|ninep.Truncate)
	if err != nil {
		return err
	}
	defer tx.drop(f)
	_, err = f.WriteAt(ctx, []byte(text), 0)
	return explain(ctx, f, err)
}

// tell writes a command to one of the transaction's own files.
func (tx *Tx) tell(ctx context.Context, name, line string) error {
	f, err := tx.openOwn(ctx, name, ninep.ReadWrite)
	if err != nil {
		return err
	}
	defer tx.drop(f)
	return tell(ctx, f, line)
}

func (tx *Tx) openOwn(ctx context.Context, name string, flags ninep.OpenFlags) (*ninep.File, error) {
	if tx.all == nil {
		return nil, ErrClosed
	}
	f, err := tx.all.Walk(ctx, tx.name, name)
	if err != nil {
		return nil, err
	}
	if err := f.Open(ctx, flags); err != nil {
		tx.drop(f)
		return nil, err
	}
	return f, nil
}

// Merge merges a commit into the transaction, whose Parents it joins. Files that
// cannot be merged are listed by Conflicts, and have to be written or removed
// before Commit or another Merge.
func (tx *Tx) Merge(ctx context.Context, commit Hash) error {
	return wrap("merge", commit.Short(), tx.tell(ctx, "merge", commit.String()))
}

// Conflicts returns the paths that are still to be resolved, sorted.
func (tx *Tx) Conflicts(ctx context.Context) ([]string, error) {
	text, err := tx.read(ctx, "conflicts")
	if missing(err) { // nothing was merged
		return nil, nil
	}
	var paths []string
	for line := range strings.Lines(text) {
		paths = append(paths, strings.TrimSuffix(line, "\n"))
	}
	return paths, wrap("list the conflicts of", tx.name, err)
}

// Parents returns the commits that Commit's commit will have been made from.
func (tx *Tx) Parents(ctx context.Context) ([]Hash, error) {
	text, err := tx.read(ctx, "parents")
	if err != nil {
		return nil, wrap("read the parents of", tx.name, err)
	}
	return parseHashes(text)
}

// SetParents changes Parents. Commit refuses a commit that does not exist.
func (tx *Tx) SetParents(ctx context.Context, parents ...Hash) error {
	var text strings.Builder
	for _, h := range parents {
		text.WriteString(h.String() + "\n")
	}
	return wrap("set the parents of", tx.name, tx.set(ctx, "parents", text.String()))
}

// Changes returns the files that differ from a commit; the hashes are left out.
func (tx *Tx) Changes(ctx context.Context, from Hash) ([]datakit.Change, error) {
	if tx.all == nil {
		return nil, ErrClosed
	}
	b, err := tx.c.read(ctx, "branch", element(tx.branch), "transactions", tx.name, "diff", from.String())
	if err != nil {
		return nil, wrap("compare", tx.name, err)
	}
	return parseChanges(string(b))
}

// Commit makes the changes a commit on the branch and returns it, acknowledged.
// Errors: *ConflictError when the branch moved and has other changes of the same
// lines, ErrConflicts when Conflicts has any, ErrNoChange. After an error the
// transaction stays open.
func (tx *Tx) Commit(ctx context.Context, message string) (Hash, error) {
	said := make(chan error, 1) // the message is written while ctl is opened
	if message == "" || tx.all == nil {
		said <- nil
	} else {
		go func() { said <- tx.set(ctx, "msg", message) }()
	}
	ctl, err := tx.openOwn(ctx, "ctl", ninep.ReadWrite)
	if merr := <-said; err != nil || merr != nil {
		if err == nil {
			tx.drop(ctl)
		}
		return Hash{}, wrap("commit to", tx.branch, errors.Join(err, merr))
	}
	defer tx.spent.Wait()
	if err := tell(ctx, ctl, "commit"); err != nil {
		tx.drop(ctl)
		return Hash{}, conflict(wrap("commit to", tx.branch, err))
	}
	answer := make([]byte, 64)
	n, _ := ctl.ReadAt(ctx, answer, 0) // not all servers say something
	tx.drop(ctl)
	tx.end()
	return tx.c.made(ctx, tx.branch, answer[:n])
}

// Close gives the transaction up. After Commit or Close it does nothing. It waits
// a few seconds at most.
func (tx *Tx) Close() error {
	if tx.all == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	err := tx.tell(ctx, "ctl", "close")
	tx.end()
	if errors.Is(err, ErrLost) {
		return nil // so is the transaction
	}
	return wrap("close transaction", tx.name, err)
}

func (tx *Tx) end() {
	tx.drop(tx.all)
	tx.all = nil
	tx.spent.Wait()
}

// Take resolves a conflict, or changes any file after a Merge, by taking the
// version of one side: "ours", "theirs" or "base". If that side does not have the
// file it is removed.
func (tx *Tx) Take(ctx context.Context, path, side string) error {
	if err := tx.check(path); err != nil {
		return err
	}
	from := append([]string{"branch", element(tx.branch), "transactions", tx.name, side}, split(path)...)
	e, err := tx.c.stat(ctx, path, from)
	if errors.Is(err, ErrNotExist) {
		return tx.Remove(ctx, path)
	}
	if err != nil {
		return err
	}
	if e.Mode.IsDir() {
		return &Error{Op: "take", Name: path, Reason: "it is a directory on that side: copy what you want of it", Err: ninep.EISDIR}
	}
	b, err := tx.c.readFile(ctx, path, from)
	if err != nil {
		return err
	}
	return tx.WriteFrom(ctx, path, bytes.NewReader(b), e.Mode)
}
