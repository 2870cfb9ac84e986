package app

import (
	"context"
	"encoding/json"
	"time"

	"github.com/slipway-desktop/slipway/backend/control"
)

const (
	batchInterval = 40 * time.Millisecond // at most 25 batches a second
	batchSize     = 256                   // events; more are sent at once
)

// follow starts the pump from the engine's events to the page anew.
func (s *shell) follow() error {
	client, err := s.client()
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(s.life)
	s.mu.Lock()
	if s.stopFollow != nil {
		s.stopFollow()
	}
	s.stopFollow = cancel
	s.mu.Unlock()
	s.own(func() {
		defer cancel()
		events := make(chan control.Event, batchSize)
		s.own(func() { s.sendBatches(events) })
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
			s.log.Warn("following the engine ended", "err", err)
		}
	})
	return nil
}

// sendBatches sends what arrives within an interval as one Wails event, because
// each costs a script evaluation in the page.
func (s *shell) sendBatches(events <-chan control.Event) {
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
		s.mu.Lock()
		s.status = status
		s.mu.Unlock()
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
func (s *shell) followLogs(id string, tail int) error {
	client, err := s.client()
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(s.life)
	s.mu.Lock()
	if s.stopLogs != nil {
		s.stopLogs()
	}
	s.stopLogs = cancel
	s.mu.Unlock()
	s.own(func() {
		defer cancel()
		err := client.ContainerLogs(ctx, id, tail, true, logWriter{s, id, ctx})
		end := LogsEvent{ID: id, End: true}
		if err != nil && ctx.Err() == nil {
			end.Text = err.Error() + "\n"
		}
		s.emit(LogsTopic, end)
	})
	return nil
}

func (s *shell) unfollowLogs() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.stopLogs != nil {
		s.stopLogs()
		s.stopLogs = nil
	}
}

// A logWriter sends text to the page.
type logWriter struct {
	s   *shell
	id  string
	ctx context.Context
}

func (w logWriter) Write(p []byte) (int, error) {
	if err := w.ctx.Err(); err != nil {
		return 0, err
	}
	w.s.emit(LogsTopic, LogsEvent{ID: w.id, Text: string(p)})
	return len(p), nil
}
