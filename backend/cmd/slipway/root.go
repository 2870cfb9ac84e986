package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/slipway-desktop/slipway/backend/control"
	"github.com/slipway-desktop/slipway/backend/engine"
)

// cli is what the subcommands share.
type cli struct {
	in        io.Reader
	out, err  io.Writer
	homeFlag  string
	started   bool // a subcommand runs: what fails now was no mistake in its usage
	following bool // an interrupt is how the subcommand ends, not a failure
}

const about = `Slipway runs containers in a small Linux machine on this computer, and shows what
happens inside: each packet, each flow by container name, each settings change.

Start it with "slipway up", then use docker as ever: docker --context slipway …

Exit codes:
  0  done
  1  it failed; standard error says why, and what to do
  2  the command line is wrong
  3  Slipway, or the machine or server that the command needs, is not running
  4  the change conflicts with one that somebody else made meanwhile`

func (c *cli) command() *cobra.Command {
	root := &cobra.Command{
		Use: "slipway", Short: "Containers in a small Linux machine, with everything to see", Long: about,
		SilenceErrors: true, SilenceUsage: true,
		PersistentPreRun:  func(*cobra.Command, []string) { c.started = true },
		CompletionOptions: cobra.CompletionOptions{HiddenDefaultCmd: true},
	}
	root.PersistentFlags().StringVar(&c.homeFlag, "home", "", "state directory (default: SLIPWAY_HOME, else where the system keeps such data)")
	root.AddCommand(c.up(), c.down(), c.status(), c.machine(), c.containers(), c.ports(), c.flows(), c.capture(),
		c.settings(), c.data(), c.pipeline(), c.logs(), c.ninep(), c.version())
	return root
}

// home is the state directory as an absolute path.
func (c *cli) home() (string, error) {
	if c.homeFlag != "" {
		return filepath.Abs(c.homeFlag)
	}
	return engine.DefaultHome()
}

// connect talks to the engine of the home.
func (c *cli) connect(ctx context.Context) (*control.Client, error) {
	home, err := c.home()
	if err != nil {
		return nil, err
	}
	return control.Dial(ctx, engine.SocketPath(home))
}

// with makes a subcommand's body of a function that needs the engine.
func (c *cli) with(do func(ctx context.Context, engine *control.Client, args []string) error) func(*cobra.Command, []string) error {
	return func(cmd *cobra.Command, args []string) error {
		client, err := c.connect(cmd.Context())
		if err != nil {
			return err
		}
		defer client.Close()
		return do(cmd.Context(), client, args)
	}
}

// json prints one document on one line.
func (c *cli) json(v any) error {
	b, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("encode output: %w", err)
	}
	_, err = fmt.Fprintf(c.out, "%s\n", b)
	return err
}

// jsonFlag adds --json.
func jsonFlag(cmd *cobra.Command, v *bool) {
	cmd.Flags().BoolVar(v, "json", false, "print JSON")
}

// group is a subcommand that only has subcommands of its own.
func group(cmd *cobra.Command, children ...*cobra.Command) *cobra.Command {
	cmd.Args = cobra.NoArgs
	cmd.RunE = func(cmd *cobra.Command, _ []string) error { return cmd.Help() }
	cmd.AddCommand(children...)
	return cmd
}
