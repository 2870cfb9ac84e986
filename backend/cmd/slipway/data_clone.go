package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/slipway-desktop/slipway/backend/control"
	"github.com/slipway-desktop/slipway/backend/datakit"
	"github.com/slipway-desktop/slipway/backend/datakit/client"
	"github.com/slipway-desktop/slipway/backend/datakit/query"
)

func (d *dataCLI) clone() *cobra.Command {
	return &cobra.Command{
		Use: "clone DIR", Short: "Copy all branches, with their history, into a new bare git repository", Args: cobra.ExactArgs(1),
		Long: `Copy all branches, with their history, into a new bare git repository. If the
repository is served from its own socket (datakit/9p.sock in it), git clones it; else
the history is read over 9P. Standard error says which. It needs git.

A history read over 9P has the same commits as the original, or the command fails:
commits of other tools can hold what a file tree does not show, such as signatures.`,
		RunE: d.with(func(ctx context.Context, c *client.Client, args []string) error {
			dir := args[0]
			if entries, err := os.ReadDir(dir); err == nil && len(entries) > 0 {
				return control.Errorf(control.CodeExists, "%s is there already, and not empty", dir).WithHint("name a new directory")
			}
			if repo := localRepository(d.address()); repo != "" {
				fmt.Fprintf(d.err, "Cloning %s with git.\n", repo)
				return d.git(ctx, nil, "clone", "--quiet", "--bare", "--no-hardlinks", "--", repo, dir)
			}
			fmt.Fprintln(d.err, "Reading the history over 9P.")
			return d.cloneOver9P(ctx, c, dir)
		}),
	}
}

// localRepository is the repository whose own socket an address is, "" if it is
// none.
func localRepository(addr string) string {
	network, path, root, err := client.ParseAddr(addr)
	if err != nil || network != "unix" || root != "" || filepath.Base(path) != "9p.sock" {
		return ""
	}
	repo := filepath.Dir(filepath.Dir(path))
	if _, err := os.Stat(filepath.Join(repo, "HEAD")); err != nil {
		return ""
	}
	return repo
}

func (d *dataCLI) git(ctx context.Context, in io.Reader, args ...string) error {
	cmd := exec.CommandContext(ctx, "git", args...)
	cmd.Stdin, cmd.Stderr = in, d.err
	err := cmd.Run()
	switch {
	case errors.Is(err, exec.ErrNotFound):
		return &control.Error{Code: control.CodeUnavailable, Message: "git is not installed", Hint: "install git", Err: err}
	case err != nil:
		return fmt.Errorf("git %s: %w", args[0], err)
	}
	return nil
}

// cloneOver9P writes the history as a stream for git fast-import, and then
// compares the heads: if they are the same so is all that they hold.
func (d *dataCLI) cloneOver9P(ctx context.Context, c *client.Client, dir string) error {
	branches, err := c.Branches(ctx)
	if err != nil {
		return err
	}
	if len(branches) == 0 {
		return control.Errorf(control.CodeNotFound, "there is no branch to clone yet").WithHint("`slipway data write` makes one")
	}
	first := branches[0].Name
	if slices.ContainsFunc(branches, func(b query.Branch) bool { return b.Name == "main" }) {
		first = "main"
	}
	if err := d.git(ctx, nil, "init", "--quiet", "--bare", "--initial-branch", first, "--", dir); err != nil {
		return err
	}
	r, w := io.Pipe()
	imported := make(chan error, 1)
	go func() {
		err := d.git(ctx, r, "-C", dir, "fast-import", "--quiet", "--force")
		r.CloseWithError(errors.Join(err, io.ErrClosedPipe)) // so that writing ends, too
		imported <- err
	}()
	x := exporter{c: c, out: bufio.NewWriter(w), marks: map[client.Hash]int{}}
	for _, b := range branches {
		if err = x.branch(ctx, b.Name, b.Head); err != nil {
			break
		}
	}
	if err == nil {
		err = x.out.Flush()
	}
	w.CloseWithError(err) // nil is the end of the stream
	if gitErr := <-imported; gitErr != nil && (err == nil || errors.Is(err, io.ErrClosedPipe)) {
		err = gitErr
	}
	if err == nil {
		err = d.git(ctx, nil, "-C", dir, "update-ref", "-d", importRef)
	}
	for _, b := range branches {
		if err != nil {
			return err
		}
		var out []byte
		out, err = exec.CommandContext(ctx, "git", "-C", dir, "rev-parse", "--verify", "refs/heads/"+b.Name).Output()
		if err == nil && strings.TrimSpace(string(out)) != b.Head.String() {
			err = control.Errorf(control.CodeInternal, "branch %s holds commits that a file tree does not show exactly", b.Name).
				WithHint("clone the repository with git; what is in %s differs from the original", dir)
		}
	}
	return err
}

