//go:build !linux

package app

// visible tells whether the desktop has a place for icons. This one always has.
func (t *tray) visible() bool { return true }
