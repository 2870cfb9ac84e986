package app

import (
	"runtime"

	"fyne.io/systray"
)

func (t *tray) beforeWindow() {}

// startup begins the tray on a thread of its own: Windows sends the clicks to the
// thread that made the icon's window, which has to read them.
func (t *tray) startup() {
	ended := make(chan struct{})
	t.begun(func() {
		systray.Quit()
		<-ended
	})
	go func() { // owned by end
		defer close(ended)
		runtime.LockOSThread()
		systray.Run(t.build, nil)
	}()
}

// visible tells whether there is a place for icons: the taskbar always has one.
func (t *tray) visible() bool { return true }
