package app

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/slipway-desktop/slipway/backend/control"
	"github.com/slipway-desktop/slipway/backend/control/controltest"
	"github.com/slipway-desktop/slipway/backend/engine"
)

// A fake is an engine that tells what the test wants.
type fake struct {
	control.Engine
	mu        sync.Mutex
	followers []chan control.Event
}

// tell sends an event to all that follow.
func (f *fake) tell(e control.Event) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, c := range f.followers {
		c <- e
	}
}

func (f *fake) Events(ctx context.Context, fn func(control.Event) error) error {
	news := make(chan control.Event, 1)
	f.mu.Lock()
	f.followers = append(f.followers, news)
	f.mu.Unlock()
	for _, topic := range []control.Topic{"status", "stats", "containers", "ports", "flows", "capture", "settings", "data", "pipelines", "log"} {
		data := map[control.Topic]string{"containers": "[]", "ports": "[]", "pipelines": "[]", "log": "[]"}[topic]
		if data == "" {
			data = "{}"
		}
		if err := fn(control.Event{Topic: topic, Data: json.RawMessage(data)}); err != nil {
			return err
		}
	}
	for {
		select {
		case e := <-news:
			if err := fn(e); err != nil {
				return err
			}
		case <-ctx.Done():
			return nil
		}
	}
}

type (
	settings   = control.Settings
	containers = control.Containers
	machine    = control.Machine
	ports      = control.Ports
	traffic    = control.Traffic
)

// others are what these tests do not ask.
type others struct {
	machine
	ports
	traffic
}

type noSettings struct{ settings }

func (noSettings) Settings(context.Context) ([]control.Setting, error) { return nil, nil }

type webLog struct{ containers }

func (webLog) ContainerLogs(ctx context.Context, id string, _ int, _ bool, w io.Writer) error {
	if id != "web" {
		return control.Errorf(control.CodeNotFound, "there is no container %s", id)
	}
	_, err := io.WriteString(w, "one\ntwo")
	return err
}

// serve shows the fake on a home until the returned function is called.
func (f *fake) serve(t *testing.T, home string) (stop func()) {
	t.Helper()
	l, err := control.Listen(engine.SocketPath(home))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	served := make(chan error, 1)
	go func() {
		served <- control.Serve(ctx, l, control.Sources{Engine: f, Machine: others{}, Containers: webLog{}, Ports: others{}, Traffic: others{}, Settings: noSettings{}, Data: controltest.DataTree}, nil)
	}()
	var once sync.Once
	stop = func() {
		once.Do(func() {
			cancel()
			if err := <-served; err != nil {
				t.Error(err)
			}
		})
	}
	t.Cleanup(stop)
	return stop
}

type sent struct {
	topic string
	data  any
}

// newTestShell makes a shell with a page that is a channel.
func newTestShell(t *testing.T, home string) (*shell, <-chan sent) {
	t.Helper()
	s := newShell(&config{home: home, image: filepath.Join(home, "no image"), version: "test"}, nil)
	s.log = slog.New(slog.DiscardHandler)
	page := make(chan sent, 100)
	s.send = func(topic string, data any) { page <- sent{topic, data} }
	t.Cleanup(func() {
		s.mu.Lock()
		s.end()
		s.mu.Unlock()
		s.owned.Wait()
		if s.hosted != nil {
			s.hosted.stop()
		}
	})
	return s, page
}

// shortDir is a directory whose path leaves room for a socket's name.
func shortDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "app")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

func expect[T any](t *testing.T, page <-chan sent, topic string) T {
	t.Helper()
	got := <-page
	v, ok := got.data.(T)
	if got.topic != topic || !ok {
		t.Fatalf("the page got %s: %+v, want %s", got.topic, got.data, topic)
	}
	return v
}

