//go:build !linux

package fusefs

import (
	"context"
	"errors"
	"fmt"

	"github.com/slipway-desktop/slipway/backend/ninep"
)

// Mount is for Linux only: macOS and Windows have no FUSE of their own.
func Mount(context.Context, string, *ninep.Client, Options) error {
	return fmt.Errorf("mounting works on Linux only; use `slipway data` instead: %w", errors.ErrUnsupported)
}
