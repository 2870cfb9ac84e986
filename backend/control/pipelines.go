package control

import (
	"context"
	"encoding/json"
	"io"
	"slices"
	"strings"

	"github.com/slipway-desktop/slipway/backend/ninep"
	"github.com/slipway-desktop/slipway/backend/ninep/synth"
	"github.com/slipway-desktop/slipway/backend/pipeline"
)

// Pipelines is the history of pipeline runs, read from their result branches.
type Pipelines interface {
	// Runs returns the newest runs first, at most limit (100 if 0), of one
	// pipeline or of all if it is "".
	Runs(ctx context.Context, name string, limit int) ([]pipeline.Run, error)
	PipelineRun(ctx context.Context, id string) (pipeline.Run, error)
	// RunLog writes the log as it was written, ANSI escapes included. With follow
	// it goes on while the run does, and returns when the run ends.
	RunLog(ctx context.Context, id string, follow bool, w io.Writer) error
	// RunAction asks the runner for something that it offers.
	RunAction(ctx context.Context, id string, action pipeline.Action) error
}

// runsQuestion asks for the runs of a pipeline, or of all.
type runsQuestion struct {
	Pipeline string `json:"pipeline,omitempty"`
	Limit    int    `json:"limit,omitempty"`
}

// followQuestion may be written to a run's log before it is read.
type followQuestion struct {
	Follow bool `json:"follow"`
}

// Ids of runs and names of pipelines may hold slashes, which are %2F in the tree.
var (
	toElement   = strings.NewReplacer("%", "%25", "/", "%2F")
	fromElement = strings.NewReplacer("%25", "%", "%2F", "/")
)

func (t *tree) pipeline() *synth.Dir {
	return synth.NewDirOf("/pipeline", func(ctx context.Context) ([]synth.Entry, error) {
		runs, err := t.Pipelines.Runs(ctx, "", 0)
		if err != nil {
			return nil, toWire(err)
		}
		var names []string
		for _, r := range runs {
			names = append(names, r.Pipeline)
		}
		slices.Sort(names)
		entries := []synth.Entry{t.pipelineQuery()}
		for _, name := range slices.Compact(names) {
			entries = append(entries, t.pipelineDir(name))
		}
		return entries, nil
	}, synth.DirOps{Find: func(ctx context.Context, element string) (synth.Entry, error) {
		if element == "query" {
			return t.pipelineQuery(), nil
		}
		name := fromElement.Replace(element)
		runs, err := t.Pipelines.Runs(ctx, name, 1)
		if err != nil {
			return nil, toWire(err)
		}
		if len(runs) == 0 {
			return nil, ninep.ENOENT
		}
		return t.pipelineDir(name), nil
	}})
}

func (t *tree) pipelineQuery() synth.Entry {
	return newQuery("/pipeline/query", `{"pipeline":"NAME","limit":100}`, func(ctx context.Context, q runsQuestion) ([]pipeline.Run, error) {
		return t.Pipelines.Runs(ctx, q.Pipeline, q.Limit)
	})
}

func (t *tree) pipelineDir(name string) *synth.Dir {
	path := "/pipeline/" + toElement.Replace(name)
	act := func(action pipeline.Action) verb {
		return verb{string(action), "RUN", func(ctx context.Context, args string) (any, error) {
			id, err := argument(args, "run")
			if err != nil {
				return nil, err
			}
			return nil, t.Pipelines.RunAction(ctx, id, action)
		}}
	}
	return synth.NewDir(path,
		newCtl(path+"/ctl", act(pipeline.Rerun), act(pipeline.Cancel)),
		synth.NewDirOf(path+"/runs", func(ctx context.Context) ([]synth.Entry, error) {
			runs, err := t.Pipelines.Runs(ctx, name, 0)
			if err != nil {
				return nil, toWire(err)
			}
			entries := make([]synth.Entry, len(runs))
			for i, r := range runs {
				entries[i] = t.runDir(path, r.ID)
			}
			return entries, nil
		}, synth.DirOps{Find: func(ctx context.Context, element string) (synth.Entry, error) {
			id := fromElement.Replace(element)
			if _, err := t.Pipelines.PipelineRun(ctx, id); err != nil {
				return nil, toWire(err)
			}
			return t.runDir(path, id), nil
		}}))
}

func (t *tree) runDir(pipelinePath, id string) *synth.Dir {
	path := pipelinePath + "/runs/" + toElement.Replace(id)
	return synth.NewDir(path,
		newStatus(path+"/status", func(ctx context.Context) (pipeline.Run, error) { return t.Pipelines.PipelineRun(ctx, id) }),
		newLive(path+"/log", func(ctx context.Context, question string, w io.Writer) error {
			var q followQuestion
			if question != "" {
				if err := decodeQuestion([]byte(question), &q, `{"follow":true}`); err != nil {
					return err
				}
			}
			return t.Pipelines.RunLog(ctx, id, q.Follow, w)
		}),
	)
}

// runPath is the directory of a run, whose pipeline is what its id begins with.
func runPath(id string) (pipelinePath, run string, err error) {
	name := ""
	if i := strings.LastIndex(id, "-of-"); i > 0 {
		name = id[:i]
	}
	if name == "" {
		return "", "", Errorf(CodeNotFound, "%q names no run", id).WithHint("`slipway pipeline ls` lists them")
	}
	pipelinePath = "/pipeline/" + toElement.Replace(name)
	return pipelinePath, pipelinePath + "/runs/" + toElement.Replace(id), nil
}

// Runs implements Pipelines.
func (c *Client) Runs(ctx context.Context, name string, limit int) ([]pipeline.Run, error) {
	return query[[]pipeline.Run](ctx, c, "/pipeline/query", runsQuestion{name, limit})
}

// PipelineRun implements Pipelines.
func (c *Client) PipelineRun(ctx context.Context, id string) (pipeline.Run, error) {
	_, dir, err := runPath(id)
	if err != nil {
		return pipeline.Run{}, err
	}
	return status[pipeline.Run](ctx, c, dir+"/status")
}

// RunLog implements Pipelines.
func (c *Client) RunLog(ctx context.Context, id string, follow bool, w io.Writer) error {
	_, dir, err := runPath(id)
	if err != nil {
		return err
	}
	q, err := json.Marshal(followQuestion{follow})
	if err != nil {
		return err
	}
	return c.follow(ctx, dir+"/log", string(q), w)
}

// RunAction implements Pipelines.
func (c *Client) RunAction(ctx context.Context, id string, action pipeline.Action) error {
	dir, _, err := runPath(id)
	if err != nil {
		return err
	}
	return c.command(ctx, dir+"/ctl", string(action), id)
}
