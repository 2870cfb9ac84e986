package client

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/slipway-desktop/slipway/backend/datakit"
	"github.com/slipway-desktop/slipway/backend/ninep"
)

// Entry is a file or directory.
type Entry struct {
	Name string
	Mode datakit.Mode
	Size int64 // bytes; of a file
}

// Snapshot is the tree of one commit, which never changes.
type Snapshot struct {
	c      *Client
	commit Hash
}

// Snapshot returns the tree of a commit. It asks the server nothing.
func (c *Client) Snapshot(commit Hash) Snapshot { return Snapshot{c, commit} }

// Commit returns the commit this is the tree of.
func (s Snapshot) Commit() Hash { return s.commit }

func (s Snapshot) place(path string) []string {
	return append([]string{"snapshots", s.commit.String(), "ro"}, split(path)...)
}

// Read returns the content of a file; of a symbolic link, its target.
func (s Snapshot) Read(ctx context.Context, path string) ([]byte, error) {
	return s.c.readFile(ctx, path, s.place(path))
}

// Open opens a file for reading, however large it is. ctx is that of all reads.
func (s Snapshot) Open(ctx context.Context, path string) (io.ReadCloser, error) {
	f, err := s.c.open(ctx, ninep.ReadOnly, s.place(path)...)
	if err != nil {
		return nil, wrap("open", path, err)
	}
	return reading{f.Reader(ctx), f}, nil
}

type reading struct {
	io.Reader
	io.Closer
}

// List returns the entries of a directory, "" for the root.
func (s Snapshot) List(ctx context.Context, dir string) ([]Entry, error) {
	return s.c.listFiles(ctx, dir, s.place(dir))
}

// Stat describes a file or directory.
func (s Snapshot) Stat(ctx context.Context, path string) (Entry, error) {
	return s.c.stat(ctx, path, s.place(path))
}

// Message returns the commit's message, without the final newline.
func (s Snapshot) Message(ctx context.Context) (string, error) {
	b, err := s.c.read(ctx, "snapshots", s.commit.String(), "msg")
	return strings.TrimRight(string(b), "\n"), wrap("read the message of", s.commit.Short(), err)
}

// Parents returns the commits this one was made from.
func (s Snapshot) Parents(ctx context.Context) ([]Hash, error) {
	b, err := s.c.read(ctx, "snapshots", s.commit.String(), "parents")
	if err != nil {
		return nil, wrap("read the parents of", s.commit.Short(), err)
	}
	return parseHashes(string(b))
}

func parseHashes(text string) ([]Hash, error) {
	var list []Hash
	for _, word := range strings.Fields(text) {
		h, err := parseLine(word)
		if err != nil {
			return nil, err
		}
		list = append(list, h)
	}
	return list, nil
}

// Changes returns the files in which this snapshot differs from another commit;
// the hashes are left out.
func (s Snapshot) Changes(ctx context.Context, from Hash) ([]datakit.Change, error) {
	b, err := s.c.read(ctx, "snapshots", s.commit.String(), "diff", from.String())
	if err != nil {
		return nil, wrap("compare", s.commit.Short(), err)
	}
	return parseChanges(string(b))
}

func parseChanges(text string) ([]datakit.Change, error) {
	kinds := map[string]datakit.Kind{"+": datakit.Added, "-": datakit.Removed, "*": datakit.Modified}
	var list []datakit.Change
	for line := range strings.Lines(text) {
		mark, path, _ := strings.Cut(strings.TrimSuffix(line, "\n"), " ")
		if kinds[mark] == "" || path == "" {
			return nil, fmt.Errorf("the server's list of changes makes no sense: %.80q", line)
		}
		list = append(list, datakit.Change{Path: path, Kind: kinds[mark]})
	}
	return list, nil
}

// details reads author and date, which only our server has.
func (s Snapshot) details(ctx context.Context) (author, email string, when time.Time) {
	b, err := s.c.read(ctx, "snapshots", s.commit.String(), "author")
	if err != nil {
		return
	}
	author, email, _ = strings.Cut(strings.TrimSpace(string(b)), " <")
	if b, err = s.c.read(ctx, "snapshots", s.commit.String(), "date"); err == nil {
		when, _ = time.Parse(time.RFC3339, strings.TrimSpace(string(b)))
	}
	return author, strings.TrimSuffix(email, ">"), when
}

// readFile reads a file of a snapshot, branch or transaction.
func (c *Client) readFile(ctx context.Context, path string, names []string) ([]byte, error) {
	f, err := c.walk(ctx, names...)
	if err != nil {
		return nil, wrap("read", path, err)
	}
	defer f.Close()
	if f.Qid().Type&ninep.QidSymlink != 0 {
		target, err := f.Readlink(ctx)
		return []byte(target), wrap("read", path, err)
	}
	if err := f.Open(ctx, ninep.ReadOnly); err != nil {
		return nil, wrap("read", path, err)
	}
	b, err := readAll(ctx, f)
	return b, wrap("read", path, err)
}

func (c *Client) listFiles(ctx context.Context, path string, names []string) ([]Entry, error) {
	dir, err := c.open(ctx, ninep.ReadOnly, names...)
	if err != nil {
		return nil, wrap("list", path, err)
	}
	defer dir.Close()
	if dir.Qid().Type&ninep.QidDir == 0 {
		return nil, &Error{Op: "list", Name: path, Err: ninep.ENOTDIR}
	}
	found, err := dir.ReadDir(ctx)
	if err != nil {
		return nil, wrap("list", path, err)
	}
	list := make([]Entry, 0, len(found))
	for _, e := range found {
		entry, err := c.stat(ctx, e.Name, append(names[:len(names):len(names)], e.Name))
		if errors.Is(err, ErrNotExist) {
			continue // gone meanwhile
		}
		if err != nil {
			return nil, err
		}
		list = append(list, entry)
	}
	return list, nil
}

func (c *Client) stat(ctx context.Context, path string, names []string) (Entry, error) {
	f, err := c.walk(ctx, names...)
	if err != nil {
		return Entry{}, wrap("stat", path, err)
	}
	defer f.Close()
	a, err := f.Attr(ctx)
	if err != nil {
		return Entry{}, wrap("stat", path, err)
	}
	e := Entry{Name: path[strings.LastIndexByte(path, '/')+1:], Mode: modeOf(a.Mode), Size: int64(a.Size)}
	if e.Mode.IsDir() {
		e.Size = 0
	}
	return e, nil
}

// modeOf makes git's mode of a system's.
func modeOf(mode uint32) datakit.Mode {
	const kind = 0o170000
	switch {
	case mode&kind == ninep.ModeDir:
		return datakit.ModeDir
	case mode&kind == ninep.ModeSymlink:
		return datakit.ModeSymlink
	case mode&0o100 != 0:
		return datakit.ModeExec
	}
	return datakit.ModeFile
}
