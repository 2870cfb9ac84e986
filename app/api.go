package app

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/wailsapp/wails/v2/pkg/runtime"

	"github.com/slipway-desktop/slipway/backend/capture"
	"github.com/slipway-desktop/slipway/backend/control"
)

// API is what the frontend may call. Each method is one request to the control
// tree; what changes arrives by the event EventsTopic. Errors are control.Error.
type API struct{ s *shell }

// Snapshot connects to the engine of the home, starting one if none runs, and
// begins to send its changes by EventsTopic; they carry on from the snapshot. A
// page that was loaded again calls it again.
func (a *API) Snapshot() (Snapshot, error) { return a.s.snapshot() }

// ReportDefect records an error that the page did not expect.
func (a *API) ReportDefect(text string) {
	if len(text) > maxDefect {
		text = text[:maxDefect]
	}
	a.s.log.Error("the page has a defect", "text", text)
}

// Painted records when the page drew something for the first time, in milliseconds
// of the Unix epoch. It is what a person waits for after opening the app.
func (a *API) Painted(at float64) {
	a.s.paint.Do(func() {
		painted := time.UnixMicro(int64(at * 1000))
		a.s.log.Info("first paint", "afterStart", painted.Sub(processStart()).Round(time.Millisecond))
		close(a.s.painted)
	})
}

// maxDefect is how much of a defect's text is kept, in bytes.
const maxDefect = 4096

// StartMachine starts the machine and returns when Docker answers.
func (a *API) StartMachine() error {
	return a.call(func(ctx context.Context, c *control.Client) error { return c.Start(ctx) })
}

// StopMachine stops the machine cleanly.
func (a *API) StopMachine() error {
	return a.call(func(ctx context.Context, c *control.Client) error { return c.Stop(ctx) })
}

// RestartMachine stops the machine and starts it again with the present settings.
func (a *API) RestartMachine() error {
	return a.call(func(ctx context.Context, c *control.Client) error { return c.Restart(ctx) })
}

// KillMachine takes the machine's power away.
func (a *API) KillMachine() error {
	return a.call(func(ctx context.Context, c *control.Client) error { return c.Kill(ctx) })
}

// ContainerAction starts, stops, restarts or removes a container.
func (a *API) ContainerAction(id, action string) error {
	return a.call(func(ctx context.Context, c *control.Client) error {
		return c.ContainerAction(ctx, id, control.ContainerAction(action))
	})
}

// FollowLogs sends the last lines of a container's log and then new ones by
// LogsTopic, under a name that the page chose, until StopLogs.
func (a *API) FollowLogs(stream, id string, tail int) error { return a.s.followLogs(stream, id, tail) }

// StopLogs ends what FollowLogs began.
func (a *API) StopLogs(stream string) { a.s.stopLogs(stream) }

// AddPort makes a forward of the user's own.
func (a *API) AddPort(p control.PortRequest) (control.Port, error) {
	return ask(a, func(ctx context.Context, c *control.Client) (control.Port, error) { return c.AddPort(ctx, p) })
}

// RemovePort removes a forward of the user's own.
func (a *API) RemovePort(id string) error {
	return a.call(func(ctx context.Context, c *control.Client) error { return c.RemovePort(ctx, id) })
}

// CaptureControl pauses, resumes or clears the recording.
func (a *API) CaptureControl(action string) error {
	return a.call(func(ctx context.Context, c *control.Client) error {
		return c.CaptureControl(ctx, control.CaptureAction(action))
	})
}

// Packets returns a page of the recording.
func (a *API) Packets(q capture.Query) (capture.Page, error) {
	return ask(a, func(ctx context.Context, c *control.Client) (capture.Page, error) { return c.Packets(ctx, q) })
}

// Packet returns one packet with its layers and bytes.
func (a *API) Packet(n uint64) (capture.Detail, error) {
	return ask(a, func(ctx context.Context, c *control.Client) (capture.Detail, error) { return c.Packet(ctx, n) })
}

