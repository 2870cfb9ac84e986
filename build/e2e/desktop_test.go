package e2e

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/godbus/dbus/v5"
)

// A desktop is a virtual display with a session bus, a window manager and, on
// request, a place for tray icons.
type desktop struct {
	t   *testing.T
	env []string
	bus *dbus.Conn

	mu    sync.Mutex
	items []string // bus names that registered a tray icon
}

// newDesktop starts one; all its processes end with the test.
func newDesktop(t *testing.T) *desktop {
	t.Helper()
	for _, tool := range []string{"Xvfb", "openbox", "dbus-daemon", "wmctrl", "xdotool", "import", "python3"} {
		if _, err := exec.LookPath(tool); err != nil {
			missing(t, tool+" (build/setup.sh run test)")
		}
	}
	d := &desktop{t: t}
	display := ":" + d.start(exec.Command("Xvfb", "-displayfd", "1", "-screen", "0", "1280x900x24", "-nolisten", "tcp"))
	runtimeDir := t.TempDir()
	d.env = []string{"DISPLAY=" + display, "GDK_BACKEND=x11", "XDG_RUNTIME_DIR=" + runtimeDir, "LANG=C.UTF-8", "NO_AT_BRIDGE=0"}
	daemon := exec.Command("dbus-daemon", "--session", "--nofork", "--print-address=1")
	daemon.Env = append(os.Environ(), d.env...)
	address := d.start(daemon)
	d.env = append(d.env, "DBUS_SESSION_BUS_ADDRESS="+address)
	manager := exec.Command("openbox")
	manager.Env = append(os.Environ(), d.env...)
	d.start(manager)

	bus, err := dbus.Connect(address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { bus.Close() })
	d.bus = bus
	return d
}

// start runs a process until the test ends and returns its first line of output,
// if it is one that prints any.
func (d *desktop) start(cmd *exec.Cmd) string {
	d.t.Helper()
	out, err := cmd.StdoutPipe()
	if err != nil {
		d.t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		d.t.Fatal(err)
	}
	d.t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait() // it was killed
	})
	if !slices.ContainsFunc(cmd.Args, func(a string) bool { return strings.HasSuffix(a, "1") }) {
		return "" // it was not told to print anything
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		d.t.Fatalf("%s: %v", cmd.Args[0], err)
	}
	return strings.TrimSpace(line)
}

// offerTray makes the desktop one that shows tray icons.
func (d *desktop) offerTray() {
	d.t.Helper()
	const name, path = "org.kde.StatusNotifierWatcher", "/StatusNotifierWatcher"
	if err := d.bus.ExportMethodTable(map[string]any{
		"RegisterStatusNotifierItem": func(sender dbus.Sender, _ string) *dbus.Error {
			d.mu.Lock()
			defer d.mu.Unlock()
			d.items = append(d.items, string(sender))
			return nil
		},
		"RegisterStatusNotifierHost": func(string) *dbus.Error { return nil },
	}, path, name); err != nil {
		d.t.Fatal(err)
	}
	if reply, err := d.bus.RequestName(name, dbus.NameFlagDoNotQueue); err != nil || reply != dbus.RequestNameReplyPrimaryOwner {
		d.t.Fatalf("offer a tray: %v %v", reply, err)
	}
}

// A menuItem is one line of a tray menu.
type menuItem struct {
	id      int32
	label   string
	enabled bool
}

// menu reads the menu of the only tray icon.
func (d *desktop) menu() []menuItem {
	d.t.Helper()
	d.mu.Lock()
	items := d.items
	d.mu.Unlock()
	if len(items) == 0 {
		return nil
	}
	var revision uint32
	var layout struct {
		ID       int32
		Props    map[string]dbus.Variant
		Children []dbus.Variant
	}
	call := d.bus.Object(items[0], "/StatusNotifierItem/menu").Call("com.canonical.dbusmenu.GetLayout", 0, int32(0), int32(-1), []string{})
	if err := call.Store(&revision, &layout); err != nil {
		d.t.Fatalf("read the tray menu: %v", err)
	}
	var out []menuItem
	for _, child := range layout.Children {
		fields, ok := child.Value().([]any)
		if !ok || len(fields) < 2 {
			d.t.Fatalf("a menu item is %v", child)
		}
		item := menuItem{id: fields[0].(int32), enabled: true}
		props := fields[1].(map[string]dbus.Variant)
		if v, ok := props["visible"]; ok && v.Value() == false {
			continue
		}
		if v, ok := props["label"]; ok {
			item.label = v.Value().(string)
		}
		if v, ok := props["enabled"]; ok {
			item.enabled = v.Value().(bool)
		}
		out = append(out, item)
	}
	return out
}

