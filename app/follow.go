package app

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"strings"
	"time"

	"github.com/slipway-desktop/slipway/backend/capture"
	"github.com/slipway-desktop/slipway/backend/control"
)

const (
	batchInterval = 40 * time.Millisecond // at most 25 batches a second
	batchSize     = 256                   // events or lines; more are sent at once
	maxLogStreams = 8
	maxLogLine    = 64 << 10        // where a line without an end is cut, in bytes
	snapshotTime  = 5 * time.Second // an engine that is there answers at once
)

// A Snapshot is the present state: the link to the engine and, if it is up, one
// event for each topic that holds all of it.
type Snapshot struct {
	Link   Link            `json:"link"`
	Events []control.Event `json:"events"`
}

// A LogChunk carries lines of a container log that is followed.
type LogChunk struct {
	Stream  string   `json:"stream"`
	Lines   []string `json:"lines"`
	End     bool     `json:"end,omitempty"`
	Message string   `json:"message,omitempty"` // why it ended, if that is a failure
}

// A pump carries the engine's events to the page until it is stopped.
type pump struct {
	cancel context.CancelFunc
	ended  chan struct{} // closed when it sends no more
}

func (p *pump) stop() {
	p.cancel()
	<-p.ended
}

// snapshot connects if need be and begins to send the engine's events to the page
// anew. The first event of each topic is the snapshot. What the page followed
// before has ended: it is a page just loaded, or one that lost its engine.
func (s *shell) snapshot() (Snapshot, error) {
	s.loading.Lock()
	defer s.loading.Unlock()
	if s.pump != nil {
		s.pump.stop()
		s.pump = nil
	}
	s.stopAllLogs()
	if err := s.attach(); err != nil {
		return Snapshot{}, err
	}
	client, err := s.client()
	if err != nil {
		return Snapshot{}, err
	}
	ctx, cancel := context.WithCancel(s.life)
	events := make(chan control.Event, batchSize)
	s.own(func() {
		defer close(events)
		err := client.Events(ctx, func(e control.Event) error { return put(ctx, events, e) })
		if err != nil && ctx.Err() == nil {
			s.log.Warn("the engine's events ended", "err", err)
		}
	})
	first, err := firstEvents(ctx, events)
	if err != nil {
		cancel()
		return Snapshot{}, err
	}
	p := &pump{cancel: cancel, ended: make(chan struct{})}
	if !s.own(func() {
		defer close(p.ended)
		defer cancel()
		inBatches(ctx, events, func(batch []control.Event) { s.emit(EventsTopic, batch) })
	}) {
		cancel()
		return Snapshot{}, context.Canceled
	}
	s.pump = p
	s.mu.Lock()
	defer s.mu.Unlock()
	return Snapshot{Link: s.link, Events: first}, nil
}

// topics is how many topics an engine begins with.
var topics = len([]control.Topic{
	control.TopicStatus, control.TopicStats, control.TopicContainers, control.TopicPorts,
	control.TopicFlows, control.TopicCapture, control.TopicSettings, control.TopicData,
	control.TopicPipelines, control.TopicLog,
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

// put sends v unless ctx ends first.
func put[T any](ctx context.Context, c chan<- T, v T) error {
	select {
	case c <- v:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// inBatches sends what arrives within an interval at once, because each sending
// costs a script evaluation in the page. It returns when in is closed and
// everything sent, or when ctx ends, after which it sends nothing.
func inBatches[T any](ctx context.Context, in <-chan T, send func([]T)) {
	for {
		var v T
		var ok bool
		select {
		case v, ok = <-in:
		case <-ctx.Done():
		}
		if !ok {
			return
		}
		batch := []T{v}
		interval := time.NewTimer(batchInterval)
		for full := false; ok && !full && len(batch) < batchSize; {
			select {
			case v, ok = <-in:
				if ok {
					batch = append(batch, v)
				}
			case <-interval.C:
				full = true
			}
		}
		interval.Stop()
		if ctx.Err() == nil {
			send(batch)
		}
	}
}

// observe gives the tray what it shows.
func (s *shell) observe(e control.Event) {
	switch e.Topic {
	case control.TopicStatus:
		observed(s, e, s.tray.show)
	case control.TopicPorts:
		observed(s, e, s.tray.showPorts)
	case control.TopicPipelines:
		observed(s, e, s.tray.showRuns)
	case control.TopicCapture:
		observed(s, e, func(c capture.Status) { s.tray.showRecording(c.Recording) })
	}
}

func observed[T any](s *shell, e control.Event, fn func(T)) {
	var v T
	if err := json.Unmarshal(e.Data, &v); err != nil {
		s.log.Error("read an event", "topic", e.Topic, "err", err)
		return
	}
	fn(v)
}

// followLogs sends a container's log to the page.
func (s *shell) followLogs(stream, id string, tail int) error {
	return s.followLog(stream, func(ctx context.Context, c *control.Client, w io.Writer) error {
		return c.ContainerLogs(ctx, id, tail, true, w)
	})
}

// followLog sends to the page what copy writes, line by line.
func (s *shell) followLog(stream string, copy func(context.Context, *control.Client, io.Writer) error) error {
	client, err := s.client()
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(s.life)
	if err := s.addLog(stream, cancel); err != nil {
		cancel()
		return err
	}
	lines := make(chan string, batchSize)
	var failure error // to be read when lines is closed
	s.own(func() {
		defer close(lines)
		w := &logLines{ctx: ctx, lines: lines}
		failure = copy(ctx, client, w)
		w.flush()
	})
	s.own(func() {
		inBatches(ctx, lines, func(batch []string) { s.emit(LogsTopic, LogChunk{Stream: stream, Lines: batch}) })
		if ctx.Err() != nil {
			return // the page has stopped it
		}
		end := LogChunk{Stream: stream, Lines: []string{}, End: true}
		if failure != nil {
			end.Message = failure.Error()
		}
		s.stopLogs(stream)
		s.emit(LogsTopic, end)
	})
	return nil
}

func (s *shell) addLog(stream string, stop context.CancelFunc) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, twice := s.logs[stream]; twice || len(s.logs) >= maxLogStreams {
		return control.Errorf(control.CodeInvalid, "too many logs are followed at once").WithHint("close one of them")
	}
	s.logs[stream] = stop
	return nil
}

func (s *shell) stopLogs(stream string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if stop, ok := s.logs[stream]; ok {
		stop()
		delete(s.logs, stream)
	}
}

func (s *shell) stopAllLogs() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for stream, stop := range s.logs {
		stop()
		delete(s.logs, stream)
	}
}

// logLines cuts text into lines.
type logLines struct {
	ctx   context.Context
	lines chan<- string
	rest  []byte // the line that has no end yet
}

func (w *logLines) Write(p []byte) (int, error) {
	n := len(p)
	for len(p) > 0 {
		line, rest, ended := bytes.Cut(p, []byte("\n"))
		w.rest = append(w.rest, line...)
		if ended || len(w.rest) >= maxLogLine {
			if err := w.send(); err != nil {
				return 0, err
			}
		}
		p = rest
	}
	return n, nil
}

// flush sends a last line that has no end.
func (w *logLines) flush() {
	if len(w.rest) > 0 {
		_ = w.send() // it fails only if nobody listens any more
	}
}

func (w *logLines) send() error {
	line := strings.ToValidUTF8(string(w.rest), "\ufffd")
	w.rest = w.rest[:0]
	return put(w.ctx, w.lines, line)
}