// ExportPcapng asks for a file and writes the recording, or the part that the
// filter selects, to it. It returns the file's path, "" if the user changed their mind.
func (a *API) ExportPcapng(filter string) (string, error) {
	path, err := a.askPath(runtime.SaveDialogOptions{
		Title:           "Export the recording",
		DefaultFilename: "slipway-" + time.Now().Format("20060102-150405") + ".pcapng",
		Filters:         []runtime.FileFilter{{DisplayName: "Packet captures (*.pcapng)", Pattern: "*.pcapng"}},
	})
	if err != nil || path == "" {
		return "", err
	}
	return path, a.call(func(ctx context.Context, c *control.Client) error {
		return writeFile(path, func(f *os.File) error { return c.Pcapng(ctx, filter, false, f) })
	})
}

// askPath asks where to save a file; "" means that the user changed their mind.
func (a *API) askPath(o runtime.SaveDialogOptions) (path string, err error) {
	a.s.withWindow(func(w context.Context) { path, err = runtime.SaveFileDialog(w, o) })
	return path, err
}

// writeFile makes the file whole or not at all. Only its owner may read it: a
// recording holds what was said.
func writeFile(path string, write func(*os.File) error) error {
	f, err := os.CreateTemp(filepath.Dir(path), ".slipway-*")
	if err != nil {
		return fmt.Errorf("save the file: %w", err)
	}
	defer os.Remove(f.Name()) // gone already if all went well
	if err := write(f); err != nil {
		f.Close()
		return err
	}
	if err := f.Close(); err != nil {
		return fmt.Errorf("save the file: %w", err)
	}
	return os.Rename(f.Name(), path)
}

// Settings returns every setting with its description and value.
func (a *API) Settings() ([]control.Setting, error) {
	return ask(a, func(ctx context.Context, c *control.Client) ([]control.Setting, error) { return c.Settings(ctx) })
}

// SetSettings changes settings in one commit.
func (a *API) SetSettings(change control.SettingsChange) (control.SettingsCommit, error) {
	return ask(a, func(ctx context.Context, c *control.Client) (control.SettingsCommit, error) {
		return c.SetSettings(ctx, change)
	})
}

// SettingsLog returns the newest commits first.
func (a *API) SettingsLog(limit int) ([]control.SettingsCommit, error) {
	return ask(a, func(ctx context.Context, c *control.Client) ([]control.SettingsCommit, error) {
		return c.SettingsLog(ctx, limit)
	})
}

// SettingsDiff returns what differs between two commits.
func (a *API) SettingsDiff(from, to string) ([]control.SettingDiff, error) {
	return ask(a, func(ctx context.Context, c *control.Client) ([]control.SettingDiff, error) {
		return c.SettingsDiff(ctx, from, to)
	})
}

// RevertSettings undoes one commit by a new one.
func (a *API) RevertSettings(commit string) (control.SettingsCommit, error) {
	return ask(a, func(ctx context.Context, c *control.Client) (control.SettingsCommit, error) {
		return c.RevertSettings(ctx, commit)
	})
}

// RestoreSettings makes all settings as they were at a commit.
func (a *API) RestoreSettings(commit string) (control.SettingsCommit, error) {
	return ask(a, func(ctx context.Context, c *control.Client) (control.SettingsCommit, error) {
		return c.RestoreSettings(ctx, commit)
	})
}

// Quit stops the machine, if this process runs it, and ends the app.
func (a *API) Quit() { a.s.quit() }

// call makes one request with the present client.
func (a *API) call(request func(context.Context, *control.Client) error) error {
	client, err := a.s.client()
	if err != nil {
		return err
	}
	return request(a.s.life, client)
}

func ask[T any](a *API, request func(context.Context, *control.Client) (T, error)) (T, error) {
	client, err := a.s.client()
	if err != nil {
		var none T
		return none, err
	}
	return request(a.s.life, client)
}