// offers tells whether the tray menu has a line that can be chosen, or that says
// what is the matter.
func (d *desktop) offers(label string) bool {
	return slices.ContainsFunc(d.menu(), func(m menuItem) bool {
		return m.label == label && (m.enabled || strings.HasPrefix(label, "Slipway: "))
	})
}

// click chooses a line of the tray menu.
func (d *desktop) click(label string) {
	d.t.Helper()
	for _, item := range d.menu() {
		if item.label == label {
			call := d.bus.Object(d.items[0], "/StatusNotifierItem/menu").Call("com.canonical.dbusmenu.Event", 0,
				item.id, "clicked", dbus.MakeVariant(""), uint32(0))
			if call.Err != nil {
				d.t.Fatalf("click %q: %v", label, call.Err)
			}
			return
		}
	}
	d.t.Fatalf("the tray menu has no %q: %v", label, d.menu())
}

// tool runs a program on the desktop and returns what it printed.
func (d *desktop) tool(name string, args ...string) (string, error) {
	cmd := exec.Command("timeout", append([]string{"10", name}, args...)...)
	cmd.Env = append(os.Environ(), d.env...)
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// windows counts the visible windows of the app.
func (d *desktop) windows() int {
	out, err := d.tool("xdotool", "search", "--onlyvisible", "--name", "^Slipway$")
	if err != nil {
		return 0 // xdotool fails if it finds none
	}
	return len(strings.Fields(out))
}

// closeWindow asks for what the window's own button asks for.
func (d *desktop) closeWindow() {
	d.t.Helper()
	if out, err := d.tool("wmctrl", "-c", "Slipway"); err != nil {
		d.t.Fatalf("close the window: %v %s", err, out)
	}
}

// screenshot saves the whole screen below build/shots.
func (d *desktop) screenshot(name string) string {
	d.t.Helper()
	dir, err := filepath.Abs("../shots")
	if err != nil {
		d.t.Fatal(err)
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		d.t.Fatal(err)
	}
	path := filepath.Join(dir, name+".png")
	if out, err := d.tool("import", "-window", "root", path); err != nil {
		d.t.Fatalf("screenshot: %v %s", err, out)
	}
	return path
}

// accessibility finds what a screen reader finds in the app's window. With the name
// of a button it presses that; else it prints each element's role and name.
const accessibility = `
import pyatspi, sys
button = sys.argv[1] if len(sys.argv) > 1 else None
def walk(node, depth=0):
    if node is None or depth > 40: return False
    try:
        name, role = node.name or '', node.getRoleName()
    except Exception: return False
    if button is not None:
        if role == 'push button' and name == button:
            node.queryAction().doAction(0)
            return True
    else:
        text = ''
        try: text = node.queryText().getText(0, -1)
        except Exception: pass
        if name or text: print(role + ': ' + (name or text).replace('\n', ' '))
    try: return any([walk(child, depth + 1) for child in node])
    except Exception: return False # it changed meanwhile
found = False
for app in pyatspi.Registry.getDesktop(0):
    if app is not None and 'slipway' in (app.name or '').lower(): found = walk(app) or found
sys.exit(0 if found or button is None else 1)
`

// readAloud lists what a screen reader finds in the app's window, a line an element.
func (d *desktop) readAloud() string {
	out, err := d.tool("/usr/bin/python3", "-c", accessibility)
	if err != nil {
		return fmt.Sprintf("(the accessibility tree cannot be read: %v) %s", err, out)
	}
	return out
}

// press presses a button by its name, as assistive technology does.
func (d *desktop) press(name string) {
	d.t.Helper()
	if out, err := d.tool("/usr/bin/python3", "-c", accessibility, name); err != nil {
		d.t.Fatalf("press %q: %v %s\n%s", name, err, out, d.readAloud())
	}
}

// eventually waits until a check holds.
func (d *desktop) eventually(what string, limit time.Duration, check func() bool) {
	d.t.Helper()
	deadline := time.Now().Add(limit)
	for !check() {
		if time.Now().After(deadline) {
			d.screenshot("failure")
			d.t.Logf("the window reads:\n%s", d.readAloud())
			d.t.Fatalf("not within %v: %s", limit, what)
		}
		time.Sleep(100 * time.Millisecond)
	}
}
