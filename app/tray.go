package app

import (
	"context"
	"embed"
	"fmt"
	"sync"

	"fyne.io/systray"
	"github.com/wailsapp/wails/v2/pkg/runtime"

	"github.com/slipway-desktop/slipway/backend/control"
)

//go:embed icons/*.png
var icons embed.FS

// windowIcon is what the window manager shows for the window.
var windowIcon = icon("window")

func icon(name string) []byte {
	data, err := icons.ReadFile("icons/" + name + ".png")
	if err != nil {
		panic(err) // embedded: a defect of the build
	}
	return data
}

// trayPorts is how many published ports the menu lists.
const trayPorts = 8

// A tray is the icon with its menu. All its methods may be called at any time; on
// a desktop without a place for icons they do nothing that shows.
type tray struct {
	s   *shell
	end func()

	mu     sync.Mutex
	ready  bool
	state  *systray.MenuItem
	toggle *systray.MenuItem
	ports  [trayPorts]*systray.MenuItem
	urls   [trayPorts]string
	action func(context.Context, *control.Client) error // what toggle does now
	icon   string
}

func newTray(s *shell) *tray { return &tray{s: s} }

func (t *tray) start() {
	begin, end := systray.RunWithExternalLoop(t.build, nil)
	t.end = end
	begin()
}

func (t *tray) stop() {
	if t.end != nil {
		t.end()
	}
}

// build makes the menu; the library calls it when the tray is there.
func (t *tray) build() {
	t.mu.Lock()
	defer t.mu.Unlock()
	systray.SetTitle("Slipway")
	systray.SetTooltip("Slipway")
	t.setIcon("stopped")
	t.state = systray.AddMenuItem("Slipway: connecting", "The machine's state")
	t.state.Disable()
	systray.AddSeparator()
	open := systray.AddMenuItem("Open Slipway", "Show the window")
	t.toggle = systray.AddMenuItem("Start", "Start or stop the machine")
	t.toggle.Disable()
	systray.AddSeparator()
	for i := range t.ports {
		t.ports[i] = systray.AddMenuItem("", "Copy the address")
		t.ports[i].Hide()
		t.serve(t.ports[i], func() { t.copyPort(i) })
	}
	systray.AddSeparator()
	quit := systray.AddMenuItem("Quit Slipway", "Stop the machine and quit")
	t.serve(open, t.s.show)
	t.serve(t.toggle, t.toggleMachine)
	t.serve(quit, t.s.quit)
	t.ready = true
}

// serve runs fn at each click on an item until the app ends.
func (t *tray) serve(item *systray.MenuItem, fn func()) {
	t.s.own(func() {
		for {
			select {
			case <-item.ClickedCh:
				fn()
			case <-t.s.life.Done():
				return
			}
		}
	})
}

func (t *tray) setIcon(name string) {
	if t.icon != name {
		t.icon = name
		data := icon(name)
		systray.SetTemplateIcon(data, data)
	}
}

// show puts the machine's state into icon and menu.
func (t *tray) show(status control.Status) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.ready {
		return
	}
	line, image, action := trayState(status)
	t.setIcon(image)
	systray.SetTooltip(line)
	t.state.SetTitle(line)
	t.toggle.SetTitle(action)
	switch action {
	case "Start":
		t.action = func(ctx context.Context, c *control.Client) error { return c.Start(ctx) }
	default:
		t.action = func(ctx context.Context, c *control.Client) error { return c.Stop(ctx) }
	}
	if status.Machine.State == "stopping" {
		t.toggle.Disable()
	} else {
		t.toggle.Enable()
	}
}

// trayState says what a status looks like in the tray: the line, the icon's name
// and what the menu offers.
func trayState(status control.Status) (line, image, action string) {
	m := status.Machine
	switch m.State {
	case "running":
		return fmt.Sprintf("Slipway: running, Docker is %s", status.Docker.State), "running", "Stop"
	case "starting":
		phase := ""
		for _, p := range m.Phases {
			if p.State == "active" {
				phase = ": " + p.Name
			}
		}
		return "Slipway: starting" + phase, "starting", "Stop"
	case "paused":
		return "Slipway: paused", "warning", "Stop"
	case "stopping":
		return "Slipway: stopping", "starting", "Stop"
	case "failed":
		return "Slipway: " + m.Reason, "warning", "Start"
	default:
		return "Slipway: stopped", "stopped", "Start"
	}
}

func (t *tray) disconnected() {
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.ready {
		return
	}
	t.setIcon("warning")
	t.state.SetTitle("Slipway: the engine has stopped")
	t.toggle.Disable()
}

// showPorts lists the published ports.
func (t *tray) showPorts(ports []control.Port) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.ready {
		return
	}
	n := 0
	for _, p := range ports {
		if p.State != "open" || n == trayPorts {
			continue
		}
		t.urls[n] = fmt.Sprintf("%s:%d", p.HostIP, p.HostPort)
		if p.URL != "" {
			t.urls[n] = p.URL
		}
		t.ports[n].SetTitle(fmt.Sprintf("Copy %s (%s)", t.urls[n], p.Target))
		t.ports[n].Show()
		n++
	}
	for ; n < trayPorts; n++ {
		t.ports[n].Hide()
	}
}

func (t *tray) copyPort(i int) {
	t.mu.Lock()
	address := t.urls[i]
	t.mu.Unlock()
	if err := runtime.ClipboardSetText(t.s.ctx, address); err != nil {
		t.s.log.Error("copy an address", "err", err)
	}
}

func (t *tray) toggleMachine() {
	t.mu.Lock()
	action := t.action
	t.mu.Unlock()
	client, err := t.s.client()
	if err == nil && action != nil {
		err = action(t.s.life, client)
	}
	if err != nil {
		t.s.log.Error("steer the machine from the tray", "err", err) // the window shows it, from the status
	}
}
