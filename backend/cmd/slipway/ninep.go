package main

import (
	"context"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/slipway-desktop/slipway/backend/control"
	"github.com/slipway-desktop/slipway/backend/ninep"
)

func (c *cli) ninep() *cobra.Command {
	cmd := &cobra.Command{
		Use: "9p", Short: "Use the control tree's files without mounting it",
		Long: `Use the control tree's files without mounting it. "slipway 9p ls /" is where to
begin; a ctl file lists its commands when it is read.`,
		Example: "  slipway 9p cat /vm/default/status\n  slipway 9p write /vm/default/ctl restart\n" +
			"  slipway 9p write /net/capture/query '{\"tail\":true,\"limit\":10}'",
	}
	return group(cmd, c.ninepLs(), c.ninepCat(), c.ninepWrite())
}

func (c *cli) ninepLs() *cobra.Command {
	return &cobra.Command{
		Use: "ls [PATH]", Short: "List a directory; directories end with a slash", Args: cobra.MaximumNArgs(1),
		RunE: c.with(func(ctx context.Context, e *control.Client, args []string) error {
			entries, err := e.List(ctx, strings.Join(args, ""))
			if err != nil {
				return err
			}
			for _, d := range entries {
				if d.Qid.Type&ninep.QidDir != 0 {
					d.Name += "/"
				}
				if _, err := fmt.Fprintln(c.out, d.Name); err != nil {
					return err
				}
			}
			return nil
		}),
	}
}

func (c *cli) ninepCat() *cobra.Command {
	return &cobra.Command{
		Use: "cat PATH…", Short: "Print files; a live one until it ends or is interrupted", Args: cobra.MinimumNArgs(1),
		RunE: c.with(func(ctx context.Context, e *control.Client, args []string) error {
			c.following = true
			for _, path := range args {
				if err := e.Read(ctx, path, c.out); err != nil {
					return err
				}
			}
			return nil
		}),
	}
}

func (c *cli) ninepWrite() *cobra.Command {
	return &cobra.Command{
		Use: "write PATH [WORD…]", Short: "Write to a ctl or query file and print its answer", Args: cobra.MinimumNArgs(1),
		Long: `Write the words, or standard input if there are none, to a ctl or query file and
print its answer.`,
		RunE: c.with(func(ctx context.Context, e *control.Client, args []string) error {
			question := []byte(strings.Join(args[1:], " ") + "\n")
			if len(args) == 1 {
				var err error
				if question, err = io.ReadAll(io.LimitReader(c.in, ninep.MaxMessage)); err != nil {
					return fmt.Errorf("read standard input: %w", err)
				}
			}
			answer, err := e.Ask(ctx, args[0], question)
			if err != nil {
				return err
			}
			_, err = c.out.Write(answer)
			return err
		}),
	}
}
