package controltest

import (
	"context"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/slipway-desktop/slipway/backend/control"
	"github.com/slipway-desktop/slipway/backend/ninep"
	"github.com/slipway-desktop/slipway/backend/ninep/synth"
	"github.com/slipway-desktop/slipway/backend/pipeline"
)

// newRuns are one run that goes on and one that passed.
func newRuns() []pipeline.Run {
	return []pipeline.Run{
		{
			ID: "build-of-bbbb@1", Pipeline: "build", Number: 1, ResultBranch: "build-of-bbbb", Source: "bbbb", SourceBranch: "main",
			Trigger: "commit", Status: pipeline.Running, Started: Born.Add(time.Minute), Steps: []pipeline.Step{}, Offers: []pipeline.Action{pipeline.Cancel},
		},
		{
			ID: "build-of-aaaa@1", Pipeline: "build", Number: 1, ResultBranch: "build-of-aaaa", Source: "aaaa", SourceBranch: "main",
			Trigger: "commit", Status: pipeline.Passed, Started: Born, Ended: Born.Add(30 * time.Second), Steps: []pipeline.Step{}, Offers: []pipeline.Action{}, LogBytes: 8,
		},
	}
}

// Runs implements control.Pipelines.
func (e *Engine) Runs(_ context.Context, name string, limit int) ([]pipeline.Run, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	runs := []pipeline.Run{}
	for _, r := range e.runs {
		if (name == "" || name == r.Pipeline) && (limit == 0 || len(runs) < limit) {
			runs = append(runs, r)
		}
	}
	return runs, nil
}

// findRun finds a run. e.mu is held.
func (e *Engine) findRun(id string) (*pipeline.Run, error) {
	for i := range e.runs {
		if e.runs[i].ID == id {
			return &e.runs[i], nil
		}
	}
	return nil, control.Errorf(control.CodeNotFound, "no run %s", id)
}

// DataTree is a data store of one file.
func DataTree(ninep.Peer) (func(ninep.AttachRequest) ninep.Node, func()) {
	hello := synth.NewFile("/data/branch/hello", func(context.Context) ([]byte, error) { return []byte("hello\n"), nil })
	root := synth.NewDir("/data", synth.NewDir("/data/branch", hello))
	return func(ninep.AttachRequest) ninep.Node { return root }, func() {}
}

// RunLog implements control.Pipelines. Each change of the engine makes a line in the
// log of a run that goes on.
func (e *Engine) RunLog(ctx context.Context, id string, follow bool, w io.Writer) error {
	e.mu.Lock()
	r, err := e.findRun(id)
	going := err == nil && r.Status == pipeline.Running
	e.mu.Unlock()
	if err != nil {
		return err
	}
	if !going || !follow {
		_, err := io.WriteString(w, "one\ntwo\n")
		return err
	}
	return e.eachChange(ctx, func() error {
		_, err := fmt.Fprintln(w, "news")
		return err
	})
}

// RunAction implements control.Pipelines.
func (e *Engine) RunAction(_ context.Context, id string, action pipeline.Action) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	r, err := e.findRun(id)
	if err != nil {
		return err
	}
	if !slices.Contains(r.Offers, action) {
		return control.Errorf(control.CodeInvalid, "the runner of %s does not offer to %s it", id, action)
	}
	r.Status, r.Offers = pipeline.Cancelled, []pipeline.Action{}
	e.touch()
	return nil
}

// PipelineRun implements control.Pipelines.
func (e *Engine) PipelineRun(_ context.Context, id string) (pipeline.Run, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	r, err := e.findRun(id)
	if err != nil {
		return pipeline.Run{}, err
	}
	return *r, nil
}
