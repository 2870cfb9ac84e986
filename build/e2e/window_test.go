package e2e

import (
	"image/png"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// TestWindow opens the real window, as a double click would, and steers it as a
// person would: by window manager, tray and a second start.
func TestWindow(t *testing.T) {
	s := newSession(t)
	d := newDesktop(t)
	d.offerTray()
	s.env = append(s.env, d.env...)

	began := time.Now()
	app := s.startApp()
	d.eventually("the window is there", 15*time.Second, func() bool { return d.windows() == 1 })
	t.Logf("window after %.2f s", time.Since(began).Seconds())

	d.eventually("the engine answers", 20*time.Second, func() bool {
		_, err := s.try(5*time.Second, s.slipway(), "status")
		return err == nil
	})
	s.eventually("the machine runs", 60*time.Second, func() bool { return s.status().Machine.State == "running" })
	d.eventually("the page says that it runs", 15*time.Second, func() bool {
		return strings.Contains(strings.ToLower(d.readAloud()), "running")
	})
	if n := colours(t, d.screenshot("window")); n < 20 {
		t.Errorf("the screen has %d colours: the window is blank", n)
	}
	d.eventually("the tray says that it runs", 5*time.Second, func() bool {
		return slices.ContainsFunc(d.menu(), func(m menuItem) bool { return strings.Contains(m.label, "running") })
	})

	// Closing the window leaves the machine running behind the tray.
	if out, err := d.tool("wmctrl", "-c", "Slipway"); err != nil {
		t.Fatalf("close the window: %v %s", err, out)
	}
	d.eventually("the window is hidden", 10*time.Second, func() bool { return d.windows() == 0 })
	if state := s.status().Machine.State; state != "running" {
		t.Errorf("after the window was closed the machine is %s", state)
	}
	// A second start shows the first one's window and ends.
	second := s.command()
	if err := second.Start(); err != nil {
		t.Fatal(err)
	}
	d.eventually("the second start shows the window", 10*time.Second, func() bool { return d.windows() == 1 })
	ended(t, second, 10*time.Second)

	// The tray stops and starts the machine.
	d.click("Stop")
	s.eventually("the machine stops", 30*time.Second, func() bool { return s.status().Machine.State == "stopped" })
	d.eventually("the tray offers to start", 5*time.Second, func() bool {
		return slices.ContainsFunc(d.menu(), func(m menuItem) bool { return m.label == "Start" && m.enabled })
	})
	d.click("Start")
	s.eventually("the machine starts again", 60*time.Second, func() bool { return s.status().Machine.State == "running" })

	// Quitting stops the machine cleanly.
	d.click("Quit Slipway")
	if err := ended(t, app, 30*time.Second); err != nil {
		t.Errorf("the app ended with %v", err)
	}
	if left := s.processes(); len(left) > 0 {
		t.Errorf("processes after the app quit: %v", left)
	}
}

// TestWindowWithoutTray: where nothing could bring a hidden window back, closing
// it stops the machine and ends the app.
func TestWindowWithoutTray(t *testing.T) {
	s := newSession(t)
	d := newDesktop(t)
	s.env = append(s.env, d.env...)
	app := s.startApp()
	d.eventually("the window is there", 15*time.Second, func() bool { return d.windows() == 1 })
	d.eventually("the engine answers", 20*time.Second, func() bool {
		_, err := s.try(5*time.Second, s.slipway(), "status")
		return err == nil
	})
	if out, err := d.tool("wmctrl", "-c", "Slipway"); err != nil {
		t.Fatalf("close the window: %v %s", err, out)
	}
	if err := ended(t, app, 40*time.Second); err != nil {
		t.Errorf("the app ended with %v", err)
	}
	if left := s.processes(); len(left) > 0 {
		t.Errorf("processes after the app ended: %v", left)
	}
}

// TestNoDisplay: without a display there is a sentence and a way out, not a crash.
func TestNoDisplay(t *testing.T) {
	s := newSession(t)
	cmd := s.command()
	cmd.Env = slices.DeleteFunc(cmd.Env, func(e string) bool {
		return strings.HasPrefix(e, "DISPLAY=") || strings.HasPrefix(e, "WAYLAND_DISPLAY=")
	})
	out, err := cmd.CombinedOutput()
	if err == nil || !strings.Contains(string(out), "display") || !strings.Contains(string(out), "slipway up") {
		t.Errorf("%v\n%s", err, out)
	}
}

func (s *session) command() *exec.Cmd {
	cmd := exec.Command(filepath.Join(s.root, "build/bin/slipway-desktop"), "-home", s.home)
	cmd.Env, cmd.Dir = s.env, s.user
	return cmd
}

// startApp opens the app; what it prints goes to the test's log if that fails.
func (s *session) startApp() *exec.Cmd {
	s.t.Helper()
	if _, err := os.Stat(filepath.Join(s.root, "build/bin/slipway-desktop")); err != nil {
		missing(s.t, "build/bin/slipway-desktop (make build)")
	}
	out, err := os.Create(filepath.Join(s.user, "app.out"))
	if err != nil {
		s.t.Fatal(err)
	}
	cmd := s.command()
	cmd.Stdout, cmd.Stderr = out, out
	if err := cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_, _ = cmd.Process.Wait() // ended, or killed now
		out.Close()
		if text, err := os.ReadFile(out.Name()); err == nil && s.t.Failed() {
			s.t.Logf("the app printed:\n%s", text)
		}
	})
	return cmd
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
