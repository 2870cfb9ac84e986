package app

import "github.com/godbus/dbus/v5"

// visible tells whether the desktop has a place for icons now. Without one a
// hidden window could not be brought back.
func (t *tray) visible() bool {
	bus, err := dbus.ConnectSessionBus()
	if err != nil {
		return false
	}
	defer bus.Close()
	var shown bool
	err = bus.BusObject().Call("org.freedesktop.DBus.NameHasOwner", 0, "org.kde.StatusNotifierWatcher").Store(&shown)
	return err == nil && shown
}
