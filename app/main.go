package app

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/wailsapp/wails/v2"
	"github.com/wailsapp/wails/v2/pkg/options"
	"github.com/wailsapp/wails/v2/pkg/options/assetserver"
	"github.com/wailsapp/wails/v2/pkg/options/linux"
	"github.com/wailsapp/wails/v2/pkg/options/mac"

	"github.com/slipway-desktop/slipway/backend/control"
	"github.com/slipway-desktop/slipway/backend/engine"
)

// loaded is when Go's runtime had begun.
var loaded = time.Now()

// Main runs the app until it is quit and returns the exit code. assets is the
// built frontend, with index.html at its root.
func Main(version string, assets fs.FS) int {
	config, code := parse(version)
	if config == nil {
		return code
	}
	fixEnvironment()
	if err := run(config, assets); err != nil {
		fmt.Fprintf(os.Stderr, "slipway-desktop: %v\n", err)
		var e *control.Error
		if errors.As(err, &e) && e.Hint != "" {
			fmt.Fprintf(os.Stderr, "  %s\n", e.Hint)
		}
		return 1
	}
	return 0
}

// config is what the command line says.
type config struct {
	version string
	home    string
	image   string
	hidden  bool // start in the tray, as at login
}

// parse returns nil and an exit code if there is nothing to run.
func parse(version string) (*config, int) {
	c := &config{version: version}
	flags := flag.NewFlagSet("slipway-desktop", flag.ContinueOnError)
	flags.StringVar(&c.home, "home", "", "state directory (default: SLIPWAY_HOME, or the system's place for application data)")
	flags.StringVar(&c.image, "image", os.Getenv("SLIPWAY_IMAGE"), "directory of the guest image (default: the one that came with the app)")
	flags.BoolVar(&c.hidden, "hidden", false, "start in the tray, without a window")
	show := flags.Bool("version", false, "print the version and exit")
	switch err := flags.Parse(os.Args[1:]); {
	case errors.Is(err, flag.ErrHelp):
		return nil, 0
	case err != nil:
		return nil, 2
	}
	if *show {
		fmt.Println("slipway-desktop", version)
		return nil, 0
	}
	return c, 0
}

func run(c *config, assets fs.FS) error {
	if err := checkDisplay(); err != nil {
		return err
	}
	var err error
	if c.home == "" {
		if c.home, err = engine.DefaultHome(); err != nil {
			return fmt.Errorf("find the state directory: %w", err)
		}
	}
	if c.home, err = filepath.Abs(c.home); err != nil {
		return fmt.Errorf("find the state directory: %w", err)
	}
	i, err := claim(c.home)
	if i == nil || err != nil {
		return err
	}
	s := newShell(c, i)
	defer i.Close() // if there was no shutdown
	s.tray.beforeWindow()
	return open(&options.App{
		Title:            "Slipway",
		Width:            1180,
		Height:           780,
		MinWidth:         760,
		MinHeight:        520,
		StartHidden:      c.hidden,
		BackgroundColour: options.NewRGB(24, 26, 27),
		AssetServer:      &assetserver.Options{Assets: assets},
		Bind:             []any{s.api},
		OnStartup:        s.startup,
		OnBeforeClose:    s.beforeClose,
		OnShutdown:       s.shutdown,
		ErrorFormatter:   formatError,
		Linux: &linux.Options{
			Icon:             windowIcon,
			ProgramName:      "slipway-desktop",
			WebviewGpuPolicy: linux.WebviewGpuPolicyNever,
		},
		Mac: &mac.Options{TitleBar: mac.TitleBarDefault()},
	})
}

// open runs the window. Where a display is named but does not answer, Wails panics.
func open(o *options.App) (err error) {
	defer func() {
		p := recover()
		if p != nil && fmt.Sprint(p) != "failed to init GTK" {
			panic(p)
		}
		if p != nil {
			err = control.Errorf(control.CodeUnavailable, "the display %s does not answer", os.Getenv("DISPLAY")).
				WithHint("run `slipway up` for the engine without a window, or correct DISPLAY")
		}
	}()
	return wails.Run(o)
}

// formatError gives the frontend what a person needs to read. Wails sends the
// result as JSON to the caller's promise.
func formatError(err error) any {
	var e *control.Error
	if errors.As(err, &e) {
		return e
	}
	if errors.Is(err, context.Canceled) {
		return control.Errorf(control.CodeUnavailable, "Slipway is closing.")
	}
	return control.Errorf(control.CodeInternal, "%v", err)
}
