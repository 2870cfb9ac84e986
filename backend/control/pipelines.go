package control

import (
	"context"
	"io"

	"github.com/slipway-desktop/slipway/backend/pipeline"
)

// Pipelines is the history of pipeline runs, read from their result branches.
type Pipelines interface {
	// Runs returns the newest runs first, at most limit (100 if 0), of one
	// pipeline or of all if it is "".
	Runs(ctx context.Context, pipeline string, limit int) ([]pipeline.Run, error)
	Run(ctx context.Context, id string) (pipeline.Run, error)
	// RunLog writes the log as it was written, ANSI escapes included. With follow
	// it goes on while the run does, and returns when the run ends.
	RunLog(ctx context.Context, id string, follow bool, w io.Writer) error
	// RunAction asks the runner for something that it offers.
	RunAction(ctx context.Context, id string, action pipeline.Action) error
}
