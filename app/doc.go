// Package app is the window and the tray: everything that knows Wails. It is a
// client of the engine's control tree like any other, and hosts the engine in its
// own process if none runs on the home yet.
//
// Guarantees: the window never holds the truth, so it may be reloaded at any time;
// closing it leaves the machine running where a tray can bring it back, and
// otherwise stops the machine cleanly before the process ends.
//
// Main is the entry. API is what the frontend may call; Wails binds its exported
// methods and nothing else, so lifecycle methods live on unexported types.
package app
