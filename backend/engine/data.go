package engine

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"slices"
	"strings"

	"golang.org/x/sync/errgroup"

	"github.com/slipway-desktop/slipway/backend/control"
	"github.com/slipway-desktop/slipway/backend/datakit"
	"github.com/slipway-desktop/slipway/backend/datakit/client"
	"github.com/slipway-desktop/slipway/backend/datakit/tree"
	"github.com/slipway-desktop/slipway/backend/engine/settings"
	"github.com/slipway-desktop/slipway/backend/ninep"
	"github.com/slipway-desktop/slipway/backend/pipeline"
)

// openData opens the data store and its tree. What the engine cannot use does not
// become the head of the settings; only the engine itself writes its state.
func (e *Engine) openData(ctx context.Context, host settings.Host) (*datakit.Store, error) {
	store, err := datakit.Open(ctx, e.home.data(), datakit.Options{
		Author:        author(),
		Validate:      map[string]func(datakit.Snapshot) error{settings.Branch: settings.Validator(host)},
		DefaultBranch: settings.Branch, // so that plain `git log` in it works
		Log:           e.log,
	})
	if err != nil {
		return nil, fmt.Errorf("open the data store: %w", err)
	}
	e.tree = tree.New(store, tree.Options{
		Log: e.log,
		Access: func(_ ninep.Peer, _, branch string) tree.Access {
			if branch == stateBranch {
				return tree.Read
			}
			return tree.Write
		},
		Author: func(ninep.Peer, string) datakit.Author { return author() },
	})
	return store, nil
}

// dataTree is the data store for one client of the control tree.
func (e *Engine) dataTree(peer ninep.Peer) (func(ninep.AttachRequest) ninep.Node, func()) {
	session := e.tree.Session(peer)
	return session.Root, session.Close
}

// watchData tells subscribers that something in the data store changed.
func (e *Engine) watchData(ctx context.Context) error {
	for range e.tree.Changed(ctx) {
		e.dataRevision.Add(1)
		e.hub.changed(control.TopicData)
	}
	return nil
}

func (e *Engine) dataState(ctx context.Context) (control.DataState, error) {
	branches, err := e.store.Branches()
	if err != nil {
		return control.DataState{}, err
	}
	s, err := e.data.Stats(ctx)
	return control.DataState{
		Revision: e.dataRevision.Load(), Branches: len(branches), Transactions: s.Transactions, Watchers: s.Watchers,
	}, err
}

// watchPipelines follows the runs, through a client of the data store's own tree: so
// the engine sees of a run what any script sees.
func (e *Engine) watchPipelines(ctx context.Context) error {
	source := struct {
		pipeline.Source
		pipeline.Notifier
	}{e.data, e.tree} // told of changes, it need not ask each second
	for runs, err := range pipeline.Watch(ctx, source) {
		if err != nil {
			if ctx.Err() != nil {
				return nil
			}
			return fmt.Errorf("follow the pipelines: %w", err)
		}
		e.mu.Lock()
		e.runs = runs
		e.mu.Unlock()
		e.hub.changed(control.TopicPipelines)
	}
	return nil
}

func (e *Engine) latestRuns() []pipeline.Run {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.runs == nil {
		return []pipeline.Run{}
	}
	return e.runs
}

// connectData makes the engine a client of its data store's tree.
func (e *Engine) connectData(ctx context.Context, parts *errgroup.Group) error {
	server := ninep.Server{Log: e.log, NewTree: func(net.Conn) (ninep.Tree, error) {
		return ownTree{e.tree.Session(ninep.Peer{UID: os.Getuid(), PID: os.Getpid()})}, nil
	}}
	near, far := net.Pipe()
	parts.Go(func() error { return server.ServeConn(ctx, far) })
	c, err := ninep.NewClient(ctx, near, ninep.AttachRequest{UID: uint32(os.Getuid()), Name: "plain"})
	if err != nil {
		near.Close()
		return fmt.Errorf("connect to the data store: %w", err)
	}
	e.data = client.New(c, "")
	return nil
}

// ownTree is a session of the data store as a whole tree.
type ownTree struct{ *tree.Session }

func (t ownTree) Attach(_ context.Context, r ninep.AttachRequest) (ninep.Node, error) {
	return t.Root(r), nil
}

// pipelines is the engine as control.Pipelines.
type pipelines Engine

func (p *pipelines) Runs(ctx context.Context, name string, limit int) ([]pipeline.Run, error) {
	runs, err := pipeline.Runs(ctx, p.data, name, limit)
	return runs, pipelineError(err)
}

func (p *pipelines) PipelineRun(ctx context.Context, id string) (pipeline.Run, error) {
	run, err := pipeline.Find(ctx, p.data, id)
	return run, pipelineError(err)
}

func (p *pipelines) RunLog(ctx context.Context, id string, follow bool, w io.Writer) error {
	return pipelineError(pipeline.Log(ctx, p.data, id, follow, w))
}

func (p *pipelines) RunAction(ctx context.Context, id string, action pipeline.Action) error {
	return pipelineError(pipeline.Act(ctx, p.data, id, action))
}

func pipelineError(err error) error {
	switch {
	case errors.Is(err, client.ErrNotExist):
		return &control.Error{Code: control.CodeNotFound, Message: err.Error(), Hint: "`slipway pipeline ls` lists the runs", Err: err}
	case errors.Is(err, pipeline.ErrNotOffered):
		return &control.Error{Code: control.CodeInvalid, Message: err.Error(), Err: err}
	}
	return controlError(err)
}

// stateBranch is where the engine records what it did with the settings, so that a
// script can watch for it and its history can be read beside theirs.
const stateBranch = "state"

// recordState writes what the engine applied: one small file a fact.
func (e *Engine) recordState(ctx context.Context) {
	s := e.settingsState(ctx)
	facts := map[string]string{
		"settings/applied": s.Applied,
		"settings/pending": strings.Join(s.Pending, "\n"),
		"settings/problem": s.Problem,
		"machine/state":    e.machineStatus().State,
	}
	if err := e.commitState(ctx, facts); err != nil && ctx.Err() == nil {
		e.log.Warn("cannot record the state", "branch", stateBranch, "error", err)
	}
}

func (e *Engine) commitState(ctx context.Context, facts map[string]string) error {
	tx, err := e.store.Begin(ctx, stateBranch)
	if err != nil {
		return err
	}
	defer tx.Close()
	var changed []string
	for path, text := range facts {
		was, err := tx.Read(path)
		if err != nil && !errors.Is(err, datakit.ErrNotExist) {
			return err
		}
		if text != "" {
			text += "\n"
		}
		if err == nil && string(was) == text {
			continue
		}
		changed = append(changed, path+": "+strings.ReplaceAll(strings.TrimSpace(text), "\n", ", "))
		if err := tx.Write(path, []byte(text), datakit.ModeFile); err != nil {
			return err
		}
	}
	if len(changed) == 0 {
		return nil
	}
	slices.Sort(changed)
	_, err = tx.Commit(ctx, datakit.Message{Text: strings.Join(changed, "\n"), Author: datakit.Author{Name: "slipway engine", Email: "engine@localhost"}})
	return err
}
