package tree

import (
	"github.com/slipway-desktop/slipway/backend/ninep"
)

// remotes is the directory remotes/.
func (v *view) remotes() ninep.Node {
	return v.fixed("remotes", nil, func(string) ninep.Node { return nil })
}
