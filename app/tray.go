package app

import (
	"context"
	"embed"
	"fmt"
	"sync"

	"fyne.io/systray"
	"github.com/wailsapp/wails/v2/pkg/runtime"

	"github.com/slipway-desktop/slipway/backend/control"
	"github.com/slipway-desktop/slipway/backend/pipeline"
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
// a desktop without a place for icons they do nothing that shows. How it begins
// and ends differs by system: see tray_linux.go and its kin.
type tray struct {
	s *shell

	mu     sync.Mutex
	end    func() // nil where there is no tray
	ready  bool   // the menu is there
	wanted face
	drawn  face

	state, toggle, recording *systray.MenuItem
	ports                    [trayPorts]*systray.MenuItem
	run                      *systray.MenuItem
}

// A face is what a tray shows. Each difference costs messages to the desktop, so
// only differences are drawn.
type face struct {
	icon, line string
	start      bool // the menu offers to start the machine, not to stop it
	steerable  bool
	recording  bool
	ports      [trayPorts]portLine
	run        string // the last pipeline run in words, "" if there is none
}

// A portLine is a published port in the menu; the zero value is none.
type portLine struct{ title, address string }

func newTray(s *shell) *tray {
	return &tray{s: s, wanted: face{icon: "stopped", line: "Slipway: connecting", start: true}}
}

// begun keeps how to end the tray.
func (t *tray) begun(end func()) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.end = end
}

func (t *tray) stop() {
	t.mu.Lock()
	end := t.end
	t.mu.Unlock()
	if end != nil {
		end()
	}
}

// build makes the menu; the library calls it when the tray is there.
func (t *tray) build() {
	t.mu.Lock()
	defer t.mu.Unlock()
	systray.SetTitle("Slipway")
	t.state = systray.AddMenuItem("Slipway", "The machine's state")
	t.state.Disable()
	systray.AddSeparator()
	t.item("Open Slipway", "Show the window", t.s.show)
	t.toggle = t.item("Stop", "Start or stop the machine", t.toggleMachine)
	t.toggle.Disable()
	systray.AddSeparator()
	for i := range t.ports {
		t.ports[i] = t.item("", "Copy the address", func() { t.copyPort(i) })
		t.ports[i].Hide()
	}
	t.run = t.item("", "Show the pipelines", func() { t.s.navigate("pipelines") })
	t.run.Hide()
	systray.AddSeparator()
	t.recording = systray.AddMenuItemCheckbox("Record traffic", "Pause or resume the recording", false)
	t.serve(t.recording, t.toggleRecording)
	t.item("Settings", "Show the settings", func() { t.s.navigate("settings") })
	t.item("Quit Slipway", "Stop the machine and quit", t.s.quit)
	t.ready = true
	t.draw()
}

// item adds a line to the menu that runs fn at each click.
func (t *tray) item(title, tooltip string, fn func()) *systray.MenuItem {
	item := systray.AddMenuItem(title, tooltip)
	t.serve(item, fn)
	return item
}

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

// change draws what fn changes.
func (t *tray) change(fn func(*face)) {
	t.mu.Lock()
	defer t.mu.Unlock()
	fn(&t.wanted)
	if t.ready {
		t.draw()
	}
}

// draw brings the tray from what it shows to what it should. t.mu is held.
func (t *tray) draw() {
	from, to := t.drawn, t.wanted
	if from.icon != to.icon {
		data := icon(to.icon)
		systray.SetTemplateIcon(data, data)
	}
	if from.line != to.line {
		systray.SetTooltip(to.line)
		t.state.SetTitle(to.line)
	}
	if from.start != to.start {
		t.toggle.SetTitle(map[bool]string{true: "Start", false: "Stop"}[to.start])
	}
	if from.steerable != to.steerable {
		set(to.steerable, t.toggle.Enable, t.toggle.Disable)
	}
	if from.recording != to.recording {
		set(to.recording, t.recording.Check, t.recording.Uncheck)
	}
	for i, line := range to.ports {
		if from.ports[i].title == line.title {
			continue
		}
		t.ports[i].SetTitle(line.title)
		set(line.title != "", t.ports[i].Show, t.ports[i].Hide)
	}
	if from.run != to.run {
		t.run.SetTitle(to.run)
		set(to.run != "", t.run.Show, t.run.Hide)
	}
	t.drawn = to
}

