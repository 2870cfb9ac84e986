//go:build !bindings

package app

import (
	"os"
	"strings"

	"github.com/slipway-desktop/slipway/backend/control"
)

// fixEnvironment sets what WebKitGTK needs before it starts. Only what the user
// left unset or unusable is changed.
func fixEnvironment() {
	// In the C locale WebKit reports the language "C", with which every Intl
	// constructor in the page throws, and the window stays blank.
	for _, name := range []string{"LC_ALL", "LC_MESSAGES", "LANG"} {
		value := os.Getenv(name)
		if value == "" {
			continue
		}
		if base, _, _ := strings.Cut(value, "."); base == "C" || base == "POSIX" {
			os.Unsetenv(name)
		}
	}
	if os.Getenv("LC_ALL") == "" && os.Getenv("LC_MESSAGES") == "" && os.Getenv("LANG") == "" {
		os.Setenv("LANG", "en_US.UTF-8")
	}
	// The DMA-BUF renderer leaves the window white on some drivers; the pages
	// are cheap to draw without it.
	if _, set := os.LookupEnv("WEBKIT_DISABLE_DMABUF_RENDERER"); !set {
		os.Setenv("WEBKIT_DISABLE_DMABUF_RENDERER", "1")
	}
}

// checkDisplay says in words what GTK would only abort with.
func checkDisplay() error {
	if os.Getenv("DISPLAY") == "" && os.Getenv("WAYLAND_DISPLAY") == "" {
		return control.Errorf(control.CodeUnavailable, "there is no display to open a window on").
			WithHint("run `slipway up` for the engine without a window, or set DISPLAY")
	}
	return nil
}
