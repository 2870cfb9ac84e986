package engine

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/slipway-desktop/slipway/backend/capture"
	"github.com/slipway-desktop/slipway/backend/control"
	"github.com/slipway-desktop/slipway/backend/datakit"
	"github.com/slipway-desktop/slipway/backend/datakit/client"
	"github.com/slipway-desktop/slipway/backend/datakit/tree"
	"github.com/slipway-desktop/slipway/backend/docker"
	"github.com/slipway-desktop/slipway/backend/engine/settings"
	"github.com/slipway-desktop/slipway/backend/pipeline"
	"github.com/slipway-desktop/slipway/backend/vm"
	"github.com/slipway-desktop/slipway/backend/vm/driver"
)

const (
	// shutdownTime is what the guest has for stopping its containers, each of which
	// may take Docker's usual ten seconds, and powering off.
	shutdownTime = 25 * time.Second
	// stopTime bounds how long an engine that ends waits for its machine, with the
	// supervisor's sterner measures after shutdownTime.
	stopTime = shutdownTime + 12*time.Second
)

// Options say which engine to run.
type Options struct {
	Home    string       // the state directory; made if absent
	Image   string       // directory with vmlinux, initrd, root.erofs
	Version string       // of the program
	Log     slog.Handler // gets each record besides the home's log; nil for none
	Driver  vm.Driver    // nil for the system's own
}

// An Engine runs on one home. New makes it and Run runs it, once.
type Engine struct {
	options Options
	home    home
	image   image
	began   time.Time
	hub     *hub
	quit    chan struct{} // closed by Quit
	once    sync.Once
	gauge   gauge

	// Set by open, before anything runs; not changed after.
	log        *slog.Logger
	book       *logbook
	store      *datakit.Store
	tree       *tree.Server
	settings   *settings.Service
	capture    *capture.Capture
	names      *names
	driver     vm.Driver
	supervisor *vm.Supervisor
	docker     *docker.Endpoint
	data       *client.Client  // of the data store's tree
	life       context.Context // what lives as long as the engine; ends after the machine is down

	mu       sync.Mutex
	starting sync.Mutex // held while a boot is prepared
	boot     *boot      // of the machine that is there, or nil
	context  string     // the Docker context that was made, "" if none
	warnings map[string]control.Warning
	runs     []pipeline.Run // the newest

	dataRevision atomic.Uint64
}

// New makes an engine. It starts nothing and touches no file.
func New(o Options) (*Engine, error) {
	if o.Home == "" || o.Image == "" {
		return nil, errors.New("an engine needs a home and an image")
	}
	return &Engine{
		options: o, home: home(o.Home), image: image(o.Image), began: time.Now(),
		hub: newHub(), quit: make(chan struct{}), warnings: map[string]control.Warning{},
	}, nil
}

// Run takes the home, cleans up after an engine that was killed, and serves until
// ctx ends or Quit is called. Then it stops the machine cleanly and returns when
// all it started has ended. It returns ErrHomeTaken (within a control.Error) if
// another engine has the home.
func (e *Engine) Run(ctx context.Context) (err error) {
	lock, err := e.home.open()
	if err != nil {
		return err
	}
	defer lock.Close()
	closeAll, err := e.open(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, closeAll()) }()

	listener, err := control.Listen(SocketPath(e.options.Home))
	if err != nil {
		return err
	}
	e.log.Info("engine started", "home", e.options.Home, "version", e.options.Version, "pid", os.Getpid())
	defer e.log.Info("engine stopped")
	return e.serve(ctx, listener)
}

// serve runs the engine's parts. They outlive ctx: the machine is stopped with
// all of them still there.
func (e *Engine) serve(ctx context.Context, listener net.Listener) error {
	life, end := context.WithCancel(context.WithoutCancel(ctx))
	defer end()
	parts, life := errgroup.WithContext(life)
	e.life = life
	e.makeContext()
	parts.Go(func() error { return e.tree.Run(life) })
	if err := e.connectData(life, parts); err != nil {
		end()
		return errors.Join(err, parts.Wait())
	}
	parts.Go(func() error { return e.supervisor.Run(life) })
	parts.Go(func() error { return e.docker.Run(life) })
	parts.Go(func() error { return control.Serve(life, listener, e.sources(), e.log) })
	parts.Go(func() error { return e.watchMachine(life) })
	parts.Go(func() error { return e.watchSettings(life) })
	parts.Go(func() error { return e.watchData(life) })
	parts.Go(func() error { return e.watchPipelines(life) })
	parts.Go(func() error { return e.watchGauges(life) })
	parts.Go(func() error { return e.copyConsole(life) })

	select {
	case <-ctx.Done():
	case <-e.quit:
	case <-life.Done(): // a part failed
	}
	stop, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopTime)
	defer cancel()
	err := e.supervisor.Stop(stop)
	if errors.Is(err, vm.ErrClosed) {
		err = nil
	}
	e.removeContext()
	end()
	return errors.Join(err, parts.Wait())
}

