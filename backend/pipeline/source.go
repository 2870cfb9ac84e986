package pipeline

import (
	"context"
	"io"

	"github.com/slipway-desktop/slipway/backend/datakit/client"
	"github.com/slipway-desktop/slipway/backend/datakit/query"
)

// Source is what reading runs needs of a data store; *client.Client is one.
type Source interface {
	Branches(ctx context.Context) ([]query.Branch, error)
	Log(ctx context.Context, q query.LogQuestion) (query.LogPage, error)
	Tree(ctx context.Context, p query.Place) ([]query.TreeEntry, error)
	File(ctx context.Context, p query.Place) (query.Content, error)
	Transactions(ctx context.Context) ([]query.Transaction, error)
	// CopyFile copies a file of DataKit's tree, such as snapshots/COMMIT/ro/log.
	CopyFile(ctx context.Context, path string, w io.Writer) error
}

// Store is what asking runners, and being one, needs; *client.Client is one.
type Store interface {
	Source
	Update(ctx context.Context, branch, message string, change func(*client.Tx) error) (client.Hash, error)
	Begin(ctx context.Context, branch string) (*client.Tx, error)
}

// Notifier is a Source that tells when something in it has changed. One that is not
// is asked every second.
type Notifier interface {
	Changed(ctx context.Context) <-chan struct{}
}
