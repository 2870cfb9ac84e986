package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/slipway-desktop/slipway/backend/control"
	"github.com/slipway-desktop/slipway/backend/datakit/client"
	"github.com/slipway-desktop/slipway/backend/pipeline"
)

func (c *cli) pipeline() *cobra.Command {
	d := &dataCLI{cli: c}
	cmd := group(&cobra.Command{
		Use: "pipeline", Short: "List the runs of pipelines, read their logs, and ask their runners",
		Long: `List the runs of pipelines, read their logs, and ask their runners.

A run is named by its result branch and a number, PIPELINE-of-COMMIT@N, as "ls"
prints it. Everything that a run leaves behind is in that branch.`,
		Example: "  slipway pipeline ls\n  slipway pipeline log -f RUN",
	}, d.pipelineLs(), d.pipelineShow(), d.pipelineLog(),
		d.pipelineAct(pipeline.Rerun, "Ask a run's runner to run it again"),
		d.pipelineAct(pipeline.Cancel, "Ask a run's runner to stop it"))
	cmd.PersistentFlags().StringVar(&d.addr, "addr", "", "server (default: SLIPWAY_DATA, else the running Slipway)")
	return cmd
}

// withRuns is with, and says what to do about the errors of runs.
func (d *dataCLI) withRuns(do func(ctx context.Context, c *client.Client, args []string) error) func(*cobra.Command, []string) error {
	return d.with(func(ctx context.Context, c *client.Client, args []string) error {
		err := do(ctx, c, args)
		switch {
		case errors.Is(err, pipeline.ErrNoRun):
			return control.Errorf(control.CodeNotFound, "there is no run %s", args[0]).WithHint("`slipway pipeline ls` lists them")
		case errors.Is(err, pipeline.ErrNotOffered):
			return control.Errorf(control.CodeInvalid, "%v", err).WithHint("`slipway pipeline show %s` says what it offers", args[0])
		}
		return err
	})
}

func (d *dataCLI) pipelineLs() *cobra.Command {
	var asJSON bool
	var limit int
	cmd := &cobra.Command{
		Use: "ls [PIPELINE]", Short: "List the runs, the newest first", Args: cobra.MaximumNArgs(1),
		RunE: d.withRuns(func(ctx context.Context, c *client.Client, args []string) error {
			name := ""
			if len(args) == 1 {
				name = args[0]
			}
			runs, err := pipeline.Runs(ctx, c, name, max(0, limit))
			if err != nil {
				return err
			}
			if asJSON {
				return d.json(runs)
			}
			t := newTable(d.out, "STATE", "PIPELINE", "BRANCH", "COMMIT", "STARTED", "TOOK", "SUBJECT", "RUN")
			for _, r := range runs {
				t.row(string(r.Status), r.Pipeline, r.SourceBranch, short(r.Source), local(r.Started), took(r.Started, r.Ended), r.Subject, r.ID)
			}
			return t.flush()
		}),
	}
	jsonFlag(cmd, &asJSON)
	cmd.Flags().IntVarP(&limit, "limit", "n", 0, "at most this many; 0 is 100")
	return cmd
}

func local(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.Local().Format("2006-01-02 15:04:05")
}

func took(from, to time.Time) string {
	if from.IsZero() || to.IsZero() {
		return ""
	}
	return to.Sub(from).Round(10 * time.Millisecond).String()
}

func (d *dataCLI) pipelineShow() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use: "show RUN", Short: "Print what is known of a run", Args: cobra.ExactArgs(1),
		RunE: d.withRuns(func(ctx context.Context, c *client.Client, args []string) error {
			r, err := pipeline.Find(ctx, c, args[0])
			if err != nil {
				return err
			}
			if asJSON {
				return d.json(r)
			}
			for _, line := range [][2]string{
				{"state", string(r.Status)}, {"message", r.Message}, {"pipeline", r.Pipeline}, {"source", r.Source}, {"branch", r.SourceBranch},
				{"subject", r.Subject}, {"author", r.Author}, {"trigger", r.Trigger}, {"runner", r.Runner}, {"started", local(r.Started)},
				{"ended", local(r.Ended)}, {"took", took(r.Started, r.Ended)}, {"result", r.Result}, {"artefacts", fmt.Sprint(r.Artefacts)},
				{"log", size(uint64(r.LogBytes))}, {"offers", words(r.Offers)},
			} {
				if line[1] != "" {
					fmt.Fprintf(d.out, "%-10s %s\n", line[0], line[1])
				}
			}
			for _, s := range r.Steps {
				fmt.Fprintf(d.out, "step       %-9s %8s  %s\n", s.Status, took(s.Started, s.Ended), s.Name)
			}
			return nil
		}),
	}
	jsonFlag(cmd, &asJSON)
	return cmd
}

func words(actions []pipeline.Action) string {
	list := make([]string, len(actions))
	for i, a := range actions {
		list[i] = string(a)
	}
	return strings.Join(list, " ")
}

func (d *dataCLI) pipelineLog() *cobra.Command {
	var follow bool
	cmd := &cobra.Command{
		Use: "log RUN", Short: "Print a run's log as it was written", Args: cobra.ExactArgs(1),
		RunE: d.withRuns(func(ctx context.Context, c *client.Client, args []string) error {
			d.following = follow
			return pipeline.Log(ctx, c, args[0], follow, d.out)
		}),
	}
	cmd.Flags().BoolVarP(&follow, "follow", "f", false, "go on until the run ends")
	return cmd
}

func (d *dataCLI) pipelineAct(a pipeline.Action, what string) *cobra.Command {
	return &cobra.Command{
		Use: string(a) + " RUN", Short: what, Args: cobra.ExactArgs(1),
		RunE: d.withRuns(func(ctx context.Context, c *client.Client, args []string) error {
			return pipeline.Act(ctx, c, args[0], a)
		}),
	}
}
