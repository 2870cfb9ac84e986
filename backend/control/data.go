package control

import (
	"errors"
	"path"

	"github.com/slipway-desktop/slipway/backend/datakit/client"
	"github.com/slipway-desktop/slipway/backend/ninep"
	"github.com/slipway-desktop/slipway/backend/ninep/synth"
)

// DataPath is where the data store's own tree hangs.
const DataPath = "/data"

// DataTree shows the data store to one client: root is its tree for an attach, and
// closed is called when the client has gone and nothing calls into the tree any more.
type DataTree func(peer ninep.Peer) (root func(ninep.AttachRequest) ninep.Node, closed func())

// DataState tells that something in the data store changed; what, the query files
// below /data/query say.
type DataState struct {
	Revision     uint64 `json:"revision"` // grows with each change of a branch or of what is open
	Branches     int    `json:"branches"`
	Transactions int    `json:"transactions"` // open
	Watchers     int    `json:"watchers"`
}

// Data is the data store as seen through the tree.
func (c *Client) Data() *client.Client { return client.New(c.tree, DataPath) }

// grafted is a directory of another tree under a name in ours.
type grafted struct {
	ninep.Dir
	path string
}

var _ synth.Entry = grafted{}

func (g grafted) Name() string { return path.Base(g.path) }

// FromData makes an Error of an error of a data store's client, as the other calls
// of the tree return it. The end of the caller's context stays what it is.
func FromData(err error) error {
	var e *Error
	var reason *client.Error
	switch {
	case err == nil, errors.As(err, &e):
		return err
	case errors.As(err, &reason):
		e := asError(fromWire(reason.Unwrap()))
		return &Error{Code: e.Code, Message: reason.Error(), Hint: e.Hint, Err: err}
	}
	return fromWire(err)
}
