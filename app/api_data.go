package app

import (
	"context"
	"io"
	"os"
	"path"

	"github.com/wailsapp/wails/v2/pkg/runtime"

	"github.com/slipway-desktop/slipway/backend/control"
	"github.com/slipway-desktop/slipway/backend/datakit"
	"github.com/slipway-desktop/slipway/backend/datakit/client"
	"github.com/slipway-desktop/slipway/backend/datakit/query"
	"github.com/slipway-desktop/slipway/backend/pipeline"
)

// DataBranches returns the branches of the data store, by name.
func (a *API) DataBranches() ([]query.Branch, error) {
	return askData(a, func(ctx context.Context, d *client.Client) ([]query.Branch, error) { return d.Branches(ctx) })
}

// DataLog returns a page of history.
func (a *API) DataLog(q query.LogQuestion) (query.LogPage, error) {
	return askData(a, func(ctx context.Context, d *client.Client) (query.LogPage, error) { return d.Log(ctx, q) })
}

// DataDiff returns the files that differ between two commits.
func (a *API) DataDiff(q query.DiffQuestion) ([]datakit.FileDiff, error) {
	return askData(a, func(ctx context.Context, d *client.Client) ([]datakit.FileDiff, error) { return d.Diff(ctx, q) })
}

// DataTree returns the entries of a directory in a commit.
func (a *API) DataTree(p query.Place) ([]query.TreeEntry, error) {
	return askData(a, func(ctx context.Context, d *client.Client) ([]query.TreeEntry, error) { return d.Tree(ctx, p) })
}

// DataFile returns the content of a file in a commit.
func (a *API) DataFile(p query.Place) (query.Content, error) {
	return askData(a, func(ctx context.Context, d *client.Client) (query.Content, error) { return d.File(ctx, p) })
}

// SaveFile asks for a place and writes a file of a commit to it. It returns the path,
// "" if the user changed their mind.
func (a *API) SaveFile(p query.Place) (string, error) {
	to, err := a.askPath(runtime.SaveDialogOptions{Title: "Save a file of the data store", DefaultFilename: path.Base(p.Path)})
	if err != nil || to == "" {
		return "", err
	}
	_, err = askData(a, func(ctx context.Context, d *client.Client) (struct{}, error) {
		hash, err := datakit.ParseHash(p.Commit)
		if err != nil {
			return struct{}{}, err
		}
		from, err := d.Snapshot(hash).Open(ctx, p.Path)
		if err != nil {
			return struct{}{}, err
		}
		defer from.Close()
		return struct{}{}, writeFile(to, func(f *os.File) error {
			_, err := io.Copy(f, from)
			return err
		})
	})
	return to, err
}

// DataTransactions returns the open transactions, oldest first.
func (a *API) DataTransactions() ([]query.Transaction, error) {
	return askData(a, func(ctx context.Context, d *client.Client) ([]query.Transaction, error) { return d.Transactions(ctx) })
}

// DataConflict returns the sides of a conflict of an open transaction.
func (a *API) DataConflict(q query.ConflictQuestion) (query.Sides, error) {
	return askData(a, func(ctx context.Context, d *client.Client) (query.Sides, error) { return d.Conflict(ctx, q) })
}

// DataWatchers returns the clients that wait for news, oldest first.
func (a *API) DataWatchers() ([]query.Watcher, error) {
	return askData(a, func(ctx context.Context, d *client.Client) ([]query.Watcher, error) { return d.Watchers(ctx) })
}

// DataStats returns the counters of the data store.
func (a *API) DataStats() (query.Stats, error) {
	return askData(a, func(ctx context.Context, d *client.Client) (query.Stats, error) { return d.Stats(ctx) })
}

// DataRestore makes a branch as it was at a commit, by a new one, which it returns.
func (a *API) DataRestore(branch, commit, message string) (string, error) {
	return askData(a, func(ctx context.Context, d *client.Client) (string, error) {
		return undone(commit, func(h datakit.Hash) (datakit.Hash, error) { return d.Restore(ctx, branch, h, message) })
	})
}

// DataRestorePath makes a file or directory as it was at a commit, by a new one.
func (a *API) DataRestorePath(branch, commit, path string) (string, error) {
	return askData(a, func(ctx context.Context, d *client.Client) (string, error) {
		return undone(commit, func(h datakit.Hash) (datakit.Hash, error) { return d.RestorePath(ctx, branch, h, path) })
	})
}

// DataRevert undoes one commit of a branch by a new one.
func (a *API) DataRevert(branch, commit string) (string, error) {
	return askData(a, func(ctx context.Context, d *client.Client) (string, error) {
		return undone(commit, func(h datakit.Hash) (datakit.Hash, error) { return d.Revert(ctx, branch, h) })
	})
}

// DataCloseTransaction gives an open transaction up.
func (a *API) DataCloseTransaction(branch, name string) error {
	_, err := askData(a, func(ctx context.Context, d *client.Client) (struct{}, error) {
		return struct{}{}, d.CloseTransaction(ctx, branch, name)
	})
	return err
}

// Run returns one run of a pipeline.
func (a *API) Run(id string) (pipeline.Run, error) {
	return ask(a, func(ctx context.Context, c *control.Client) (pipeline.Run, error) { return c.PipelineRun(ctx, id) })
}

// RunAction asks the runner of a run for something that it offers.
func (a *API) RunAction(id, action string) error {
	return a.call(func(ctx context.Context, c *control.Client) error {
		return c.RunAction(ctx, id, pipeline.Action(action))
	})
}

// FollowRunLog sends a run's log and then what is added, by LogsTopic, under a name
// that the page chose, until the run ends or StopLogs.
func (a *API) FollowRunLog(stream, id string) error {
	return a.s.followLog(stream, func(ctx context.Context, c *control.Client, w io.Writer) error {
		return c.RunLog(ctx, id, true, w)
	})
}

// undone makes a commit that goes back to another, and returns it.
func undone(commit string, do func(datakit.Hash) (datakit.Hash, error)) (string, error) {
	h, err := datakit.ParseHash(commit)
	if err != nil {
		return "", err
	}
	made, err := do(h)
	return made.String(), err
}

// askData asks the data store, whose errors become what a page can show.
func askData[T any](a *API, request func(context.Context, *client.Client) (T, error)) (T, error) {
	return ask(a, func(ctx context.Context, c *control.Client) (T, error) {
		v, err := request(ctx, c.Data())
		return v, control.FromData(err)
	})
}
