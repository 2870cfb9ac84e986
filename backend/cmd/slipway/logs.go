package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/slipway-desktop/slipway/backend/control"
)

func (c *cli) logs() *cobra.Command {
	var console, follow bool
	cmd := &cobra.Command{
		Use: "logs", Short: "Show the engine's log, or the machine's console", Args: cobra.NoArgs,
		Long: `Show the engine's log, or the machine's console.
If no engine runs, the log is that of the last one.`,
		RunE: func(cmd *cobra.Command, args []string) error {
			err := c.with(func(ctx context.Context, e *control.Client, _ []string) error {
				switch {
				case follow:
					c.following = true
					return e.Events(ctx, func(ev control.Event) error { return c.printLog(ev, console) })
				case console:
					return e.Console(ctx, c.out)
				}
				return e.Log(ctx, c.out)
			})(cmd, args)
			if err != nil && !follow && !console && exitCode(err) == exitNotRunning && c.printOldLog() == nil {
				return nil
			}
			return err
		},
	}
	cmd.Flags().BoolVar(&console, "console", false, "what the machine's kernel and system print")
	cmd.Flags().BoolVarP(&follow, "follow", "f", false, "go on with new lines until interrupted")
	return cmd
}

// printOldLog prints what the last engine of the home has left.
func (c *cli) printOldLog() error {
	home, err := c.home()
	if err != nil {
		return err
	}
	log, err := os.Open(filepath.Join(home, "engine.log"))
	if err != nil {
		return err
	}
	defer log.Close()
	_, err = io.Copy(c.out, log)
	return err
}

func (c *cli) printLog(ev control.Event, console bool) error {
	if ev.Topic != control.TopicLog {
		return nil
	}
	var lines []control.LogLine
	if err := json.Unmarshal(ev.Data, &lines); err != nil {
		return fmt.Errorf("decode log: %w", err)
	}
	for _, l := range lines {
		var err error
		switch {
		case console && l.Source == "console":
			_, err = fmt.Fprintln(c.out, l.Text)
		case !console:
			_, err = fmt.Fprintf(c.out, "%s %-7s %-5s %s\n", l.Time.Local().Format("15:04:05.000"), l.Source, l.Level, l.Text)
		}
		if err != nil {
			return err
		}
	}
	return nil
}
