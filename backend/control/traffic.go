package control

import (
	"context"
	"io"

	"github.com/slipway-desktop/slipway/backend/capture"
)

// Traffic shows the frames and flows that passed the capture point.
type Traffic interface {
	Flows(ctx context.Context) ([]capture.Flow, error)
	CaptureStatus(ctx context.Context) (capture.Status, error)
	// CaptureControl pauses, resumes or clears the recording.
	CaptureControl(ctx context.Context, action CaptureAction) error
	// Packets returns a page of the recording.
	Packets(ctx context.Context, q capture.Query) (capture.Page, error)
	Packet(ctx context.Context, n uint64) (capture.Detail, error)
	// Pcapng writes the recording, or the part that the filter selects, as a
	// pcapng file. With live set it goes on with new packets until ctx ends.
	Pcapng(ctx context.Context, filter string, live bool, w io.Writer) error
}

// CaptureAction is what can be done to the recording.
type CaptureAction string

// The actions.
const (
	CapturePause  CaptureAction = "pause"
	CaptureResume CaptureAction = "resume"
	CaptureClear  CaptureAction = "clear"
)

// FlowChanges is what became of the flows since the event before. A client adds
// or replaces Changed by ID and drops Removed; the first event has all flows.
type FlowChanges = capture.FlowChanges
