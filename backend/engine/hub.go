package engine

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/slipway-desktop/slipway/backend/control"
)

// eventInterval is the least time between two rounds of events to one
// subscriber: 20 rounds a second look live and cost little.
const eventInterval = 50 * time.Millisecond

// A snapshot returns what an event of a topic carries for one subscriber, or nil
// for nothing new. It keeps its own cursor, where a topic carries changes only.
type snapshot func(ctx context.Context) (any, error)

// A hub tells subscribers that topics changed. It keeps no queue: a subscriber has
// a set of changed topics and asks for their state when it is ready, so a slow one
// costs nothing and misses only what was overtaken.
type hub struct {
	seq atomic.Uint64

	mu   sync.Mutex
	subs map[*subscriber]struct{}
}

type subscriber struct {
	wake  chan struct{} // capacity 1
	mu    sync.Mutex
	dirty map[control.Topic]struct{}
}

func newHub() *hub { return &hub{subs: map[*subscriber]struct{}{}} }

// changed marks topics as changed for every subscriber. It never blocks.
func (h *hub) changed(topics ...control.Topic) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for s := range h.subs {
		s.mark(topics)
	}
}

// followed tells whether anybody looks.
func (h *hub) followed() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return len(h.subs) > 0
}

func (s *subscriber) mark(topics []control.Topic) {
	s.mu.Lock()
	for _, t := range topics {
		s.dirty[t] = struct{}{}
	}
	s.mu.Unlock()
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

func (s *subscriber) take() []control.Topic {
	s.mu.Lock()
	defer s.mu.Unlock()
	topics := slices.Sorted(maps.Keys(s.dirty))
	clear(s.dirty)
	return topics
}

// follow sends the state of all topics, and then of each that changes, until ctx
// ends (nil) or fn or a snapshot fails.
func (h *hub) follow(ctx context.Context, topics map[control.Topic]snapshot, fn func(control.Event) error) error {
	s := &subscriber{wake: make(chan struct{}, 1), dirty: map[control.Topic]struct{}{}}
	s.mark(slices.Collect(maps.Keys(topics)))
	h.mu.Lock()
	h.subs[s] = struct{}{}
	h.mu.Unlock()
	defer func() {
		h.mu.Lock()
		delete(h.subs, s)
		h.mu.Unlock()
	}()
	pace := time.NewTicker(eventInterval)
	defer pace.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-s.wake:
		}
		for _, topic := range s.take() {
			if err := h.send(ctx, topic, topics[topic], fn); err != nil {
				return err
			}
		}
		select {
		case <-ctx.Done():
			return nil
		case <-pace.C:
		}
	}
}

func (h *hub) send(ctx context.Context, topic control.Topic, take snapshot, fn func(control.Event) error) error {
	if take == nil {
		return nil
	}
	state, err := take(ctx)
	if err != nil || state == nil {
		return err
	}
	data, err := json.Marshal(state)
	if err != nil {
		return fmt.Errorf("encode %s: %w", topic, err)
	}
	return fn(control.Event{Seq: h.seq.Add(1), Topic: topic, Data: data})
}
