package main

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/slipway-desktop/slipway/backend/datakit/client"
)

func (d *dataCLI) remote() *cobra.Command {
	var asJSON bool
	var into string
	ls := &cobra.Command{
		Use: "ls", Short: "List the remotes", Args: cobra.NoArgs,
		RunE: d.with(func(ctx context.Context, c *client.Client, _ []string) error {
			list, err := c.Remotes(ctx)
			if err != nil {
				return err
			}
			if asJSON {
				return d.json(list)
			}
			t := newTable(d.out, "REMOTE", "URL")
			for _, r := range list {
				t.row(r.Name, r.URL)
			}
			return t.flush()
		}),
	}
	jsonFlag(ls, &asJSON)
	fetch := &cobra.Command{
		Use: "fetch REMOTE BRANCH", Short: "Get a branch, and print its commit", Args: cobra.ExactArgs(2),
		Long: `Get a branch of a remote, and print its commit. No branch of the store changes,
unless --into names one to bring forward to it.`,
		RunE: d.with(func(ctx context.Context, c *client.Client, args []string) error {
			h, err := c.Fetch(ctx, args[0], args[1])
			if err == nil && into != "" {
				err = c.FastForward(ctx, into, h)
			}
			if err != nil {
				return err
			}
			_, err = fmt.Fprintln(d.out, h)
			return err
		}),
	}
	fetch.Flags().StringVar(&into, "into", "", "branch to bring forward to what was fetched")
	return group(&cobra.Command{
		Use: "remote", Short: "Exchange branches with other git repositories",
		Long: `Exchange branches with other git repositories. The server does the work, with its
own keys and network; it remembers its remotes.`,
	}, ls, fetch, &cobra.Command{
		Use: "add REMOTE URL", Short: "Name another repository, or change its URL", Args: cobra.ExactArgs(2),
		RunE: d.with(func(ctx context.Context, c *client.Client, args []string) error {
			return c.AddRemote(ctx, args[0], args[1])
		}),
	}, &cobra.Command{
		Use: "rm REMOTE", Short: "Forget a remote", Args: cobra.ExactArgs(1),
		RunE: d.with(func(ctx context.Context, c *client.Client, args []string) error {
			return c.RemoveRemote(ctx, args[0])
		}),
	}, &cobra.Command{
		Use: "push REMOTE BRANCH", Short: "Send a branch; what is no fast-forward there is refused", Args: cobra.ExactArgs(2),
		RunE: d.with(func(ctx context.Context, c *client.Client, args []string) error {
			return c.Push(ctx, args[0], args[1])
		}),
	})
}
