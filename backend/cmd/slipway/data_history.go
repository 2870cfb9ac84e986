package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/slipway-desktop/slipway/backend/datakit"
	"github.com/slipway-desktop/slipway/backend/datakit/client"
	"github.com/slipway-desktop/slipway/backend/datakit/query"
)

func (d *dataCLI) branches() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use: "branches", Short: "List, fork, rename and remove branches", Args: cobra.NoArgs,
		RunE: d.with(func(ctx context.Context, c *client.Client, _ []string) error {
			list, err := c.Branches(ctx)
			if err != nil {
				return err
			}
			if asJSON {
				if list == nil {
					list = []query.Branch{}
				}
				return d.json(list)
			}
			t := newTable(d.out, "BRANCH", "COMMIT", "WHEN", "AUTHOR", "MESSAGE")
			for _, b := range list {
				when := ""
				if !b.Time.IsZero() {
					when = b.Time.Local().Format("2006-01-02 15:04:05")
				}
				t.row(b.Name, b.Head.Short(), when, b.Author, b.Subject)
			}
			return t.flush()
		}),
	}
	jsonFlag(cmd, &asJSON)
	cmd.AddCommand(
		&cobra.Command{
			Use: "fork NEW [FROM]", Short: "Make a branch of a branch or commit (main), or bring it forward to one", Args: cobra.RangeArgs(1, 2),
			Long: `Make a branch of a branch or commit (main). If there is a branch NEW already, it is
brought forward, which is refused if it has commits that FROM has not.`,
			RunE: d.with(func(ctx context.Context, c *client.Client, args []string) error {
				from := "main"
				if len(args) == 2 {
					from = args[1]
				}
				h, err := c.Resolve(ctx, from)
				if err == nil {
					err = c.FastForward(ctx, args[0], h)
				}
				if err != nil {
					return err
				}
				_, err = fmt.Fprintf(d.out, "%s %s\n", h.Short(), args[0])
				return err
			}),
		},
		&cobra.Command{
			Use: "rename OLD NEW", Short: "Give a branch another name", Args: cobra.ExactArgs(2),
			RunE: d.with(func(ctx context.Context, c *client.Client, args []string) error {
				return c.RenameBranch(ctx, args[0], args[1])
			}),
		},
		&cobra.Command{
			Use: "rm BRANCH…", Short: "Remove branches", Args: cobra.MinimumNArgs(1),
			RunE: d.with(func(ctx context.Context, c *client.Client, args []string) error {
				for _, name := range args {
					if err := c.RemoveBranch(ctx, name); err != nil {
						return err
					}
				}
				return nil
			}),
		})
	return cmd
}

func (d *dataCLI) log() *cobra.Command {
	var asJSON bool
	var limit int
	var path string
	cmd := &cobra.Command{
		Use: "log [BRANCH|COMMIT]", Short: "List commits, the newest first", Args: cobra.MaximumNArgs(1),
		Long: `List commits of a branch (main), or a commit and its ancestors, the newest first.
With --json, one document a line.`,
		RunE: d.with(func(ctx context.Context, c *client.Client, args []string) error {
			at, err := c.Resolve(ctx, orMain(args))
			if err != nil {
				return err
			}
			for commit, err := range c.History(ctx, at, cleanPath(path)) {
				if err != nil {
					return err
				}
				if asJSON {
					err = d.json(commit)
				} else {
					_, err = fmt.Fprintf(d.out, "%s %s\n", commit.Hash.Short(), firstLine(commit.Message))
				}
				if err != nil {
					return err
				}
				if limit--; limit == 0 {
					break
				}
			}
			return nil
		}),
	}
	jsonFlag(cmd, &asJSON)
	cmd.Flags().StringVar(&path, "path", "", "only commits that changed this file or something below it")
	cmd.Flags().IntVarP(&limit, "limit", "n", 0, "at most this many; 0 is all")
	return cmd
}

func orMain(args []string) string {
	if len(args) == 0 {
		return "main"
	}
	return args[0]
}

