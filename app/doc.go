// Package app is the window and the tray: everything that knows Wails. It is a
// client of the engine's control tree like any other, and hosts the engine in its
// own process if none runs on the home yet.
//
// Guarantees: the window never holds the truth, so it may be reloaded at any time;
// closing it leaves the machine running where a tray can bring it back, and
// otherwise stops the machine cleanly before the process ends.
//
// A home has one window: a second start meets the first at a socket in the home,
// shows its window and ends. The machine starts once the page has painted, because
// both want the processors and the page is what a person looks at.
//
// On macOS the tray begins before Wails does, since it must on the main thread; on
// Windows it has a thread of its own. Neither system has run this package: it is
// type-checked for them.
//
// Main is the entry. API is what the frontend may call; Wails binds its exported
// methods and nothing else, so lifecycle methods live on unexported types.
package app
