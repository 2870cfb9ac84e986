package app

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/slipway-desktop/slipway/backend/control"
	"github.com/slipway-desktop/slipway/backend/pipeline"
)

func TestRunLine(t *testing.T) {
	for want, runs := range map[string][]pipeline.Run{
		"":                                      nil,
		"Last run: build of main, failed":       {{Pipeline: "build", SourceBranch: "main", Status: pipeline.Failed}, {Pipeline: "old"}},
		"Last run: build of 0123456789, passed": {{Pipeline: "build", Source: "0123456789abcdef", Status: pipeline.Passed}},
	} {
		if got := runLine(runs); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

func TestTrayState(t *testing.T) {
	boot := []control.Phase{{Name: "hypervisor", State: "done"}, {Name: "kernel", State: "active"}, {Name: "agent", State: "pending"}}
	for _, c := range []struct {
		machine     control.MachineStatus
		image, line string
		start       bool
	}{
		{control.MachineStatus{State: "stopped"}, "stopped", "Slipway: stopped", true},
		{control.MachineStatus{State: "starting", Phases: boot}, "starting", "Slipway: starting: kernel", false},
		{control.MachineStatus{State: "starting"}, "starting", "Slipway: starting", false},
		{control.MachineStatus{State: "running"}, "running", "Slipway: running, Docker is ready", false},
		{control.MachineStatus{State: "paused"}, "warning", "Slipway: paused", false},
		{control.MachineStatus{State: "stopping"}, "starting", "Slipway: stopping", false},
		{control.MachineStatus{State: "failed", Reason: "the disk is full"}, "warning", "Slipway: the disk is full", true},
	} {
		status := control.Status{Machine: c.machine, Docker: control.DockerStatus{State: "ready"}}
		image, line, start := trayState(status)
		if image != c.image || line != c.line || start != c.start {
			t.Errorf("%s: %q, %q, start %v; want %q, %q, %v", c.machine.State, image, line, start, c.image, c.line, c.start)
		}
		icon(image) // panics if it is not there
	}
}

func TestPortLines(t *testing.T) {
	var ports []control.Port
	for i := range trayPorts + 2 {
		ports = append(ports, control.Port{State: "open", HostIP: "127.0.0.1", HostPort: 8080 + i, Target: "web:80", URL: fmt.Sprintf("http://localhost:%d", 8080+i)})
	}
	ports[1].State = "failed"
	ports[2].URL = ""
	lines := portLines(ports)
	want := []portLine{
		{"Copy http://localhost:8080 (web:80)", "http://localhost:8080"},
		{"Copy 127.0.0.1:8082 (web:80)", "127.0.0.1:8082"},
		{"Copy http://localhost:8083 (web:80)", "http://localhost:8083"},
	}
	if diff := cmp.Diff(want, lines[:3], cmp.AllowUnexported(portLine{})); diff != "" {
		t.Error(diff)
	}
	if last := lines[trayPorts-1].address; last != "http://localhost:8088" {
		t.Errorf("the last line is %q", last)
	}
	if portLines(nil) != [trayPorts]portLine{} {
		t.Error("no ports give lines")
	}
}

// What arrives before the menu is there must show once it is.
func TestTrayKeepsWhatCameEarly(t *testing.T) {
	tray := newTray(nil)
	tray.show(control.Status{Machine: control.MachineStatus{State: "running"}, Docker: control.DockerStatus{State: "ready"}})
	tray.showRecording(true)
	want := face{icon: "running", line: "Slipway: running, Docker is ready", steerable: true, recording: true}
	if tray.wanted != want {
		t.Errorf("%+v", tray.wanted)
	}
	tray.disconnected()
	if want := (face{icon: "warning", line: "Slipway: the engine has stopped"}); tray.wanted != want {
		t.Errorf("disconnected: %+v", tray.wanted)
	}
}

func TestFormatError(t *testing.T) {
	taken := control.Errorf(control.CodeTaken, "port 80 is taken").WithHint("pick another")
	for _, c := range []struct {
		err  error
		want control.Error
	}{
		{taken, *taken},
		{fmt.Errorf("add a port: %w", taken), *taken},
		{fmt.Errorf("ask: %w", context.Canceled), control.Error{Code: control.CodeUnavailable, Message: "Slipway is closing."}},
		{errors.New("boom"), control.Error{Code: control.CodeInternal, Message: "boom"}},
	} {
		got, ok := formatError(c.err).(*control.Error)
		if !ok || *got != c.want {
			t.Errorf("%v: %+v, want %+v", c.err, got, c.want)
		}
	}
}

func TestDown(t *testing.T) {
	const stopped = "The engine has stopped."
	for _, c := range []struct {
		err     error
		message string
		hint    string
	}{
		{nil, stopped, "Start it again to go on."},
		{control.Errorf(control.CodeUnavailable, "connection reset"), stopped, "Start it again to go on."},
		{control.Errorf(control.CodeNoSpace, "the disk is full").WithHint("make room"), "the disk is full", "make room"},
		{errors.New("open the settings: boom"), "open the settings: boom", "Start it again to go on."},
	} {
		if got, want := down(c.err), (Link{State: "down", Message: c.message, Hint: c.hint}); got != want {
			t.Errorf("%v: %+v, want %+v", c.err, got, want)
		}
	}
}

func TestLogLines(t *testing.T) {
	long := strings.Repeat("x", maxLogLine)
	for _, c := range []struct {
		name   string
		writes []string
		want   []string
	}{
		{"whole lines", []string{"one\ntwo\n"}, []string{"one", "two"}},
		{"a line in pieces", []string{"o", "n", "e\nt", "wo\n"}, []string{"one", "two"}},
		{"empty lines", []string{"\n\none\n\n"}, []string{"", "", "one", ""}},
		{"a last line without an end", []string{"one\ntw", "o"}, []string{"one", "two"}},
		{"not UTF-8", []string{"a\xffb\n"}, []string{"a\ufffdb"}},
		{"a character in pieces", []string{"\xc3", "\xa4\n"}, []string{"ä"}},
		{"a line without an end is cut", []string{long, "y\n"}, []string{long, "y"}},
		{"nothing", nil, nil},
	} {
		lines := make(chan string, 10)
		w := &logLines{ctx: t.Context(), lines: lines}
		for _, text := range c.writes {
			if n, err := w.Write([]byte(text)); n != len(text) || err != nil {
				t.Fatalf("%s: wrote %d, %v", c.name, n, err)
			}
		}
		w.flush()
		close(lines)
		var got []string
		for line := range lines {
			got = append(got, line)
		}
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("%s: %s", c.name, diff)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := (&logLines{ctx: ctx, lines: make(chan string)}).Write([]byte("one\n")); !errors.Is(err, context.Canceled) {
		t.Errorf("writing for nobody: %v", err)
	}
}

func TestInBatches(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		in := make(chan int)
		var sent [][]int
		done := make(chan struct{})
		go func() {
			defer close(done)
			inBatches(t.Context(), in, func(b []int) { sent = append(sent, b) })
		}()
		in <- 1
		in <- 2
		time.Sleep(2 * batchInterval) // of the bubble: it takes no time
		in <- 3
		close(in)
		<-done
		if diff := cmp.Diff([][]int{{1, 2}, {3}}, sent); diff != "" {
			t.Error(diff)
		}
	})
}

func TestInBatchesSendsFullOnesAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		in := make(chan int, batchSize+1)
		for i := range batchSize + 1 {
			in <- i
		}
		began := time.Now()
		ctx, cancel := context.WithCancel(t.Context())
		var lengths []int
		var first time.Duration
		inBatches(ctx, in, func(b []int) {
			if lengths = append(lengths, len(b)); len(lengths) == 1 {
				first = time.Since(began)
			} else {
				cancel()
			}
		})
		if diff := cmp.Diff([]int{batchSize, 1}, lengths); diff != "" || first != 0 {
			t.Errorf("%s first after %v", diff, first)
		}
	})
}

