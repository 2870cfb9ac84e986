package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"image/png"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/slipway-desktop/slipway/backend/control"
	"github.com/slipway-desktop/slipway/backend/engine"
)

// TestWindow opens the real window, as a double click would, and steers it as a
// person would: by window manager, tray and a second start.
func TestWindow(t *testing.T) {
	s := newSession(t)
	d := newDesktop(t)
	d.offerTray()
	s.env = append(s.env, d.env...)

	app := s.startApp()
	d.eventually("the window is there", 15*time.Second, func() bool { return d.windows() == 1 })
	s.awaitMachine("running", 120*time.Second)
	s.logFirstPaint()
	d.eventually("the page says that it runs, to a screen reader too", 15*time.Second, func() bool {
		page := d.readAloud()
		return strings.Contains(page, "heading: Running") && strings.Contains(page, "push button: Stop")
	})
	if n := colours(t, d.screenshot("window")); n < 20 {
		t.Errorf("the screen has %d colours: the window is blank", n)
	}
	d.eventually("the tray says that it runs", 5*time.Second, func() bool {
		return d.offers("Slipway: running, Docker is ready") && d.offers("Stop")
	})

	// Closing the window leaves the machine running behind the tray.
	d.closeWindow()
	d.eventually("the window is hidden", 10*time.Second, func() bool { return d.windows() == 0 })
	s.awaitMachine("running", time.Second)
	// A second start shows the first one's window and ends.
	if err := ended(t, s.start(s.command()), 15*time.Second); err != nil {
		t.Errorf("the second start ended with %v", err)
	}
	d.eventually("the second start shows the window", 10*time.Second, func() bool { return d.windows() == 1 })

	// The tray stops and starts the machine.
	d.click("Stop")
	s.awaitMachine("stopped", 40*time.Second)
	d.eventually("the tray offers to start", 5*time.Second, func() bool { return d.offers("Start") })
	d.click("Start")
	s.awaitMachine("starting", 10*time.Second)

	// Quitting stops the machine, even one that is just starting.
	d.click("Quit Slipway")
	if err := ended(t, app, 40*time.Second); err != nil {
		t.Errorf("the app ended with %v", err)
	}
	s.nothingLeft()
}

// TestWindowWithoutTray: where nothing could bring a hidden window back, closing
// it stops the machine and ends the app.
func TestWindowWithoutTray(t *testing.T) {
	for _, c := range []struct {
		name string
		env  []string
	}{
		{"a session without a place for icons", nil},
		{"a session without a bus", []string{"DBUS_SESSION_BUS_ADDRESS="}},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := newSession(t)
			d := newDesktop(t)
			s.env = append(append(s.env, d.env...), c.env...)
			app := s.startApp()
			d.eventually("the window is there", 15*time.Second, func() bool { return d.windows() == 1 })
			s.awaitMachine("starting", 30*time.Second)
			s.logFirstPaint()
			d.closeWindow()
			if err := ended(t, app, 40*time.Second); err != nil {
				t.Errorf("the app ended with %v", err)
			}
			s.nothingLeft()
		})
	}
}

// TestWindowOutlivesItsEngine: the window says that the engine is gone, and its
// button brings another.
func TestWindowOutlivesItsEngine(t *testing.T) {
	s := newSession(t)
	d := newDesktop(t)
	s.env = append(s.env, d.env...)
	up := exec.Command(s.slipway(), "up", "--home", s.home)
	up.Env, up.Dir = s.env, s.user
	s.start(up)
	s.awaitMachine("starting", 30*time.Second)
	app := s.startApp()
	d.eventually("the page shows the machine", 20*time.Second, func() bool {
		return strings.Contains(d.readAloud(), "heading: Starting")
	})
	if err := up.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	d.eventually("the page says that the engine has stopped", 10*time.Second, func() bool {
		return strings.Contains(d.readAloud(), "The engine has stopped.")
	})
	d.press("Try again")
	status := s.awaitMachine("starting", 30*time.Second)
	if status.PID != app.Process.Pid {
		t.Errorf("the engine is process %d, the app %d", status.PID, app.Process.Pid)
	}
	d.eventually("the page shows the machine again", 20*time.Second, func() bool {
		page := d.readAloud()
		return strings.Contains(page, "heading: Starting") && !strings.Contains(page, "The engine has stopped.")
	})
	if err := app.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := ended(t, app, 40*time.Second); err != nil {
		t.Errorf("the app ended with %v", err)
	}
	s.nothingLeft()
}

// TestNoDisplay: without a display there is a sentence and a way out, not a crash.
func TestNoDisplay(t *testing.T) {
	s := newSession(t)
	for _, display := range []string{"", ":4711"} { // none, and one that nobody serves
		cmd := s.command()
		cmd.Env = append(slices.Clone(s.env), "WAYLAND_DISPLAY=", "DISPLAY="+display, "GDK_BACKEND=x11")
		out, err := cmd.CombinedOutput()
		var exit *exec.ExitError
		if !errors.As(err, &exit) || exit.ExitCode() != 1 ||
			!strings.Contains(string(out), "display") || !strings.Contains(string(out), "slipway up") || strings.Contains(string(out), "goroutine") {
			t.Errorf("DISPLAY=%s: %v\n%s", display, err, out)
		}
	}
	s.nothingLeft()
}

