package app

import (
	"bytes"
	"context"
	"encoding/json"
	"strings"
	"time"

	"github.com/slipway-desktop/slipway/backend/control"
)

const (
	batchInterval = 40 * time.Millisecond // at most 25 batches a second
	batchSize     = 256                   // events; more are sent at once
	maxLogStreams = 8
	snapshotTime  = 5 * time.Second // an engine that is there answers at once
)

// snapshot connects if need be and starts the pump from the engine's events to the
// page anew. The first event of each topic is the snapshot.
func (s *shell) snapshot() (Snapshot, error) {
	if err := s.attach(s.life); err != nil {
		s.disconnected(err)
		return Snapshot{}, err
	}
	client, err := s.client()
	if err != nil {
		return Snapshot{}, err
	}
	ctx, cancel := context.WithCancel(s.life)
	s.mu.Lock()
	if s.stopPump != nil {
		s.stopPump()
	}
	s.stopPump = cancel
	link := s.link
	s.mu.Unlock()

	events := make(chan control.Event, batchSize)
	s.own(func() {
		defer cancel()
		defer close(events)
		err := client.Events(ctx, func(e control.Event) error {
			select {
			case events <- e:
				return nil
			case <-ctx.Done():
				return ctx.Err()
			}
		})
		if err != nil && ctx.Err() == nil {
			s.log.Warn("the engine's events ended", "err", err)
		}
	})
	first, err := firstEvents(ctx, events)
	if err != nil {
		cancel()
		return Snapshot{}, err
	}
	s.own(func() { s.pump(events) })
	return Snapshot{Link: link, Events: first}, nil
}

// topics is how many topics an engine begins with.
var topics = len([]control.Topic{
	control.TopicStatus, control.TopicStats, control.TopicContainers, control.TopicPorts,
	control.TopicFlows, control.TopicCapture, control.TopicSettings, control.TopicLog,
})

func firstEvents(ctx context.Context, events <-chan control.Event) ([]control.Event, error) {
	limit := time.NewTimer(snapshotTime)
	defer limit.Stop()
	var first []control.Event
	for len(first) < topics {
		select {
		case e, ok := <-events:
			if !ok {
				return nil, control.Errorf(control.CodeUnavailable, "the engine has stopped")
			}
			first = append(first, e)
		case <-limit.C:
			return nil, control.Errorf(control.CodeUnavailable, "the engine does not answer").
				WithHint("try again; if it stays so, quit Slipway and open it again")
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	return first, nil
}

// pump sends what arrives within an interval as one Wails event, because each
// costs a script evaluation in the page.
func (s *shell) pump(events <-chan control.Event) {
	var batch []control.Event
	flush := func() {
		if len(batch) > 0 {
			s.emit(EventsTopic, batch)
			batch = nil
		}
	}
	defer flush()
	tick := time.NewTicker(batchInterval)
	defer tick.Stop()
	for {
		select {
		case e, ok := <-events:
			if !ok {
				return
			}
			if batch = append(batch, e); len(batch) >= batchSize {
				flush()
			}
		case <-tick.C:
			flush()
		}
	}
}

// observe keeps what the tray shows.
func (s *shell) observe(e control.Event) {
	switch e.Topic {
	case control.TopicStatus:
		var status control.Status
		if err := json.Unmarshal(e.Data, &status); err != nil {
			s.log.Error("read the status", "err", err)
			return
		}
		s.tray.show(status)
	case control.TopicPorts:
		var ports []control.Port
		if err := json.Unmarshal(e.Data, &ports); err != nil {
			s.log.Error("read the ports", "err", err)
			return
		}
		s.tray.showPorts(ports)
	}
}

// followLogs sends a container's log to the page.
func (s *shell) followLogs(stream, id string, tail int) error {
	client, err := s.client()
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(s.life)
	s.mu.Lock()
	_, twice := s.logs[stream]
	full := len(s.logs) >= maxLogStreams
	if !twice && !full {
		s.logs[stream] = cancel
	}
	s.mu.Unlock()
	if twice || full {
		cancel()
		return control.Errorf(control.CodeInvalid, "too many logs are followed at once").WithHint("close one of them")
	}
	s.own(func() {
		defer s.stopLogs(stream)
		w := &logLines{s: s, stream: stream, ctx: ctx}
		err := client.ContainerLogs(ctx, id, tail, true, w)
		w.flush()
		end := LogChunk{Stream: stream, Lines: []string{}, End: true}
		if err != nil && ctx.Err() == nil {
			end.Message = err.Error()
		}
		s.emit(LogsTopic, end)
	})
	return nil
}

func (s *shell) stopLogs(stream string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if cancel, ok := s.logs[stream]; ok {
		cancel()
		delete(s.logs, stream)
	}
}

// logLines cuts text into lines and sends them to the page.
type logLines struct {
	s      *shell
	stream string
	ctx    context.Context
	rest   []byte // the line that has no end yet
}

// maxLogLine is where a line without an end is cut, in bytes.
const maxLogLine = 64 << 10

func (w *logLines) Write(p []byte) (int, error) {
	if err := w.ctx.Err(); err != nil {
		return 0, err
	}
	w.rest = append(w.rest, p...)
	end := bytes.LastIndexByte(w.rest, '\n')
	if end < 0 && len(w.rest) < maxLogLine {
		return len(p), nil
	}
	if end < 0 {
		w.flush()
		return len(p), nil
	}
	w.send(w.rest[:end])
	w.rest = append(w.rest[:0], w.rest[end+1:]...)
	return len(p), nil
}

func (w *logLines) flush() {
	if len(w.rest) > 0 {
		w.send(w.rest)
		w.rest = w.rest[:0]
	}
}

func (w *logLines) send(text []byte) {
	lines := strings.Split(strings.ToValidUTF8(string(text), "\ufffd"), "\n")
	w.s.emit(LogsTopic, LogChunk{Stream: w.stream, Lines: lines})
}
