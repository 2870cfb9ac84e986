package main

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/slipway-desktop/slipway/backend/control"
)

func (c *cli) machine() *cobra.Command {
	command := func(name, short string, do func(context.Context, *control.Client) error) *cobra.Command {
		return &cobra.Command{
			Use: name, Short: short, Args: cobra.NoArgs,
			RunE: c.with(func(ctx context.Context, e *control.Client, _ []string) error { return do(ctx, e) }),
		}
	}
	return group(&cobra.Command{Use: "machine", Short: "Start and stop the machine of a running engine"},
		command("start", "Start the machine and return when Docker answers", c.startMachine),
		command("stop", "Stop the machine cleanly; the engine goes on", func(ctx context.Context, e *control.Client) error { return e.Stop(ctx) }),
		command("restart", "Stop the machine and start it with the settings of now", func(ctx context.Context, e *control.Client) error {
			if err := e.Stop(ctx); err != nil {
				return err
			}
			return c.startMachine(ctx, e)
		}),
		command("kill", "Take the machine's power away; what it had not written to disk is lost", func(ctx context.Context, e *control.Client) error { return e.Kill(ctx) }),
	)
}
