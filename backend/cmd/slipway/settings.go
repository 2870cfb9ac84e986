package main

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/slipway-desktop/slipway/backend/control"
)

func (c *cli) settings() *cobra.Command {
	return group(&cobra.Command{
		Use: "settings", Short: "Show and change the settings, with their history",
		Long: `Show and change the settings, with their history.

Each change is a commit: it can be looked at, reverted, and restored.`,
	}, c.settingsGet(), c.settingsSet(), c.settingsUnset(), c.settingsLog(), c.settingsDiff(),
		c.settingsBack("revert", "Undo one commit by a new one", (*control.Client).RevertSettings),
		c.settingsBack("restore", "Make all settings as they were at a commit, by a new one", (*control.Client).RestoreSettings))
}

func (c *cli) settingsGet() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use: "get [KEY]", Short: "Print one setting's value, or all settings", Args: cobra.MaximumNArgs(1),
		RunE: c.with(func(ctx context.Context, e *control.Client, args []string) error {
			list, err := e.Settings(ctx)
			if err != nil {
				return err
			}
			if len(args) == 1 {
				i := slices.IndexFunc(list, func(s control.Setting) bool { return s.Key == args[0] })
				if i < 0 {
					return control.Errorf(control.CodeNotFound, "there is no setting %s", args[0]).WithHint("`slipway settings get` lists them")
				}
				if asJSON {
					return c.json(list[i])
				}
				_, err := fmt.Fprintln(c.out, list[i].Value)
				return err
			}
			if asJSON {
				return c.json(list)
			}
			t := newTable(c.out, "KEY", "VALUE", "DEFAULT", "UNIT", "APPLIES", "TITLE")
			for _, s := range list {
				t.row(s.Key, strings.ReplaceAll(s.Value, "\n", ","), strings.ReplaceAll(s.Default, "\n", ","), s.Unit, s.Applies, s.Title)
			}
			return t.flush()
		}),
	}
	jsonFlag(cmd, &asJSON)
	return cmd
}

// printCommit says what a change has become.
func (c *cli) printCommit(made control.SettingsCommit, err error) error {
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(c.out, "%s %s\n", short(made.Hash), firstLine(made.Message))
	return err
}

func (c *cli) settingsSet() *cobra.Command {
	var message string
	cmd := &cobra.Command{
		Use: "set KEY VALUE | set KEY=VALUE…", Short: "Change settings in one commit", Args: cobra.MinimumNArgs(1),
		Long: `Change settings in one commit. If one value is refused nothing changes. An empty
value returns a setting to its default; lists have one entry a line.`,
		Example: "  slipway settings set vm/cpus 4\n  slipway settings set vm/cpus=4 vm/memory=8192 -m 'more room'",
		RunE: func(cmd *cobra.Command, args []string) error {
			change := control.SettingsChange{Values: map[string]string{}, Message: message}
			if len(args) == 2 && !strings.Contains(args[0], "=") {
				change.Values[args[0]] = args[1]
			} else {
				for _, a := range args {
					key, value, ok := strings.Cut(a, "=")
					if !ok {
						return usageError(cmd, "%q is not KEY=VALUE", a)
					}
					change.Values[key] = value
				}
			}
			return c.with(func(ctx context.Context, e *control.Client, _ []string) error {
				return c.printCommit(e.SetSettings(ctx, change))
			})(cmd, args)
		},
	}
	cmd.Flags().StringVarP(&message, "message", "m", "", "why, for the history")
	return cmd
}

func (c *cli) settingsUnset() *cobra.Command {
	var message string
	cmd := &cobra.Command{
		Use: "unset KEY…", Short: "Return settings to their defaults in one commit", Args: cobra.MinimumNArgs(1),
		RunE: c.with(func(ctx context.Context, e *control.Client, args []string) error {
			change := control.SettingsChange{Values: map[string]string{}, Message: message}
			for _, key := range args {
				change.Values[key] = ""
			}
			return c.printCommit(e.SetSettings(ctx, change))
		}),
	}
	cmd.Flags().StringVarP(&message, "message", "m", "", "why, for the history")
	return cmd
}

func (c *cli) settingsLog() *cobra.Command {
	var asJSON bool
	var limit int
	cmd := &cobra.Command{
		Use: "log", Short: "List the commits, the newest first", Args: cobra.NoArgs,
		RunE: c.with(func(ctx context.Context, e *control.Client, _ []string) error {
			log, err := e.SettingsLog(ctx, max(0, limit))
			if err != nil {
				return err
			}
			if asJSON {
				return c.json(log)
			}
			t := newTable(c.out, "COMMIT", "WHEN", "AUTHOR", "CHANGES", "MESSAGE")
			for _, k := range log {
				var keys []string
				for _, ch := range k.Changes {
					keys = append(keys, ch.Key)
				}
				t.row(short(k.Hash), k.Time.Local().Format("2006-01-02 15:04:05"), k.Author, strings.Join(keys, ","), firstLine(k.Message))
			}
			return t.flush()
		}),
	}
	jsonFlag(cmd, &asJSON)
	cmd.Flags().IntVarP(&limit, "limit", "n", 0, "at most this many; 0 is all")
	return cmd
}

func (c *cli) settingsDiff() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use: "diff [FROM] [TO]", Short: "Show what a commit changed, or what differs between two", Args: cobra.MaximumNArgs(2),
		Long: `Show what differs between two commits. With one argument, what that commit
changed; with none, what the newest one did.`,
		RunE: c.with(func(ctx context.Context, e *control.Client, args []string) error {
			from, to := "", ""
			switch len(args) {
			case 1:
				to = args[0]
			case 2:
				from, to = args[0], args[1]
			}
			diffs, err := e.SettingsDiff(ctx, from, to)
			if err != nil {
				return err
			}
			if asJSON {
				return c.json(diffs)
			}
			for _, d := range diffs {
				if _, err := fmt.Fprint(c.out, d.Unified); err != nil {
					return err
				}
			}
			return nil
		}),
	}
	jsonFlag(cmd, &asJSON)
	return cmd
}

func (c *cli) settingsBack(name, short string, do func(*control.Client, context.Context, string) (control.SettingsCommit, error)) *cobra.Command {
	return &cobra.Command{
		Use: name + " COMMIT", Short: short, Args: cobra.ExactArgs(1),
		RunE: c.with(func(ctx context.Context, e *control.Client, args []string) error {
			return c.printCommit(do(e, ctx, args[0]))
		}),
	}
}
