package main

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/slipway-desktop/slipway/backend/datakit"
	"github.com/slipway-desktop/slipway/backend/datakit/client"
	"github.com/slipway-desktop/slipway/backend/ninep"
)

// listed is a line of ls with --json.
type listed struct {
	Path string `json:"path"`
	Kind string `json:"kind"`
	Size int64  `json:"size"`
}

var kinds = map[datakit.Mode]string{
	datakit.ModeFile: "file", datakit.ModeExec: "exec", datakit.ModeSymlink: "link", datakit.ModeDir: "dir",
}

func (d *dataCLI) ls() *cobra.Command {
	var asJSON, long, recursive, raw bool
	var branch string
	cmd := &cobra.Command{
		Use: "ls [PATH]", Short: "List a directory; directories end with a slash", Args: cobra.MaximumNArgs(1),
		RunE: d.with(func(ctx context.Context, c *client.Client, args []string) error {
			if raw {
				return d.lsRaw(ctx, c, strings.Join(args, ""))
			}
			at, err := c.Resolve(ctx, branch)
			if err != nil {
				return err
			}
			all := []listed{}
			if err := collect(ctx, c.Snapshot(at), cleanPath(strings.Join(args, "")), recursive, &all); err != nil {
				return err
			}
			return d.printListed(all, asJSON, long)
		}),
	}
	jsonFlag(cmd, &asJSON)
	branchFlag(cmd, &branch, "branch or commit to look at")
	cmd.Flags().BoolVarP(&long, "long", "l", false, "print kinds and sizes")
	cmd.Flags().BoolVarP(&recursive, "recursive", "r", false, "list the files of all directories below")
	cmd.Flags().BoolVar(&raw, "raw", false, "PATH is one of the server's own tree, such as branch/main")
	return cmd
}

// collect lists a directory, or the files of all below it.
func collect(ctx context.Context, s client.Snapshot, dir string, recursive bool, all *[]listed) error {
	entries, err := s.List(ctx, dir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		path := strings.TrimPrefix(dir+"/"+e.Name, "/")
		if recursive && e.Mode.IsDir() {
			if err := collect(ctx, s, path, true, all); err != nil {
				return err
			}
			continue
		}
		if !recursive {
			path = e.Name
		}
		*all = append(*all, listed{path, cmp.Or(kinds[e.Mode], "odd"), e.Size})
	}
	return nil
}

func (d *dataCLI) printListed(all []listed, asJSON, long bool) error {
	if asJSON {
		return d.json(all)
	}
	if long {
		t := newTable(d.out, "KIND", "SIZE", "PATH")
		for _, e := range all {
			n := ""
			if e.Kind != "dir" {
				n = size(uint64(e.Size))
			}
			t.row(e.Kind, n, e.Path)
		}
		return t.flush()
	}
	for _, e := range all {
		if e.Kind == "dir" {
			e.Path += "/"
		}
		if _, err := fmt.Fprintln(d.out, e.Path); err != nil {
			return err
		}
	}
	return nil
}

func (d *dataCLI) lsRaw(ctx context.Context, c *client.Client, path string) error {
	entries, err := c.ListFile(ctx, path)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if e.Qid.Type&ninep.QidDir != 0 {
			e.Name += "/"
		}
		if _, err := fmt.Fprintln(d.out, e.Name); err != nil {
			return err
		}
	}
	return nil
}

func (d *dataCLI) cat() *cobra.Command {
	var branch string
	var raw bool
	cmd := &cobra.Command{
		Use: "cat PATH…", Short: "Print files", Args: cobra.MinimumNArgs(1),
		Long: `Print files of a branch as it is now, or of a commit.

With --raw, PATH is one of the server's own tree, such as branch/main/head; a live
one is printed until it ends or is interrupted.`,
		RunE: d.with(func(ctx context.Context, c *client.Client, args []string) error {
			if raw {
				d.following = true
				for _, path := range args {
					if err := c.CopyFile(ctx, path, d.out); err != nil {
						return err
					}
				}
				return nil
			}
			at, err := c.Resolve(ctx, branch)
			if err != nil {
				return err
			}
			for _, path := range args {
				f, err := c.Snapshot(at).Open(ctx, cleanPath(path))
				if err != nil {
					return err
				}
				_, err = io.Copy(d.out, f)
				f.Close()
				if err != nil {
					return fmt.Errorf("print %s: %w", path, err)
				}
			}
			return nil
		}),
	}
	branchFlag(cmd, &branch, "branch or commit to look at")
	cmd.Flags().BoolVar(&raw, "raw", false, "PATH is one of the server's own tree, such as branch/main/head.live")
	return cmd
}

