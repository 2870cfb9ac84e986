package app

import "fyne.io/systray"

// beforeWindow begins the tray. The library makes the status item on the calling
// thread, which on macOS must be the main one, and Wails calls startup on another.
func (t *tray) beforeWindow() {
	begin, end := systray.RunWithExternalLoop(t.build, nil)
	t.begun(end)
	begin()
}

func (t *tray) startup() {}

// visible tells whether there is a place for icons: the menu bar is always there.
func (t *tray) visible() bool { return true }
