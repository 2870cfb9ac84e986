package main

import (
	"archive/tar"
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/slipway-desktop/slipway/backend/control"
	"github.com/slipway-desktop/slipway/backend/datakit"
	"github.com/slipway-desktop/slipway/backend/datakit/client"
)

func (d *dataCLI) commit() *cobra.Command {
	var message, into string
	var replace bool
	cmd := &cobra.Command{
		Use: "commit BRANCH [DIR]", Short: "Put a directory, or a tar archive, into a branch as one transaction", Args: cobra.RangeArgs(1, 2),
		Long: `Put the files of a directory, or of a tar archive on standard input, into a branch
as one transaction. Files that the branch has beside them stay, unless --replace is
given. Programs stay programs, symbolic links stay links; a directory .git and empty
directories are left out.`,
		Example: "  slipway data commit results out --into artefacts -m 'build 7'\n  tar c . | slipway data commit backup --replace",
		RunE: d.with(func(ctx context.Context, c *client.Client, args []string) error {
			p := putter{into: cleanPath(into)}
			message = cmp.Or(message, "Put files into "+cmp.Or(p.into, "the branch"))
			change := func(tx *client.Tx) error {
				p.tx = tx
				if err := p.clear(ctx, replace); err != nil {
					return err
				}
				if len(args) == 2 {
					return p.dir(ctx, args[1])
				}
				return p.tar(ctx, d.in)
			}
			h, err := once(ctx, c, args[0], message, change)
			if err := d.made(args[0], h, message, err); err != nil || h == (client.Hash{}) {
				return err
			}
			fmt.Fprintf(d.err, "%d files\n", p.files)
			return nil
		}),
	}
	messageFlag(cmd, &message)
	cmd.Flags().StringVar(&into, "into", "", "directory of the branch to put them into")
	cmd.Flags().BoolVar(&replace, "replace", false, "remove what is there")
	return cmd
}

// putter puts files into a transaction.
type putter struct {
	tx    *client.Tx
	into  string
	files int
}

// clear removes what is at the destination.
func (p *putter) clear(ctx context.Context, replace bool) error {
	if !replace {
		return nil
	}
	if p.into != "" {
		return gone(p.tx.Remove(ctx, p.into))
	}
	entries, err := p.tx.List(ctx, "")
	if err != nil {
		return gone(err)
	}
	for _, e := range entries {
		if err := gone(p.tx.Remove(ctx, e.Name)); err != nil {
			return err
		}
	}
	return nil
}

// gone: what does not exist need not be removed.
func gone(err error) error {
	if errors.Is(err, client.ErrNotExist) {
		return nil
	}
	return err
}

func (p *putter) put(ctx context.Context, name string, r io.Reader, mode datakit.Mode) error {
	p.files++
	return p.tx.WriteFrom(ctx, cleanPath(p.into+"/"+name), r, mode)
}

func (p *putter) dir(ctx context.Context, root string) error {
	return filepath.WalkDir(root, func(at string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name, err := filepath.Rel(root, at)
		if err != nil {
			return err
		}
		name = filepath.ToSlash(name)
		switch kind := e.Type(); {
		case kind.IsDir() && e.Name() == ".git" && name != ".":
			return fs.SkipDir
		case kind.IsDir():
			return nil
		case kind&fs.ModeSymlink != 0:
			target, err := os.Readlink(at)
			if err != nil {
				return err
			}
			return p.put(ctx, name, strings.NewReader(filepath.ToSlash(target)), datakit.ModeSymlink)
		case !kind.IsRegular():
			return control.Errorf(control.CodeInvalid, "%s is neither a file, a directory nor a link", at)
		}
		info, err := e.Info()
		if err != nil {
			return err
		}
		f, err := os.Open(at)
		if err != nil {
			return err
		}
		defer f.Close()
		return p.put(ctx, name, f, modeOf(info.Mode()))
	})
}

func modeOf(mode fs.FileMode) datakit.Mode {
	if mode&0o100 != 0 {
		return datakit.ModeExec
	}
	return datakit.ModeFile
}

