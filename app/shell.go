package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"time"

	"github.com/wailsapp/wails/v2/pkg/runtime"

	"github.com/slipway-desktop/slipway/backend/control"
	"github.com/slipway-desktop/slipway/backend/engine"
)

// Names of the Wails events that the app sends to the page.
const (
	EventsTopic = "slipway:events" // []control.Event, in order
	LinkTopic   = "slipway:link"   // Link
	LogsTopic   = "slipway:logs"   // LogChunk
)

// A Link tells the page whether the app reaches an engine. Each engine it reaches
// begins a new epoch.
type Link struct {
	Epoch   int    `json:"epoch"`
	State   string `json:"state"` // "connecting", "up", "down"
	Message string `json:"message,omitempty"`
	Hint    string `json:"hint,omitempty"`
}

// A LogChunk carries lines of a container log that is followed.
type LogChunk struct {
	Stream  string   `json:"stream"`
	Lines   []string `json:"lines"`
	End     bool     `json:"end,omitempty"`
	Message string   `json:"message,omitempty"` // why it ended, if that is a failure
}

// A shell is the window's life: its connection to the engine, the engine if this
// process hosts it, the tray. Wails calls its hooks.
type shell struct {
	config *config
	api    *API
	log    *slog.Logger
	tray   *tray
	ctx    context.Context // Wails's, from startup on: the runtime's functions want it

	life   context.Context // ends at shutdown
	end    context.CancelFunc
	owned  sync.WaitGroup // every goroutine of the shell
	hosted host

	joining sync.Mutex // held while a connection is made

	mu       sync.Mutex
	conn     *control.Client
	link     Link
	stopPump context.CancelFunc            // of the events to the page
	logs     map[string]context.CancelFunc // by stream
	quitting bool
}

func newShell(c *config) *shell {
	life, end := context.WithCancel(context.Background())
	s := &shell{config: c, life: life, end: end, link: Link{State: "connecting"}, logs: map[string]context.CancelFunc{}, log: slog.New(slog.NewTextHandler(os.Stderr, nil))}
	s.api = &API{s: s}
	s.tray = newTray(s)
	s.hosted.ended = make(chan struct{})
	close(s.hosted.ended) // nothing is hosted yet
	return s
}

func (s *shell) startup(ctx context.Context) {
	s.ctx = ctx
	s.tray.start()
	s.own(func() {
		if err := s.attach(s.life); err != nil {
			s.disconnected(err)
			return
		}
		s.autostart()
	})
}

// own runs fn in a goroutine that shutdown waits for.
func (s *shell) own(fn func()) {
	s.owned.Add(1)
	go func() {
		defer s.owned.Done()
		fn()
	}()
}

// autostart starts the machine if the settings say so.
func (s *shell) autostart() {
	client, err := s.client()
	if err != nil {
		return
	}
	settings, err := client.Settings(s.life)
	if err != nil {
		s.log.Error("read the settings", "err", err)
		return
	}
	for _, v := range settings {
		if v.Key == "app/autostart" && v.Value == "true" {
			if err := client.Start(s.life); err != nil {
				s.log.Warn("the machine did not start", "err", err) // the page shows why, from the status
			}
		}
	}
}

// attach connects to the engine of the home; if none runs, this process hosts one.
func (s *shell) attach(ctx context.Context) error {
	s.joining.Lock()
	defer s.joining.Unlock()
	if _, err := s.client(); err == nil {
		return nil
	}
	client, err := control.Dial(ctx, engine.SocketPath(s.config.home))
	if err != nil {
		if err := s.hosted.start(s); err != nil && !errors.Is(err, engine.ErrHomeTaken) {
			return err
		}
		if client, err = s.dial(ctx); err != nil {
			return err
		}
	}
	s.mu.Lock()
	s.conn = client
	link := Link{Epoch: s.link.Epoch + 1, State: "up"}
	s.link = link
	s.mu.Unlock()
	s.own(func() { s.watch(client) })
	s.emit(LinkTopic, link)
	return nil
}

// dial waits for an engine that is about to serve.
func (s *shell) dial(ctx context.Context) (*control.Client, error) {
	deadline := time.After(10 * time.Second)
	retry := time.NewTicker(20 * time.Millisecond)
	defer retry.Stop()
	for {
		client, err := control.Dial(ctx, engine.SocketPath(s.config.home))
		if err == nil {
			return client, nil
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-s.hosted.ended:
			if s.hosted.err != nil {
				return nil, s.hosted.err
			}
		case <-deadline:
			return nil, fmt.Errorf("connect to the engine: %w", err)
		case <-retry.C:
			continue
		}
		select { // another process may be starting one: keep trying until the deadline
		case <-deadline:
			return nil, fmt.Errorf("connect to the engine: %w", err)
		case <-retry.C:
		}
	}
}

// watch keeps the tray and the last status up to date until the engine goes away.
func (s *shell) watch(client *control.Client) {
	err := client.Events(s.life, func(e control.Event) error {
		s.observe(e)
		return nil
	})
	client.Close()
	s.mu.Lock()
	if s.conn == client {
		s.conn = nil
	}
	s.mu.Unlock()
	if s.life.Err() == nil {
		s.disconnected(err)
	}
}

// disconnected tells tray and page that there is no engine any more, and why.
func (s *shell) disconnected(err error) {
	link := Link{State: "down", Message: "The engine has stopped.", Hint: "Start it again to go on."}
	var e *control.Error
	if errors.As(err, &e) && e.Code != control.CodeUnavailable {
		link.Message, link.Hint = e.Message, e.Hint
	} else if err != nil && e == nil {
		link.Message = err.Error()
	}
	s.mu.Lock()
	link.Epoch = s.link.Epoch
	s.link = link
	s.mu.Unlock()
	s.tray.disconnected()
	s.emit(LinkTopic, link)
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

func (s *shell) emit(topic string, data any) {
	if s.ctx != nil && s.life.Err() == nil {
		runtime.EventsEmit(s.ctx, topic, data)
	}
}

func (s *shell) show() {
	runtime.WindowUnminimise(s.ctx)
	runtime.WindowShow(s.ctx)
}

// beforeClose keeps the machine running behind the tray, if there is one and the
// settings want it. It returns true to keep the window from closing.
func (s *shell) beforeClose(context.Context) bool {
	s.mu.Lock()
	quitting := s.quitting
	s.mu.Unlock()
	if quitting || !s.tray.visible() || !s.keepRunning() {
		return false
	}
	hideWindow(s.ctx)
	return true
}

func (s *shell) keepRunning() bool {
	client, err := s.client()
	if err != nil {
		return false
	}
	ctx, cancel := context.WithTimeout(s.life, time.Second)
	defer cancel()
	settings, err := client.Settings(ctx)
	if err != nil {
		return true // the engine is busy: the harmless answer
	}
	for _, v := range settings {
		if v.Key == "app/keep-running" {
			return v.Value == "true"
		}
	}
	return true
}

func (s *shell) quit() {
	s.mu.Lock()
	s.quitting = true
	s.mu.Unlock()
	runtime.Quit(s.ctx)
}

// shutdown runs after the window is gone. It stops the machine cleanly if this
// process hosts the engine, and returns when all the shell started has ended.
func (s *shell) shutdown(context.Context) {
	s.tray.stop()
	s.end()
	s.hosted.stop()
	s.owned.Wait()
}
