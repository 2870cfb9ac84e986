package app

import (
	"context"
	"log/slog"
	"os"
	"os/signal"
	"sync"
	"syscall"
	"time"

	"github.com/wailsapp/wails/v2/pkg/runtime"

	"github.com/slipway-desktop/slipway/backend/control"
)

// Names of the Wails events that the app sends to the page.
const (
	EventsTopic   = "slipway:events"   // []control.Event, in order
	LinkTopic     = "slipway:link"     // Link
	LogsTopic     = "slipway:logs"     // LogChunk
	NavigateTopic = "slipway:navigate" // the name of a page
)

// A shell is the window's life: its connection to the engine, the engine if this
// process hosts it, the tray. Wails calls its hooks.
type shell struct {
	config   *config
	instance *instance
	api      *API
	log      *slog.Logger
	tray     *tray

	life  context.Context // ends at shutdown
	end   context.CancelFunc
	owned sync.WaitGroup // every goroutine of the shell

	paint   sync.Once
	painted chan struct{} // closed when the page has drawn something

	joining sync.Mutex // held while a connection is made
	loading sync.Mutex // held while the page gets a snapshot
	pump    *pump      // the engine's events on their way to the page; guarded by loading

	mu       sync.Mutex
	window   context.Context              // what the functions of Wails's runtime want; nil before there is a window
	send     func(topic string, data any) // to the page; nil before there is a window
	conn     *control.Client
	hosted   *host // the last one
	link     Link
	logs     map[string]context.CancelFunc // by stream
	quitting bool
}

func newShell(c *config, i *instance) *shell {
	life, end := context.WithCancel(context.Background())
	s := &shell{
		config: c, instance: i, life: life, end: end,
		link: Link{State: "connecting"}, logs: map[string]context.CancelFunc{},
		painted: make(chan struct{}),
		log:     slog.New(slog.NewTextHandler(os.Stderr, nil)),
	}
	s.api = &API{s: s}
	s.tray = newTray(s)
	return s
}

// own runs fn in a goroutine that shutdown waits for. Once shutdown has begun it
// does not, and returns false.
func (s *shell) own(fn func()) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.life.Err() != nil {
		return false
	}
	s.owned.Go(fn)
	return true
}

// startup runs when there is a window, on a goroutine of Wails's.
func (s *shell) startup(window context.Context) {
	s.mu.Lock()
	s.window = window
	s.send = func(topic string, data any) { runtime.EventsEmit(window, topic, data) }
	s.mu.Unlock()
	s.tray.startup()
	s.own(func() { s.instance.serve(s.show) })
	s.own(s.awaitSignal)
	s.own(func() { _ = s.attach() }) // the page shows why not, from the link
}

// awaitSignal quits as the menu does when the session or a terminal ends the app:
// Wails would ask as if the window had been closed. A second signal ends it at once.
func (s *shell) awaitSignal() {
	ctx, stop := signal.NotifyContext(s.life, os.Interrupt, syscall.SIGTERM)
	defer stop()
	<-ctx.Done()
	if s.life.Err() == nil {
		signal.Reset(os.Interrupt, syscall.SIGTERM)
		s.quit()
	}
}

// withWindow calls fn with what the functions of Wails's runtime want, if there is
// a window yet.
func (s *shell) withWindow(fn func(window context.Context)) {
	s.mu.Lock()
	window := s.window
	s.mu.Unlock()
	if window != nil && s.life.Err() == nil {
		fn(window)
	}
}

// emit sends something to the page, if there is one yet.
func (s *shell) emit(topic string, data any) {
	s.mu.Lock()
	send := s.send
	s.mu.Unlock()
	if send != nil && s.life.Err() == nil {
		send(topic, data)
	}
}

func (s *shell) show() {
	s.withWindow(func(w context.Context) {
		runtime.WindowUnminimise(w)
		runtime.WindowShow(w)
	})
}

// navigate shows a page.
func (s *shell) navigate(page string) {
	s.show()
	s.emit(NavigateTopic, page)
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
	s.withWindow(hideWindow)
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
	s.withWindow(runtime.Quit)
}

// shutdown runs after the window is gone. It stops the machine cleanly if this
// process hosts the engine, and returns when all the shell started has ended.
func (s *shell) shutdown(context.Context) {
	s.instance.Close() // from here on a second start opens a window of its own
	s.mu.Lock()
	s.end()
	hosted := s.hosted
	s.mu.Unlock()
	s.owned.Wait()
	if hosted != nil {
		hosted.stop()
	}
	s.tray.stop()
}