func TestSnapshotAndWhatFollows(t *testing.T) {
	home := shortDir(t)
	f := &fake{}
	stop := f.serve(t, home)
	s, page := newTestShell(t, home)

	first, err := s.snapshot()
	if err != nil || first.Link != (Link{Epoch: 1, State: "up"}) || len(first.Events) != topics {
		t.Fatalf("%+v, %v", first, err)
	}
	if link := expect[Link](t, page, LinkTopic); link != first.Link {
		t.Errorf("%+v", link)
	}
	// Two follow the engine, for the tray and for the page; one sends it on.
	f.tell(control.Event{Seq: 9, Topic: control.TopicStats, Data: json.RawMessage(`{}`)})
	if events := expect[[]control.Event](t, page, EventsTopic); len(events) != 1 || events[0].Seq != 9 {
		t.Errorf("%+v", events)
	}
	// A page that is loaded again has a stream of its own, and the old one has ended.
	old := s.pump
	again, err := s.snapshot()
	if err != nil || again.Link != first.Link || len(again.Events) != topics {
		t.Fatalf("%+v, %v", again, err)
	}
	<-old.ended

	stop()
	if link := expect[Link](t, page, LinkTopic); link.State != "down" || link.Epoch != 1 || link.Message == "" || link.Hint == "" {
		t.Errorf("%+v", link)
	}
	if _, err := s.client(); err == nil {
		t.Error("there is a client without an engine")
	}
	// Another engine is another epoch.
	f.serve(t, home)
	if next, err := s.snapshot(); err != nil || next.Link != (Link{Epoch: 2, State: "up"}) {
		t.Errorf("%+v, %v", next.Link, err)
	}
}

func TestFollowLogs(t *testing.T) {
	home := shortDir(t)
	new(fake).serve(t, home)
	s, page := newTestShell(t, home)
	if err := s.followLogs("a", "web", 10); err == nil {
		t.Error("a log is followed without an engine")
	}
	if err := s.attach(); err != nil {
		t.Fatal(err)
	}
	expect[Link](t, page, LinkTopic)
	if err := s.followLogs("a", "web", 10); err != nil {
		t.Fatal(err)
	}
	if chunk := expect[LogChunk](t, page, LogsTopic); len(chunk.Lines) != 2 || chunk.Lines[1] != "two" || chunk.Stream != "a" || chunk.End {
		t.Errorf("%+v", chunk)
	}
	if chunk := expect[LogChunk](t, page, LogsTopic); !chunk.End || chunk.Message != "" {
		t.Errorf("%+v", chunk)
	}
	if err := s.followLogs("a", "gone", 10); err != nil {
		t.Fatal(err) // the name is free again
	}
	if chunk := expect[LogChunk](t, page, LogsTopic); !chunk.End || chunk.Message != "there is no container gone" {
		t.Errorf("%+v", chunk)
	}
	for i := range maxLogStreams {
		s.logs[string(rune('b'+i))] = func() {}
	}
	var e *control.Error
	if err := s.followLogs("z", "web", 10); !errors.As(err, &e) || e.Code != control.CodeInvalid {
		t.Errorf("one too many: %v", err)
	}
	s.stopAllLogs()
	if len(s.logs) != 0 {
		t.Errorf("left: %v", s.logs)
	}
}

// Where no engine can run, the page learns why.
func TestHostingFails(t *testing.T) {
	home := shortDir(t)
	if err := os.WriteFile(filepath.Join(home, "run"), nil, 0o600); err != nil { // in the way of the directory
		t.Fatal(err)
	}
	s, page := newTestShell(t, home)
	if _, err := s.snapshot(); err == nil {
		t.Fatal("an engine runs in a file")
	}
	if link := expect[Link](t, page, LinkTopic); link.State != "down" || link.Message == "The engine has stopped." {
		t.Errorf("%+v", link)
	}
}

func TestOneWindowForAHome(t *testing.T) {
	home := shortDir(t)
	first, err := claim(home)
	if err != nil || first == nil {
		t.Fatal(first, err)
	}
	shown := make(chan struct{}, 1)
	served := make(chan struct{})
	go func() {
		defer close(served)
		first.serve(func() { shown <- struct{}{} })
	}()
	if noise, err := net.Dial("unix", first.Addr().String()); err != nil {
		t.Error(err)
	} else if _, err := io.WriteString(noise, "GET / HTTP/1.1\r\n\r\n"); err != nil {
		t.Error(err)
	} else if answer, _ := io.ReadAll(noise); len(answer) != 0 || len(shown) != 0 {
		t.Errorf("noise is answered with %q", answer)
	}
	if second, err := claim(home); second != nil || err != nil {
		t.Errorf("the second start: %v, %v", second, err)
	}
	<-shown
	first.Close()
	<-served
	// A socket of a window that was killed is no window.
	if third, err := claim(home); err != nil || third == nil {
		t.Errorf("after the first has gone: %v, %v", third, err)
	} else {
		third.Close()
	}
}
