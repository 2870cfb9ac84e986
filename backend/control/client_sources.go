package control

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/slipway-desktop/slipway/backend/capture"
	"github.com/slipway-desktop/slipway/backend/ninep"
)

// Status implements Engine.
func (c *Client) Status(ctx context.Context) (Status, error) {
	return status[Status](ctx, c, "/engine/status")
}

// Events implements Engine. It returns nil when the engine stops in good order,
// CodeUnavailable when the connection breaks.
func (c *Client) Events(ctx context.Context, fn func(Event) error) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	pr, pw := io.Pipe()
	copied := make(chan error, 1)
	go func() {
		err := c.follow(ctx, "/engine/events", "", pw)
		pw.CloseWithError(err) // nil is the end of the file
		copied <- err
	}()
	err := decodeEvents(pr, fn)
	cancel()
	pr.Close()
	if ferr := <-copied; errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return ferr // the stream ended, and this is why
	}
	return err
}

// decodeEvents calls fn until it or the stream fails: io.EOF is its end.
func decodeEvents(r io.Reader, fn func(Event) error) error {
	d := json.NewDecoder(r)
	for {
		var e Event
		if err := d.Decode(&e); err != nil {
			return err
		}
		if err := fn(e); err != nil {
			return err
		}
	}
}

// Log implements Engine.
func (c *Client) Log(ctx context.Context, w io.Writer) error {
	return c.Read(ctx, "/engine/log", w)
}

// Quit implements Engine. That the connection ends meanwhile is what it asks for.
func (c *Client) Quit(ctx context.Context) error {
	err := c.command(ctx, "/engine/ctl", "quit")
	var e *Error
	if errors.As(err, &e) && errors.Is(e.Err, ninep.ErrClosed) {
		return nil
	}
	return err
}

// Start implements Machine.
func (c *Client) Start(ctx context.Context) error {
	return c.command(ctx, "/vm/default/ctl", "start")
}

// Stop implements Machine.
func (c *Client) Stop(ctx context.Context) error {
	return c.command(ctx, "/vm/default/ctl", "stop")
}

// Restart implements Machine.
func (c *Client) Restart(ctx context.Context) error {
	return c.command(ctx, "/vm/default/ctl", "restart")
}

// Kill implements Machine.
func (c *Client) Kill(ctx context.Context) error {
	return c.command(ctx, "/vm/default/ctl", "kill")
}

// Console implements Machine.
func (c *Client) Console(ctx context.Context, w io.Writer) error {
	return c.Read(ctx, "/vm/default/console", w)
}

// Stats implements Machine.
func (c *Client) Stats(ctx context.Context) (Stats, error) {
	return status[Stats](ctx, c, "/vm/default/stats")
}

// Containers implements Containers.
func (c *Client) Containers(ctx context.Context) ([]Container, error) {
	return status[[]Container](ctx, c, "/docker/containers")
}

// ContainerAction implements Containers.
func (c *Client) ContainerAction(ctx context.Context, id string, action ContainerAction) error {
	return c.command(ctx, "/docker/ctl", string(action), id)
}

// ContainerLogs implements Containers.
func (c *Client) ContainerLogs(ctx context.Context, id string, tail int, follow bool, w io.Writer) error {
	question, err := json.Marshal(logsQuestion{tail, follow})
	if err != nil {
		return err
	}
	if id == "" || strings.ContainsAny(id, "/\x00") || id == "." || id == ".." {
		return Errorf(CodeInvalid, "%q does not name a container", id)
	}
	return c.follow(ctx, "/docker/logs/"+id, string(question), w)
}

// Ports implements Ports.
func (c *Client) Ports(ctx context.Context) ([]Port, error) {
	return status[[]Port](ctx, c, "/net/ports/list")
}

// AddPort implements Ports.
func (c *Client) AddPort(ctx context.Context, p PortRequest) (Port, error) {
	return commanded[Port](ctx, c, "/net/ports/ctl", "add", p.Proto, p.hostText(), p.Target)
}

// RemovePort implements Ports.
func (c *Client) RemovePort(ctx context.Context, id string) error {
	return c.command(ctx, "/net/ports/ctl", "rm", id)
}

// Flows implements Traffic.
func (c *Client) Flows(ctx context.Context) ([]capture.Flow, error) {
	return status[[]capture.Flow](ctx, c, "/net/flows")
}

// CaptureStatus implements Traffic.
func (c *Client) CaptureStatus(ctx context.Context) (capture.Status, error) {
	return status[capture.Status](ctx, c, "/net/capture/status")
}

// CaptureControl implements Traffic.
func (c *Client) CaptureControl(ctx context.Context, action CaptureAction) error {
	return c.command(ctx, "/net/capture/ctl", string(action))
}

// query asks a query file.
func query[T any](ctx context.Context, c *Client, path string, q any) (T, error) {
	var v T
	b, err := json.Marshal(q)
	if err != nil {
		return v, err
	}
	err = c.ask(ctx, path, b, &v)
	return v, err
}

// Packets implements Traffic.
func (c *Client) Packets(ctx context.Context, q capture.Query) (capture.Page, error) {
	return query[capture.Page](ctx, c, "/net/capture/query", q)
}

// Packet implements Traffic.
func (c *Client) Packet(ctx context.Context, n uint64) (capture.Detail, error) {
	if n == 0 {
		return capture.Detail{}, Errorf(CodeNotFound, "packets count from 1")
	}
	return query[capture.Detail](ctx, c, "/net/capture/query", packetsQuestion{Packet: n})
}

// Pcapng implements Traffic.
func (c *Client) Pcapng(ctx context.Context, filter string, live bool, w io.Writer) error {
	path := "/net/capture/pcapng"
	if live {
		path = "/net/capture/live"
	}
	return c.follow(ctx, path, filter, w)
}

// Settings implements Settings.
func (c *Client) Settings(ctx context.Context) ([]Setting, error) {
	return status[[]Setting](ctx, c, settingsPath+"/list")
}

// SetSettings implements Settings.
func (c *Client) SetSettings(ctx context.Context, change SettingsChange) (SettingsCommit, error) {
	b, err := json.Marshal(change)
	if err != nil {
		return SettingsCommit{}, err
	}
	return commanded[SettingsCommit](ctx, c, settingsPath+"/ctl", "change", string(b))
}

// SettingsLog implements Settings.
func (c *Client) SettingsLog(ctx context.Context, limit int) ([]SettingsCommit, error) {
	var log []SettingsCommit
	var text strings.Builder
	question := ""
	if limit > 0 {
		question = fmt.Sprint(limit)
	}
	if err := c.copyFrom(ctx, c.tree, settingsPath+"/log", question, &text); err != nil {
		return nil, err
	}
	if err := json.Unmarshal([]byte(text.String()), &log); err != nil {
		return nil, nonsense(settingsPath+"/log", err)
	}
	return log, nil
}

// SettingsDiff implements Settings.
func (c *Client) SettingsDiff(ctx context.Context, from, to string) ([]SettingDiff, error) {
	return query[[]SettingDiff](ctx, c, settingsPath+"/diff", diffQuestion{from, to})
}

// RevertSettings implements Settings.
func (c *Client) RevertSettings(ctx context.Context, commit string) (SettingsCommit, error) {
	return commanded[SettingsCommit](ctx, c, settingsPath+"/ctl", "revert", commit)
}

// RestoreSettings implements Settings.
func (c *Client) RestoreSettings(ctx context.Context, commit string) (SettingsCommit, error) {
	return commanded[SettingsCommit](ctx, c, settingsPath+"/ctl", "restore", commit)
}
