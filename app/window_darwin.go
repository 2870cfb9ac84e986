package app

import (
	"context"

	"github.com/wailsapp/wails/v2/pkg/runtime"
)

// hideWindow hides the whole application: an ordered-out window could not be
// brought back from the Dock.
func hideWindow(ctx context.Context) { runtime.Hide(ctx) }
