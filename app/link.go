package app

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/slipway-desktop/slipway/backend/control"
	"github.com/slipway-desktop/slipway/backend/engine"
)

// A Link tells the page whether the app reaches an engine. Each engine it reaches
// begins a new epoch.
type Link struct {
	Epoch   int    `json:"epoch"`
	State   string `json:"state"` // "connecting", "up", "down"
	Message string `json:"message,omitempty"`
	Hint    string `json:"hint,omitempty"`
}

const (
	joinTime  = 30 * time.Second // as long as an engine that ends may hold the home
	joinRetry = 50 * time.Millisecond
)

// attach connects to the engine of the home unless it is connected; if none runs,
// this process hosts one. Opening the app starts the machine, if the settings say so.
func (s *shell) attach() error {
	s.joining.Lock()
	defer s.joining.Unlock()
	if _, err := s.client(); err == nil {
		return nil
	}
	client, err := s.join(s.life)
	if err != nil {
		s.disconnected(err)
		return err
	}
	s.mu.Lock()
	s.conn = client
	link := Link{Epoch: s.link.Epoch + 1, State: "up"}
	s.link = link
	s.mu.Unlock()
	s.own(func() { s.watch(client) })
	s.own(func() { s.autostart(client) })
	s.emit(LinkTopic, link)
	return nil
}

// join dials the engine, and hosts one while nobody else has the home: another
// process may be just starting or ending its own.
func (s *shell) join(ctx context.Context) (*control.Client, error) {
	ctx, cancel := context.WithTimeout(ctx, joinTime)
	defer cancel()
	retry := time.NewTicker(joinRetry)
	defer retry.Stop()
	var own *host
	for {
		client, err := control.Dial(ctx, engine.SocketPath(s.config.home))
		var e *control.Error
		if err == nil || !errors.As(err, &e) || e.Code != control.CodeUnavailable {
			return client, err
		}
		if own != nil && !own.live() && !errors.Is(own.err, engine.ErrHomeTaken) {
			return nil, own.failure()
		}
		if own == nil || !own.live() {
			if own, err = s.host(); err != nil {
				return nil, err
			}
		}
		select {
		case <-ctx.Done():
			return nil, fmt.Errorf("connect to the engine: %w", err)
		case <-retry.C:
		}
	}
}

// paintTime is how long autostart waits for the page. Booting takes the processors
// that the first paint needs, and seconds; a person sees the window first.
const paintTime = 2 * time.Second

// autostart starts the machine if the settings say so.
func (s *shell) autostart(client *control.Client) {
	if !s.config.hidden {
		select {
		case <-s.painted:
		case <-time.After(paintTime):
		case <-s.life.Done():
			return
		}
	}
	settings, err := client.Settings(s.life)
	if err != nil {
		s.log.Error("read the settings", "err", err)
		return
	}
	for _, v := range settings {
		if v.Key == "app/autostart" && v.Value == "true" {
			if err := client.Start(s.life); err != nil && s.life.Err() == nil {
				s.log.Warn("the machine did not start", "err", err) // the page shows why, from the status
			}
		}
	}
}

// watch keeps the tray up to date until the engine goes away.
func (s *shell) watch(client *control.Client) {
	err := client.Events(s.life, func(e control.Event) error {
		s.observe(e)
		return nil
	})
	client.Close()
	s.mu.Lock()
	s.conn = nil
	own := s.hosted
	s.mu.Unlock()
	if s.life.Err() != nil {
		return
	}
	if own != nil && !own.live() {
		err = own.failure() // says more than that the connection broke
	}
	s.disconnected(err)
}

// disconnected tells tray and page that there is no engine any more, and why.
func (s *shell) disconnected(err error) {
	link := down(err)
	s.mu.Lock()
	link.Epoch = s.link.Epoch
	s.link = link
	s.mu.Unlock()
	s.tray.disconnected()
	s.emit(LinkTopic, link)
}

// down says why there is no engine. That a connection broke says nothing to a person.
func down(err error) Link {
	link := Link{State: "down", Message: "The engine has stopped.", Hint: "Start it again to go on."}
	var e *control.Error
	switch {
	case errors.As(err, &e) && e.Code == control.CodeUnavailable:
	case errors.As(err, &e):
		link.Message, link.Hint = e.Message, e.Hint
	case err != nil:
		link.Message = err.Error()
	}
	return link
}

// client returns the present connection.
func (s *shell) client() (*control.Client, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.conn == nil {
		return nil, control.Errorf(control.CodeUnavailable, "no engine runs on %s", s.config.home).
			WithHint("start one with the button, or with `slipway up`")
	}
	return s.conn, nil
}