func (s *session) command() *exec.Cmd {
	cmd := exec.Command(filepath.Join(s.root, "build/bin/slipway-desktop"), "-home", s.home)
	cmd.Env, cmd.Dir = s.env, s.user
	return cmd
}

// start runs a program until the test ends; what it prints goes to the test's log
// if that fails.
func (s *session) start(cmd *exec.Cmd) *exec.Cmd {
	s.t.Helper()
	out, err := os.CreateTemp(s.user, filepath.Base(cmd.Path)+".*.out")
	if err != nil {
		s.t.Fatal(err)
	}
	cmd.Stdout, cmd.Stderr = out, out
	if err := cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait() // ended, or killed now
		out.Close()
		if text, err := os.ReadFile(out.Name()); err == nil && s.t.Failed() {
			s.t.Logf("%s printed:\n%s", strings.Join(cmd.Args, " "), text)
		}
	})
	return cmd
}

// startApp opens the app.
func (s *session) startApp() *exec.Cmd {
	s.t.Helper()
	cmd := s.command()
	if _, err := os.Stat(cmd.Path); err != nil {
		missing(s.t, "build/bin/slipway-desktop (make build)")
	}
	return s.start(cmd)
}

// awaitMachine follows the engine, which may be about to start, until its machine
// is in a state.
func (s *session) awaitMachine(state string, limit time.Duration) control.Status {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.t.Context(), limit)
	defer cancel()
	var status control.Status
	var seen []string
	for {
		client, err := control.Dial(ctx, engine.SocketPath(s.home))
		if err == nil {
			reached := errors.New("reached")
			err = client.Events(ctx, func(e control.Event) error {
				if e.Topic != control.TopicStatus {
					return nil
				}
				if err := json.Unmarshal(e.Data, &status); err != nil {
					return err
				}
				if len(seen) == 0 || seen[len(seen)-1] != status.Machine.State {
					seen = append(seen, status.Machine.State)
				}
				if status.Machine.State == state {
					return reached
				}
				return nil
			})
			client.Close()
			if errors.Is(err, reached) {
				return status
			}
		}
		if ctx.Err() != nil {
			s.t.Fatalf("the machine is not %s within %v: it was %v (%s) (%v)", state, limit, seen, status.Machine.Reason, err)
		}
		time.Sleep(50 * time.Millisecond) // before the next look for an engine
	}
}

// logFirstPaint notes how long a person waited for the page. It bounds only what
// no load of the machine explains: `make bench-idle` measures.
func (s *session) logFirstPaint() {
	s.t.Helper()
	pattern := regexp.MustCompile(`msg="first paint" afterStart=(\S+)`)
	s.eventually("the page is painted", 20*time.Second, func() bool {
		printed, err := filepath.Glob(filepath.Join(s.user, "slipway-desktop.*.out"))
		if err != nil || len(printed) == 0 {
			s.t.Fatalf("the app prints nowhere: %v", err)
		}
		text, err := os.ReadFile(printed[0])
		if err != nil {
			s.t.Fatal(err)
		}
		found := pattern.FindSubmatch(text)
		if found == nil {
			return false
		}
		s.t.Logf("first paint after %s", found[1])
		return true
	})
}

// nothingLeft checks that no process and no socket of the app is there any more.
func (s *session) nothingLeft() {
	s.t.Helper()
	if left := s.processes(); len(left) > 0 {
		s.t.Errorf("processes after the app ended: %v", left)
	}
	left, err := os.ReadDir(filepath.Join(s.home, "run"))
	if err != nil && !errors.Is(err, fs.ErrNotExist) || len(left) > 0 {
		s.t.Errorf("left in HOME/run after the app ended: %v %v", left, err)
	}
	// The web view's processes do not name the home in their command line.
	mark := []byte("SLIPWAY_HOME=" + s.home + "\x00")
	s.eventually("the web view's processes end", 5*time.Second, func() bool {
		processes, err := filepath.Glob("/proc/[0-9]*/environ")
		if err != nil {
			s.t.Fatal(err)
		}
		for _, path := range processes {
			name, _ := os.ReadFile(filepath.Join(filepath.Dir(path), "comm"))
			if env, err := os.ReadFile(path); err == nil && bytes.HasPrefix(name, []byte("WebKit")) && bytes.Contains(env, mark) {
				return false
			}
		}
		return true
	})
}

// ended waits for a process; one that does not end fails the test.
func ended(t *testing.T, cmd *exec.Cmd, limit time.Duration) error {
	t.Helper()
	done := make(chan error, 1)
	go func() { done <- cmd.Wait() }()
	select {
	case err := <-done:
		return err
	case <-time.After(limit):
		_ = cmd.Process.Kill()
		<-done
		t.Fatalf("%s has not ended within %v", cmd.Args[0], limit)
		return nil
	}
}

// colours counts the colours of a screenshot.
func colours(t *testing.T, path string) int {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	img, err := png.Decode(f)
	if err != nil {
		t.Fatal(err)
	}
	seen := map[[3]uint32]bool{}
	for y := img.Bounds().Min.Y; y < img.Bounds().Max.Y; y += 2 {
		for x := img.Bounds().Min.X; x < img.Bounds().Max.X; x += 2 {
			r, g, b, _ := img.At(x, y).RGBA()
			seen[[3]uint32{r, g, b}] = true
		}
	}
	return len(seen)
}
