package app

import (
	"errors"
	"os"
	"path/filepath"

	"fyne.io/systray"
	"github.com/godbus/dbus/v5"
)

func (t *tray) beforeWindow() {}

// startup begins the tray, which is D-Bus alone.
func (t *tray) startup() {
	bus, err := sessionBus()
	if err != nil {
		t.s.log.Warn("there is no tray", "err", err)
		return
	}
	bus.Close()
	begin, end := systray.RunWithExternalLoop(t.build, nil)
	t.begun(end)
	begin()
}

// sessionBus connects to the session's bus. Where none is named, the library
// would start one, which stays behind.
func sessionBus() (*dbus.Conn, error) {
	if os.Getenv("DBUS_SESSION_BUS_ADDRESS") == "" {
		if _, err := os.Stat(filepath.Join(os.Getenv("XDG_RUNTIME_DIR"), "bus")); err != nil {
			return nil, errors.New("the session has no bus")
		}
	}
	return dbus.ConnectSessionBus()
}

// visible tells whether the desktop has a place for icons now. Without one a
// hidden window could not be brought back.
func (t *tray) visible() bool {
	bus, err := sessionBus()
	if err != nil {
		return false
	}
	defer bus.Close()
	var shown bool
	err = bus.BusObject().Call("org.freedesktop.DBus.NameHasOwner", 0, "org.kde.StatusNotifierWatcher").Store(&shown)
	return err == nil && shown
}