// tar reads an archive. Where it goes up, or to the root, it is refused.
func (p *putter) tar(ctx context.Context, r io.Reader) error {
	archive := tar.NewReader(r)
	for {
		h, err := archive.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("read the archive: %w", err)
		}
		name := path.Clean(h.Name)
		if path.IsAbs(name) || name == ".." || strings.HasPrefix(name, "../") {
			return control.Errorf(control.CodeInvalid, "the archive has %q, which is outside of it", h.Name)
		}
		switch h.Typeflag {
		case tar.TypeDir, tar.TypeXGlobalHeader:
		case tar.TypeReg:
			err = p.put(ctx, name, archive, modeOf(h.FileInfo().Mode()))
		case tar.TypeSymlink:
			err = p.put(ctx, name, strings.NewReader(h.Linkname), datakit.ModeSymlink)
		case tar.TypeLink: // a second name of a file that came before
			var b []byte
			if b, err = p.tx.Read(ctx, cleanPath(p.into+"/"+path.Clean(h.Linkname))); err == nil {
				err = p.put(ctx, name, bytes.NewReader(b), modeOf(h.FileInfo().Mode()))
			}
		default:
			return control.Errorf(control.CodeInvalid, "the archive has %q, which is neither a file, a directory nor a link", h.Name)
		}
		if err != nil {
			return err
		}
	}
}

func (d *dataCLI) merge() *cobra.Command {
	var message, prefer string
	cmd := &cobra.Command{
		Use: "merge BRANCH INTO", Short: "Merge a branch or commit into a branch", Args: cobra.ExactArgs(2),
		Long: `Merge a branch or commit into a branch, line by line as git does. If INTO has no
commits of its own since, it is brought forward.

If both sides changed the same lines nothing changes: the paths are on standard error
and the exit code is 4. --prefer decides instead.`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if prefer != "" && prefer != "ours" && prefer != "theirs" {
				return usageError(cmd, "--prefer is ours or theirs, not %q", prefer)
			}
			return d.with(func(ctx context.Context, c *client.Client, args []string) error {
				from, err := c.Resolve(ctx, args[0])
				if err != nil {
					return err
				}
				message = cmp.Or(message, fmt.Sprintf("Merge %s into %s", args[0], args[1]))
				return d.mergeInto(ctx, c, from, args[1], message, prefer)
			})(cmd, args)
		},
	}
	messageFlag(cmd, &message)
	cmd.Flags().StringVar(&prefer, "prefer", "", "in conflicts take this side: ours (INTO) or theirs (BRANCH)")
	return cmd
}

func (d *dataCLI) mergeInto(ctx context.Context, c *client.Client, from client.Hash, into, message, prefer string) error {
	if has, err := contains(ctx, c, into, from); err != nil || has {
		if err == nil {
			fmt.Fprintf(d.err, "Nothing to merge: %s has this already.\n", into)
		}
		return err
	}
	err := c.FastForward(ctx, into, from)
	if err == nil {
		_, err = fmt.Fprintf(d.out, "%s %s, brought forward\n", from.Short(), into)
		return err
	}
	if !errors.Is(err, client.ErrNotFastForward) {
		return err
	}
	h, err := c.Update(ctx, into, message, func(tx *client.Tx) error {
		if err := tx.Merge(ctx, from); err != nil {
			return err
		}
		paths, err := tx.Conflicts(ctx)
		if err != nil || len(paths) == 0 {
			return err
		}
		if prefer == "" {
			return &unmerged{paths}
		}
		for _, path := range paths {
			if err := tx.Take(ctx, path, prefer); err != nil {
				return err
			}
		}
		return nil
	})
	var u *unmerged
	if errors.As(err, &u) { // so that Update does not try again
		err = &client.ConflictError{Paths: u.paths}
	}
	return d.made(into, h, message, err)
}

// unmerged is a conflict of the two commits, which stays however often one tries.
type unmerged struct{ paths []string }

func (u *unmerged) Error() string { return "conflicts in " + strings.Join(u.paths, ", ") }

// contains reports whether a commit is in a branch's history, as far as the newest
// 100,000 commits tell.
func contains(ctx context.Context, c *client.Client, branch string, commit client.Hash) (bool, error) {
	head, err := c.Head(ctx, branch)
	if errors.Is(err, client.ErrNoBranch) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	left := 100_000
	for k, err := range c.History(ctx, head, "") {
		if err != nil || k.Hash == commit {
			return err == nil, err
		}
		if left--; left == 0 {
			break
		}
	}
	return false, nil
}