func set(on bool, yes, no func()) {
	if on {
		yes()
	} else {
		no()
	}
}

// show puts the machine's state into icon and menu.
func (t *tray) show(status control.Status) {
	t.change(func(f *face) {
		f.icon, f.line, f.start = trayState(status)
		f.steerable = status.Machine.State != "stopping"
	})
}

// trayState says what a status looks like in the tray: the icon's name, the line,
// and whether the menu offers to start the machine.
func trayState(status control.Status) (image, line string, start bool) {
	m := status.Machine
	switch m.State {
	case "running":
		return "running", "Slipway: running, Docker is " + status.Docker.State, false
	case "starting":
		line := "Slipway: starting"
		for _, p := range m.Phases {
			if p.State == "active" {
				line = "Slipway: starting: " + p.Name
			}
		}
		return "starting", line, false
	case "paused":
		return "warning", "Slipway: paused", false
	case "stopping":
		return "starting", "Slipway: stopping", false
	case "failed":
		return "warning", "Slipway: " + m.Reason, true
	default:
		return "stopped", "Slipway: stopped", true
	}
}

func (t *tray) disconnected() {
	t.change(func(f *face) {
		*f = face{icon: "warning", line: "Slipway: the engine has stopped", start: f.start}
	})
}

func (t *tray) showRecording(on bool) { t.change(func(f *face) { f.recording = on }) }

// showRuns tells of the newest pipeline run.
func (t *tray) showRuns(runs []pipeline.Run) {
	t.change(func(f *face) { f.run = runLine(runs) })
}

func runLine(runs []pipeline.Run) string {
	if len(runs) == 0 {
		return ""
	}
	r := runs[0]
	of := r.SourceBranch
	if of == "" {
		of = r.Source[:min(10, len(r.Source))]
	}
	return fmt.Sprintf("Last run: %s of %s, %s", r.Pipeline, of, r.Status)
}

// showPorts lists the published ports.
func (t *tray) showPorts(ports []control.Port) {
	t.change(func(f *face) { f.ports = portLines(ports) })
}

func portLines(ports []control.Port) (lines [trayPorts]portLine) {
	n := 0
	for _, p := range ports {
		if p.State != "open" || n == trayPorts {
			continue
		}
		address := p.URL
		if address == "" {
			address = fmt.Sprintf("%s:%d", p.HostIP, p.HostPort)
		}
		lines[n] = portLine{fmt.Sprintf("Copy %s (%s)", address, p.Target), address}
		n++
	}
	return lines
}

func (t *tray) copyPort(i int) {
	t.mu.Lock()
	address := t.wanted.ports[i].address
	t.mu.Unlock()
	t.s.withWindow(func(w context.Context) {
		if err := runtime.ClipboardSetText(w, address); err != nil {
			t.s.log.Error("copy an address", "err", err)
		}
	})
}

func (t *tray) toggleMachine() {
	t.mu.Lock()
	start := t.wanted.start
	t.mu.Unlock()
	t.ask("steer the machine", func(ctx context.Context, c *control.Client) error {
		if start {
			return c.Start(ctx)
		}
		return c.Stop(ctx)
	})
}

func (t *tray) toggleRecording() {
	t.mu.Lock()
	action := control.CaptureResume
	if t.wanted.recording {
		action = control.CapturePause
	}
	t.mu.Unlock()
	t.ask("steer the recording", func(ctx context.Context, c *control.Client) error {
		return c.CaptureControl(ctx, action)
	})
}

// ask makes a request without holding up the next click: starting takes seconds,
// and stopping may be the next wish. The window shows what became of it.
func (t *tray) ask(what string, request func(context.Context, *control.Client) error) {
	t.s.own(func() {
		client, err := t.s.client()
		if err == nil {
			err = request(t.s.life, client)
		}
		if err != nil && t.s.life.Err() == nil {
			t.s.log.Error(what+" from the tray", "err", err)
		}
	})
}
