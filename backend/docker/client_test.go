package docker

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

const listAnswer = `[{"Id":"abc","Names":["/other/alias","/web"],"Image":"nginx","Command":"nginx -g","Created":1700000000,
"State":"running","Status":"Up 3 minutes","Labels":{"com.docker.compose.project":"shop","com.docker.compose.service":"front"},
"NetworkSettings":{"Networks":{"b":{"IPAddress":"172.18.0.2","GlobalIPv6Address":"fd00::2"},"a":{"IPAddress":"172.17.0.2"},"none":{"IPAddress":""}}},
"Ports":[{"PrivatePort":443,"Type":"tcp"},{"IP":"0.0.0.0","PrivatePort":80,"PublicPort":8080,"Type":"tcp"},{"IP":"::","PrivatePort":80,"PublicPort":8080,"Type":"tcp"}]},
{"Id":"def","Names":[],"State":"exited"}]`

func TestContainers(t *testing.T) {
	noLeak(t)
	f := startFake(t)
	f.list = listAnswer
	got, err := NewClient(f.dial).Containers(testContext(t))
	if err != nil {
		t.Fatal(err)
	}
	want := []Container{{
		ID: "abc", Name: "web", Image: "nginx", Command: "nginx -g", State: "running", Status: "Up 3 minutes",
		CreatedAt: time.Unix(1700000000, 0).UTC(), Compose: Compose{"shop", "front"},
		Labels:    map[string]string{"com.docker.compose.project": "shop", "com.docker.compose.service": "front"},
		Addresses: []string{"172.17.0.2", "172.18.0.2", "fd00::2"}, Networks: []string{"a", "b", "none"},
		Ports: []Port{{"tcp", "0.0.0.0", 8080, 80}, {"tcp", "::", 8080, 80}, {"tcp", "", 0, 443}},
	}, {
		ID: "def", State: "exited", CreatedAt: time.Unix(0, 0).UTC(),
		Addresses: []string{}, Networks: []string{}, Ports: []Port{},
	}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Fatal(diff)
	}
}

func TestActions(t *testing.T) {
	noLeak(t)
	f := startFake(t)
	c := NewClient(f.dial)
	ctx := testContext(t)
	v, err := c.Version(ctx)
	if err != nil || v.Version != "26.1.5" || v.APIVersion != "1.45" {
		t.Fatal(v, err)
	}
	if err := errors.Join(c.Ping(ctx), c.Start(ctx, "web"), c.Stop(ctx, "stopped already"), c.Remove(ctx, "a/../b")); err != nil {
		t.Fatal(err)
	}
	var e *Error
	if err := c.Start(ctx, "taken"); !errors.As(err, &e) || e.Status != 500 || e.Message != takenPort {
		t.Fatal(err)
	}
	if err := c.Restart(ctx, "web"); !errors.As(err, &e) || e.Status != 404 {
		t.Fatal(err)
	}
}

func TestLogs(t *testing.T) {
	for _, tty := range []bool{false, true} {
		t.Run(fmt.Sprint("tty ", tty), func(t *testing.T) {
			noLeak(t)
			f := startFake(t)
			f.tty = tty
			c := NewClient(f.dial)
			var both, out, errs bytes.Buffer
			if err := c.Logs(testContext(t), "web", LogsOptions{}, &both); err != nil || both.String() != "out\nerr\n" {
				t.Fatalf("%q %v", both.String(), err)
			}
			want := "out\n"
			if tty {
				want = "out\nerr\n"
			}
			if err := c.Logs(testContext(t), "web", LogsOptions{Stderr: &errs}, &out); err != nil || out.String() != want {
				t.Fatalf("%q %v", out.String(), err)
			}
			// Followed output comes as it is written, and stops with the context.
			ctx, cancel := context.WithCancel(testContext(t))
			r, w := io.Pipe()
			done := make(chan error, 1)
			go func() { done <- c.Logs(ctx, "web", LogsOptions{Follow: true, Tail: 2}, w) }()
			b := make([]byte, len("out\nerr\n"))
			if _, err := io.ReadFull(r, b); err != nil {
				t.Fatal(err)
			}
			cancel()
			r.Close()
			if err := <-done; !errors.Is(err, context.Canceled) {
				t.Fatal(err)
			}
			<-f.ended
		})
	}
}

func FuzzDemultiplex(f *testing.F) {
	f.Add(append(logFrame(1, "out"), logFrame(2, "err")...))
	f.Add([]byte{1, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 'x'})
	f.Add([]byte{9})
	f.Fuzz(func(t *testing.T, b []byte) {
		var out, errs bytes.Buffer
		err := demultiplex(&out, &errs, bytes.NewReader(b))
		if out.Len()+errs.Len() > len(b) {
			t.Fatal("more came out than went in")
		}
		if err == nil && (out.Len()+errs.Len()+len(b))%8 != (2*(out.Len()+errs.Len()))%8 {
			t.Fatal("bytes were lost")
		}
	})
}

func FuzzBindSources(f *testing.F) {
	f.Add([]byte(`{"HostConfig":{"Binds":["/a:/b"],"Mounts":[{"Type":"bind","Source":"x"}]}}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		for _, s := range bindSources(b) {
			if s == "" {
				t.Fatal("an empty source")
			}
		}
	})
}

func TestWatch(t *testing.T) {
	noLeak(t)
	f := startFake(t)
	ctx, cancel := context.WithCancel(testContext(t))
	defer cancel()
	lists := NewClient(f.dial).Watch(ctx)
	setList := func(s string) {
		f.mu.Lock()
		defer f.mu.Unlock()
		f.list = s
	}
	<-f.heard
	if got := <-lists; len(got) != 0 {
		t.Fatalf("%+v", got)
	}
	setList(`[{"Id":"a"}]`)
	for range 5 { // one `docker run`
		f.events <- `{"Type":"container","Action":"start"}` + "\n"
	}
	if got := <-lists; len(got) != 1 {
		t.Fatalf("%+v", got)
	}
	// dockerd goes and comes back: the list comes anew without an event.
	setList(`[{"Id":"a"},{"Id":"b"}]`)
	f.events <- ""
	<-f.heard
	for got := range lists {
		if len(got) == 2 {
			break
		}
	}
	// An event that is not one ends the stream, not the watch.
	f.events <- "{]"
	<-f.heard
	<-lists
	cancel()
	for range lists {
	}
}

func TestWatchWaitsForDocker(t *testing.T) {
	noLeak(t)
	f := startFake(t)
	tries := 0
	dial := func(ctx context.Context) (net.Conn, error) {
		if tries++; tries < 3 {
			return nil, ErrNotRunning
		}
		return f.dial(ctx)
	}
	ctx, cancel := context.WithCancel(testContext(t))
	defer cancel()
	lists := NewClient(dial).Watch(ctx)
	if got, open := <-lists; !open || len(got) != 0 {
		t.Fatal(got, open)
	}
	cancel()
	for range lists {
	}
}

func TestQuietEvents(t *testing.T) {
	for action, want := range map[string]bool{"start": false, "die": false, "exec_create: sh": true, "health_status: healthy": false, "resize": true} {
		if quiet(Event{Action: action}) != want {
			t.Errorf("%s", action)
		}
	}
}

func TestHugeEvent(t *testing.T) {
	noLeak(t)
	f := startFake(t)
	go func() {
		<-f.heard
		f.events <- `{"Type":"` + strings.Repeat("x", 2*maxEventSize)
	}()
	var last error
	for _, err := range NewClient(f.dial).Events(testContext(t)) {
		last = err
	}
	if !errors.Is(last, errEventTooBig) {
		t.Fatal(last)
	}
}