// importRef is where git fast-import is at; it is removed in the end.
const importRef = "refs/slipway/import"

// exporter writes commits for git fast-import.
type exporter struct {
	c     *client.Client
	out   *bufio.Writer
	marks map[client.Hash]int // the commits that were written
}

// branch writes the commits of a branch that were not written yet, parents first.
func (x *exporter) branch(ctx context.Context, name string, head client.Hash) error {
	var todo []datakit.Commit
	for commit, err := range x.c.History(ctx, head, "") {
		if err != nil {
			return err
		}
		if x.marks[commit.Hash] == 0 {
			todo = append(todo, commit)
		}
	}
	slices.Reverse(todo)
	for len(todo) > 0 { // times may say otherwise than parents do
		var later []datakit.Commit
		for _, commit := range todo {
			if slices.ContainsFunc(commit.Parents, func(p client.Hash) bool { return x.marks[p] == 0 }) {
				later = append(later, commit)
				continue
			}
			if err := x.commit(ctx, commit); err != nil {
				return err
			}
		}
		if len(later) == len(todo) {
			return fmt.Errorf("history of %s: a commit's parent is missing", name)
		}
		todo = later
	}
	_, err := fmt.Fprintf(x.out, "reset refs/heads/%s\nfrom :%d\n\n", name, x.marks[head])
	return err
}

func (x *exporter) commit(ctx context.Context, k datakit.Commit) error {
	mark := len(x.marks) + 1
	message := k.Message + "\n"
	signature := fmt.Sprintf("%s <%s> %d %s", k.Author, k.Email, k.Time.Unix(), k.Time.Format("-0700"))
	if len(k.Parents) == 0 { // else it would go on from the commit before
		fmt.Fprintf(x.out, "reset %s\n\n", importRef)
	}
	fmt.Fprintf(x.out, "commit "+importRef+"\nmark :%d\nauthor %s\ncommitter %s\ndata %d\n%s\n", mark, signature, signature, len(message), message)
	for i, p := range k.Parents {
		fmt.Fprintf(x.out, "%s :%d\n", map[bool]string{true: "from", false: "merge"}[i == 0], x.marks[p])
	}
	s := x.c.Snapshot(k.Hash)
	var err error
	if k.Truncated || len(k.Parents) == 0 {
		fmt.Fprintln(x.out, "deleteall")
		err = x.files(ctx, s, "")
	}
	if !k.Truncated && len(k.Parents) > 0 {
		for _, ch := range k.Changes {
			if ch.Kind == datakit.Removed {
				fmt.Fprintf(x.out, "D %s\n", quoted(ch.Path))
			}
		}
		for _, ch := range k.Changes {
			if err == nil && ch.Kind != datakit.Removed {
				err = x.file(ctx, s, ch.Path)
			}
		}
	}
	x.marks[k.Hash] = mark
	if err == nil {
		_, err = fmt.Fprintln(x.out)
	}
	return err
}

func (x *exporter) files(ctx context.Context, s client.Snapshot, dir string) error {
	entries, err := s.List(ctx, dir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		path := strings.TrimPrefix(dir+"/"+e.Name, "/")
		if e.Mode.IsDir() {
			err = x.files(ctx, s, path)
		} else {
			err = x.file(ctx, s, path)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (x *exporter) file(ctx context.Context, s client.Snapshot, path string) error {
	e, err := s.Stat(ctx, path)
	if err != nil {
		return err
	}
	b, err := s.Read(ctx, path)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(x.out, "M %o inline %s\ndata %d\n%s\n", uint32(e.Mode), quoted(path), len(b), b)
	return err
}

// quoted is a path as fast-import reads it.
func quoted(path string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`).Replace(path) + `"`
}