func (d *dataCLI) write() *cobra.Command {
	var branch, message string
	var exec, raw bool
	cmd := &cobra.Command{
		Use: "write PATH [WORD…]", Short: "Write a file, as one transaction", Args: cobra.MinimumNArgs(1),
		Long: `Write a file with the words, or standard input if there are none, as one
transaction. When the command exits with 0 the change is on the server's disk.

With --raw, PATH is a command or query file of the server's own tree; its answer is
printed.`,
		Example: "  echo x | slipway data write --addr unix://S --branch main path -m msg\n" +
			"  slipway data write --raw branch/main/fast-forward 3f2a…",
		RunE: d.with(func(ctx context.Context, c *client.Client, args []string) error {
			in := d.in
			if len(args) > 1 {
				in = strings.NewReader(strings.Join(args[1:], " ") + "\n")
			}
			if raw {
				question, err := io.ReadAll(io.LimitReader(in, ninep.MaxMessage))
				if err != nil {
					return fmt.Errorf("read standard input: %w", err)
				}
				answer, err := c.AskFile(ctx, args[0], strings.TrimSuffix(string(question), "\n"))
				if err == nil {
					_, err = d.out.Write(answer)
				}
				return err
			}
			path, mode := cleanPath(args[0]), datakit.ModeFile
			if exec {
				mode = datakit.ModeExec
			}
			message = cmp.Or(message, "Write "+path)
			h, err := once(ctx, c, branch, message, func(tx *client.Tx) error {
				return tx.WriteFrom(ctx, path, in, mode)
			})
			return d.made(branch, h, message, err)
		}),
	}
	branchFlag(cmd, &branch, "branch to change; it is made if it does not exist")
	messageFlag(cmd, &message)
	cmd.Flags().BoolVarP(&exec, "exec", "x", false, "make the file a program")
	cmd.Flags().BoolVar(&raw, "raw", false, "PATH is a command or query file of the server's own tree")
	return cmd
}

// once is one transaction, which is not tried again: its input is used up.
func once(ctx context.Context, c *client.Client, branch, message string, change func(*client.Tx) error) (client.Hash, error) {
	tx, err := c.Begin(ctx, branch)
	if err != nil {
		return client.Hash{}, err
	}
	defer tx.Close()
	if err := change(tx); err != nil {
		return client.Hash{}, err
	}
	// A server makes a commit without changes when it is asked to.
	parents, err := tx.Parents(ctx)
	if err == nil && len(parents) == 1 {
		var changes []datakit.Change
		if changes, err = tx.Changes(ctx, parents[0]); err == nil && len(changes) == 0 {
			err = client.ErrNoChange
		}
	}
	if err != nil {
		return client.Hash{}, err
	}
	return tx.Commit(ctx, message)
}

func (d *dataCLI) rm() *cobra.Command {
	var branch, message string
	cmd := &cobra.Command{
		Use: "rm PATH…", Short: "Remove files and directories, as one transaction", Args: cobra.MinimumNArgs(1),
		RunE: d.with(func(ctx context.Context, c *client.Client, args []string) error {
			message = cmp.Or(message, "Remove "+strings.Join(args, ", "))
			h, err := c.Update(ctx, branch, message, func(tx *client.Tx) error {
				for _, path := range args {
					if err := tx.Remove(ctx, cleanPath(path)); err != nil {
						return err
					}
				}
				return nil
			})
			return d.made(branch, h, message, err)
		}),
	}
	branchFlag(cmd, &branch, "branch to change")
	messageFlag(cmd, &message)
	return cmd
}