func (d *dataCLI) diff() *cobra.Command {
	var asJSON, names bool
	var path string
	cmd := &cobra.Command{
		Use: "diff A [B]", Short: "Show what differs between two commits, or what one changed", Args: cobra.RangeArgs(1, 2),
		Long: `Show what differs between two branches or commits, in git's unified format. With
one argument, what that commit changed (against its first parent).`,
		Example: "  slipway data diff main~3 main --path etc\n  slipway data diff main --names",
		RunE: d.with(func(ctx context.Context, c *client.Client, args []string) error {
			q := query.DiffQuestion{Path: cleanPath(path)}
			for i, word := range args {
				h, err := c.Resolve(ctx, word)
				if err != nil {
					return err
				}
				if q.To = h.String(); i == 0 && len(args) == 2 {
					q.From = q.To
				}
			}
			diffs, err := c.Diff(ctx, q)
			if err != nil {
				return err
			}
			if asJSON {
				return d.json(diffs)
			}
			for _, f := range diffs {
				if _, err := fmt.Fprint(d.out, diffText(f, names)); err != nil {
					return err
				}
			}
			return nil
		}),
	}
	jsonFlag(cmd, &asJSON)
	cmd.Flags().StringVar(&path, "path", "", "only this file, or what is below it")
	cmd.Flags().BoolVar(&names, "names", false, "print the paths only, after + (added), - (removed) or * (changed)")
	return cmd
}

func diffText(f datakit.FileDiff, names bool) string {
	mark := map[datakit.Kind]string{datakit.Added: "+", datakit.Removed: "-", datakit.Modified: "*"}[f.Kind]
	switch {
	case names:
		return mark + " " + f.Path + "\n"
	case f.Binary:
		return mark + " " + f.Path + " (not text)\n"
	case f.Unified == "":
		return mark + " " + f.Path + " (not shown)\n"
	}
	return f.Unified
}

func (d *dataCLI) restore() *cobra.Command {
	var message string
	cmd := &cobra.Command{
		Use: "restore BRANCH COMMIT [PATH]", Short: "Make files as they were at a commit, by a new one", Args: cobra.RangeArgs(2, 3),
		Long: `Make all files of a branch, or what is at PATH, as they were at a commit, by a new
commit. Nothing of the history is lost.`,
		RunE: d.with(func(ctx context.Context, c *client.Client, args []string) error {
			to, err := c.Resolve(ctx, args[1])
			if err != nil {
				return err
			}
			var h client.Hash
			if len(args) == 3 {
				h, err = c.RestorePath(ctx, args[0], to, cleanPath(args[2]))
			} else {
				h, err = c.Restore(ctx, args[0], to, message)
			}
			return d.madeNew(ctx, c, args[0], h, err)
		}),
	}
	messageFlag(cmd, &message)
	return cmd
}

func (d *dataCLI) revert() *cobra.Command {
	return &cobra.Command{
		Use: "revert BRANCH COMMIT", Short: "Undo one commit by a new one", Args: cobra.ExactArgs(2),
		RunE: d.with(func(ctx context.Context, c *client.Client, args []string) error {
			what, err := c.Resolve(ctx, args[1])
			if err != nil {
				return err
			}
			h, err := c.Revert(ctx, args[0], what)
			return d.madeNew(ctx, c, args[0], h, err)
		}),
	}
}

// madeNew is made for a commit whose message the server chose.
func (d *dataCLI) madeNew(ctx context.Context, c *client.Client, branch string, h client.Hash, err error) error {
	message := ""
	if err == nil {
		message, err = c.Snapshot(h).Message(ctx)
	}
	return d.made(branch, h, message, err)
}

func (d *dataCLI) tx() *cobra.Command {
	var asJSON bool
	ls := &cobra.Command{
		Use: "ls", Short: "List open transactions, the oldest first", Args: cobra.NoArgs,
		RunE: d.with(func(ctx context.Context, c *client.Client, _ []string) error {
			list, err := c.Transactions(ctx)
			if err != nil {
				return err
			}
			if asJSON {
				if list == nil {
					list = []query.Transaction{}
				}
				return d.json(list)
			}
			t := newTable(d.out, "BRANCH", "TRANSACTION", "OWNER", "AGE", "CHANGES", "CONFLICTS", "MESSAGE")
			for _, x := range list {
				t.row(x.Branch, x.Name, owner(x.Owner), age(x.Began), fmt.Sprint(x.Changes), strings.Join(x.Conflicts, ","), firstLine(x.Message))
			}
			return t.flush()
		}),
	}
	jsonFlag(ls, &asJSON)
	return group(&cobra.Command{
		Use: "tx", Short: "List the open transactions of all clients, and give them up",
	}, ls, &cobra.Command{
		Use: "close BRANCH TRANSACTION", Short: "Give up a transaction, whoever has it open", Args: cobra.ExactArgs(2),
		RunE: d.with(func(ctx context.Context, c *client.Client, args []string) error {
			return c.CloseTransaction(ctx, args[0], args[1])
		}),
	})
}

// owner names a client.
func owner(o query.Owner) string {
	name := o.User
	switch {
	case o.Program != "":
		name += " " + o.Program
	case o.Address != "":
		name += " " + o.Address
	}
	if o.PID > 0 {
		name += fmt.Sprintf(" (%d)", o.PID)
	}
	return strings.TrimSpace(name)
}
