package pipeline

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/slipway-desktop/slipway/backend/datakit"
	"github.com/slipway-desktop/slipway/backend/datakit/client"
)

// Spec is what a new run is to be.
type Spec struct {
	Pipeline     string
	Source       datakit.Hash // commit
	SourceBranch string       // may be ""
	Trigger      string       // "commit" if ""
	Offers       []Action     // what the runner will do; it watches RequestFile then
	Runner       string       // who; this program and process if ""
}

// Writer is a run that is going on. Its methods are for one goroutine; only Write, of
// the log, may be called beside them.
type Writer struct {
	run       Run
	tx        *client.Tx
	pipe      *io.PipeWriter
	written   chan error // of the log
	artefacts []artefact
}

type artefact struct {
	name string
	open func() (io.ReadCloser, error)
}

// Begin records that a run has begun, durably, and opens its live log. Finish or Close
// must follow. ctx is of the whole run.
func Begin(ctx context.Context, s Store, spec Spec) (*Writer, error) {
	w := &Writer{run: Run{
		Pipeline: spec.Pipeline, Source: spec.Source.String(), SourceBranch: spec.SourceBranch, Status: Running,
		Trigger: spec.Trigger, Offers: spec.Offers, Runner: spec.Runner, Started: time.Now().UTC(),
		ResultBranch: ResultBranch(spec.Pipeline, spec.Source),
	}, written: make(chan error, 1)}
	if w.run.Trigger == "" {
		w.run.Trigger = "commit"
	}
	if w.run.Runner == "" {
		w.run.Runner = fmt.Sprintf("%s[%d]", filepath.Base(os.Args[0]), os.Getpid())
	}
	_, err := s.Update(ctx, w.run.ResultBranch, "Begin "+spec.Pipeline, func(tx *client.Tx) error {
		parents, err := tx.Parents(ctx)
		if err != nil {
			return err
		}
		if len(parents) == 0 { // else the source is in it since the first run
			if err := tx.Merge(ctx, spec.Source); err != nil {
				return err
			}
		}
		for _, path := range []string{LogFile, ArtefactsDir, RequestFile} {
			if err := tx.Remove(ctx, path); err != nil && !errors.Is(err, datakit.ErrNotExist) {
				return err
			}
		}
		return tx.Write(ctx, StatusFile, formatStatus(w.run))
	})
	if err != nil {
		return nil, fmt.Errorf("begin run: %w", err)
	}
	if w.tx, err = s.Begin(ctx, w.run.ResultBranch); err != nil {
		return nil, fmt.Errorf("begin run: %w", err)
	}
	r, pipe := io.Pipe()
	w.pipe = pipe
	go func() {
		err := w.tx.WriteFrom(ctx, LogFile, r, datakit.ModeFile)
		r.CloseWithError(cmp.Or(err, io.ErrClosedPipe))
		w.written <- err
	}()
	return w, nil
}

// Write adds to the log, which others can read at once.
func (w *Writer) Write(p []byte) (int, error) { return w.pipe.Write(p) }

// Step begins a step and ends the one before, as passed.
func (w *Writer) Step(name string) {
	w.endStep(Passed)
	w.run.Steps = append(w.run.Steps, Step{Name: name, Status: Running, Started: time.Now().UTC()})
}

func (w *Writer) endStep(s State) {
	if n := len(w.run.Steps); n > 0 && w.run.Steps[n-1].Ended.IsZero() {
		w.run.Steps[n-1].Status, w.run.Steps[n-1].Ended = s, time.Now().UTC()
	}
}

// Artefact adds a file below artefacts/, which is read when the run finishes.
func (w *Writer) Artefact(name string, open func() (io.ReadCloser, error)) {
	w.artefacts = append(w.artefacts, artefact{name, open})
}

// Finish records the end: state, steps, log and artefacts in one commit, which it
// returns. After an error the run is over, too, and will be seen as lost.
func (w *Writer) Finish(ctx context.Context, state State, message string) (datakit.Hash, error) {
	if !state.ended() || state == Lost {
		return datakit.Hash{}, fmt.Errorf("finish run: %q is no end", state)
	}
	w.endStep(state)
	w.run.Status, w.run.Message, w.run.Ended = state, message, time.Now().UTC()
	w.run.Offers = slices.DeleteFunc(slices.Clone(w.run.Offers), func(a Action) bool { return a == Cancel })
	commit, err := w.finish(ctx)
	if err != nil {
		return commit, fmt.Errorf("finish run: %w", errors.Join(err, w.tx.Close()))
	}
	return commit, nil
}

func (w *Writer) finish(ctx context.Context) (datakit.Hash, error) {
	w.pipe.Close()
	if err := <-w.written; err != nil {
		return datakit.Hash{}, err
	}
	for _, a := range w.artefacts {
		r, err := a.open()
		if err != nil {
			return datakit.Hash{}, err
		}
		err = w.tx.WriteFrom(ctx, ArtefactsDir+"/"+a.name, r, datakit.ModeFile)
		r.Close()
		if err != nil {
			return datakit.Hash{}, err
		}
	}
	if err := w.tx.Write(ctx, StatusFile, formatStatus(w.run)); err != nil {
		return datakit.Hash{}, err
	}
	message := string(w.run.Status)
	if w.run.Message != "" {
		message += ": " + clean(w.run.Message)
	}
	return w.tx.Commit(ctx, message)
}

// Close gives the run up without a result, as a runner does that dies. After Finish
// it must not be called.
func (w *Writer) Close() error {
	w.pipe.CloseWithError(io.ErrClosedPipe)
	<-w.written
	return w.tx.Close()
}
