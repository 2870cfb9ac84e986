//go:build !linux

package kernelmount

import (
	"context"
	"errors"
	"fmt"

	"github.com/slipway-desktop/slipway/backend/ninep/fusefs"
)

// Auto is for Linux only.
func Auto(ctx context.Context, dir, network, address string, opt fusefs.Options) error {
	return fusefs.Mount(ctx, dir, nil, opt)
}

// Mount is for Linux only.
func Mount(context.Context, string, string, string, fusefs.Options) error {
	return fmt.Errorf("mounting works on Linux only: %w", errors.ErrUnsupported)
}