// A page that asked for a new snapshot must get nothing of the old stream.
func TestInBatchesSendsNothingOnceStopped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		in := make(chan int, 1)
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() {
			defer close(done)
			inBatches(ctx, in, func(b []int) { t.Errorf("sent %v", b) })
		}()
		in <- 1
		synctest.Wait() // the batch is being collected
		cancel()
		<-done
	})
}

func TestFirstEvents(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		events := make(chan control.Event, topics+1)
		for i := range topics + 1 {
			events <- control.Event{Seq: uint64(i)}
		}
		first, err := firstEvents(t.Context(), events)
		if err != nil || len(first) != topics || len(events) != 1 {
			t.Errorf("%d events, %v, %d left", len(first), err, len(events))
		}
		for _, c := range []struct {
			name, message string
			prepare       func(chan control.Event)
		}{
			{"silent", "the engine does not answer", func(chan control.Event) {}},
			{"gone", "the engine has stopped", func(c chan control.Event) { close(c) }},
		} {
			events := make(chan control.Event)
			c.prepare(events)
			var e *control.Error
			if _, err := firstEvents(t.Context(), events); !errors.As(err, &e) || e.Message != c.message || e.Code != control.CodeUnavailable {
				t.Errorf("%s: %v", c.name, err)
			}
		}
	})
}

func TestProcessStart(t *testing.T) {
	start := processStart()
	if !start.Before(time.Now()) || time.Since(start) > time.Hour || start.After(loaded.Add(10*time.Millisecond)) {
		t.Errorf("started at %v, loaded at %v, now %v", start, loaded, time.Now())
	}
}

func TestWriteFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.pcapng")
	failure := errors.New("the engine went away")
	if err := writeFile(path, func(*os.File) error { return failure }); !errors.Is(err, failure) {
		t.Errorf("%v", err)
	}
	if left, err := os.ReadDir(filepath.Dir(path)); err != nil || len(left) != 0 {
		t.Errorf("a failed export left %v (%v)", left, err)
	}
	if err := writeFile(path, func(f *os.File) error { _, err := f.WriteString("packets"); return err }); err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(path)
	if err != nil || info.Size() != 7 || info.Mode().Perm() != 0o600 {
		t.Errorf("%v %v", info, err)
	}
}