// open prepares what lives as long as the engine.
func (e *Engine) open(ctx context.Context) (closeAll func() error, err error) {
	var closers []io.Closer
	closeAll = func() error {
		var errs []error
		for i := len(closers) - 1; i >= 0; i-- {
			errs = append(errs, closers[i].Close())
		}
		return errors.Join(errs...)
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, closeAll())
		}
	}()

	e.book, err = openLogbook(e.home.log(), func() { e.hub.changed(control.TopicLog) })
	if err != nil {
		return nil, err
	}
	closers = append(closers, e.book)
	e.log = slog.New(&handler{book: e.book, next: e.options.Log})

	if e.driver = e.options.Driver; e.driver == nil {
		e.driver = driver.Default(driver.Options{CacheDir: e.options.Home, Log: e.log})
	}
	if err := e.recover(ctx); err != nil {
		return nil, err
	}
	host, err := settings.DetectHost()
	if err != nil {
		return nil, err
	}
	host.DiskGiB = e.diskGiB
	if e.store, err = e.openData(ctx, host); err != nil {
		return nil, err
	}
	closers = append(closers, e.store)
	if e.settings, err = settings.Open(e.store, host); err != nil {
		return nil, fmt.Errorf("open the settings: %w", err)
	}
	values := e.settings.Values()
	e.names = newNames()
	e.capture = capture.New(capture.Options{
		MaxBytes: int64(values.CaptureMemoryMiB) << 20, Snaplen: values.CaptureSnapLen, Names: e.names, Log: e.log,
	})
	e.supervisor = vm.NewSupervisor(vm.Options{Driver: e.driver, Guest: (*guestSide)(e), Log: e.log,
		Deadlines: vm.Deadlines{Shutdown: shutdownTime}})
	e.docker, err = docker.New(docker.Options{
		Socket: e.home.docker(), Dial: e.dialDocker, CheckBind: e.checkBind, Log: e.log,
	})
	return closeAll, err
}

// recover ends what an engine that was killed left running.
func (e *Engine) recover(ctx context.Context) error {
	recoverer, ok := e.driver.(vm.Recoverer)
	if !ok {
		return nil
	}
	found, err := recoverer.Recover(ctx, e.home.run())
	if err != nil {
		return fmt.Errorf("clean up after the last engine: %w", err)
	}
	if found.PID != 0 {
		e.log.Warn("ended a machine that a killed engine had left", "pid", found.PID, "killed", found.Killed)
	}
	return nil
}

// sources is what the control tree shows.
func (e *Engine) sources() control.Sources {
	return control.Sources{Engine: e, Machine: (*machine)(e), Containers: (*containers)(e), Ports: (*ports)(e), Traffic: (*traffic)(e), Settings: (*settingsTree)(e),
		Pipelines: (*pipelines)(e), Data: e.dataTree}
}

// Quit stops the machine cleanly and then the engine.
func (e *Engine) Quit(ctx context.Context) error {
	err := (*machine)(e).Stop(ctx)
	e.once.Do(func() { close(e.quit) })
	return err
}

// Log writes the recent log lines.
func (e *Engine) Log(_ context.Context, w io.Writer) error { return e.book.write(w) }

// warn shows a lasting condition until it is cleared.
func (e *Engine) warn(w control.Warning) {
	e.mu.Lock()
	before, had := e.warnings[w.Code]
	e.warnings[w.Code] = w
	e.mu.Unlock()
	if !had || before != w {
		e.log.Warn(w.Title, "text", w.Text)
		e.hub.changed(control.TopicStatus)
	}
}

func (e *Engine) clearWarning(code string) {
	e.mu.Lock()
	_, had := e.warnings[code]
	delete(e.warnings, code)
	e.mu.Unlock()
	if had {
		e.hub.changed(control.TopicStatus)
	}
}
