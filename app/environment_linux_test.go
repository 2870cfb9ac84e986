package app

import (
	"os"
	"testing"
)

func TestFixEnvironment(t *testing.T) {
	locales := []string{"LC_ALL", "LC_MESSAGES", "LANG"}
	for _, c := range []struct {
		name      string
		env, want [3]string
	}{
		{"none", [3]string{}, [3]string{"", "", "en_US.UTF-8"}},
		{"C", [3]string{"C", "", ""}, [3]string{"", "", "en_US.UTF-8"}},
		{"C with an encoding", [3]string{"", "", "C.UTF-8"}, [3]string{"", "", "en_US.UTF-8"}},
		{"POSIX over a usable one", [3]string{"POSIX", "", "de_DE.UTF-8"}, [3]string{"", "", "de_DE.UTF-8"}},
		{"usable", [3]string{"", "fr_FR.UTF-8", "de_DE.UTF-8"}, [3]string{"", "fr_FR.UTF-8", "de_DE.UTF-8"}},
	} {
		for i, name := range locales {
			t.Setenv(name, c.env[i])
		}
		t.Setenv("WEBKIT_DISABLE_DMABUF_RENDERER", "0")
		fixEnvironment()
		for i, name := range locales {
			if got := os.Getenv(name); got != c.want[i] {
				t.Errorf("%s: %s is %q, want %q", c.name, name, got, c.want[i])
			}
		}
		if got := os.Getenv("WEBKIT_DISABLE_DMABUF_RENDERER"); got != "0" {
			t.Errorf("%s: the user's choice became %q", c.name, got)
		}
	}
}

func TestCheckDisplay(t *testing.T) {
	t.Setenv("DISPLAY", "")
	t.Setenv("WAYLAND_DISPLAY", "")
	if err := checkDisplay(); err == nil {
		t.Error("no display is accepted")
	}
	t.Setenv("WAYLAND_DISPLAY", "wayland-0")
	if err := checkDisplay(); err != nil {
		t.Error(err)
	}
}
