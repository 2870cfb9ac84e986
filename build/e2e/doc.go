// Package e2e drives the built programs as a person would: it boots the real guest
// under software emulation, uses the real docker command, and opens the real window
// on a virtual display. It needs what `make test` installs and builds; run alone it
// says what is missing.
package e2e
