package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/slipway-desktop/slipway/backend/control"
	"github.com/slipway-desktop/slipway/backend/engine"
)

func (c *cli) down() *cobra.Command {
	return &cobra.Command{
		Use: "down", Short: "Stop the machine cleanly, then the engine", Args: cobra.NoArgs,
		Long: `Stop the machine cleanly, then the engine, and return when both are down.
If nothing runs there is nothing to do, which is no failure.`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			client, err := c.connect(cmd.Context())
			var e *control.Error
			if errors.As(err, &e) && e.Code == control.CodeUnavailable {
				fmt.Fprintln(c.err, "Slipway is not running.")
				return nil
			}
			if err != nil {
				return err
			}
			defer client.Close()
			return c.quit(cmd.Context(), client)
		},
	}
}

// quit ends an engine and waits until it has gone and the home is free.
func (c *cli) quit(ctx context.Context, client *control.Client) error {
	home, err := c.home()
	if err != nil {
		return err
	}
	if err := client.Quit(ctx); err != nil {
		return err
	}
	const patience = time.Minute
	select {
	case <-client.Done():
		return engine.AwaitEnd(ctx, home)
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(patience):
		return control.Errorf(control.CodeInternal, "the engine does not end").WithHint("`slipway logs` may say why")
	}
}
