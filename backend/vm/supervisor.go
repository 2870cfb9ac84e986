package vm

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"sync"
	"time"
)

// Deadlines bound every wait of a Supervisor. Zero means the default.
type Deadlines struct {
	Launch    time.Duration // Driver.Start, with its probe; 30 s
	FirstLine time.Duration // from the end of Launch to the first console line; 15 s
	Boot      time.Duration // Guest.Boot; 120 s
	Shutdown  time.Duration // Guest.Shutdown, and the guest's power-off after it; 10 s
	Quit      time.Duration // Instance.Stop, and the end of the machine after it; 5 s
	Kill      time.Duration // from Instance.Kill to the end of the machine; 5 s
	Panic     time.Duration // for a panicking guest to print its last words; 1 s
}

func (d *Deadlines) setDefaults() {
	for _, f := range []struct {
		p *time.Duration
		d time.Duration
	}{
		{&d.Launch, 30 * time.Second},
		{&d.FirstLine, 15 * time.Second},
		{&d.Boot, 120 * time.Second},
		{&d.Shutdown, 10 * time.Second},
		{&d.Quit, 5 * time.Second},
		{&d.Kill, 5 * time.Second},
		{&d.Panic, time.Second},
	} {
		if *f.p == 0 {
			*f.p = f.d
		}
	}
}

// DefaultRetries is how often a silent launch is repeated.
const DefaultRetries = 2

// Options of a Supervisor. Driver and Guest are required.
type Options struct {
	Driver    Driver
	Guest     Guest
	Log       *slog.Logger // nil discards
	Deadlines Deadlines
	// Retries is how often a launch without any console line is repeated:
	// 0 means DefaultRetries, a negative number never.
	Retries      int
	ConsoleBytes int // size of the console ring; 0 means DefaultConsoleBytes
}

// ErrClosed is returned by requests to a Supervisor whose Run has returned.
var ErrClosed = errors.New("the machine's supervisor has ended")

// Supervisor runs one machine at a time. Its methods may be called concurrently;
// requests wait until Run takes them.
type Supervisor struct {
	driver    Driver
	guest     Guest
	log       *slog.Logger
	deadlines Deadlines
	retries   int
	console   *ring
	requests  chan request
	closed    chan struct{}

	mu       sync.Mutex
	status   Status
	instance Instance // while one is there
	watchers map[chan Status]struct{}
}

// NewSupervisor makes a supervisor in state Stopped. It starts nothing: Run does.
func NewSupervisor(o Options) *Supervisor {
	o.Deadlines.setDefaults()
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	switch {
	case o.Retries == 0:
		o.Retries = DefaultRetries
	case o.Retries < 0:
		o.Retries = 0
	}
	if o.ConsoleBytes <= 0 {
		o.ConsoleBytes = DefaultConsoleBytes
	}
	return &Supervisor{
		driver:    o.Driver,
		guest:     o.Guest,
		log:       o.Log,
		deadlines: o.Deadlines,
		retries:   o.Retries,
		console:   newRing(o.ConsoleBytes),
		requests:  make(chan request),
		closed:    make(chan struct{}),
		status: Status{
			State:  Stopped,
			Driver: o.Driver.Name(),
			Phases: newPhases(),
			Since:  time.Now(),
		},
		watchers: map[chan Status]struct{}{},
	}
}

type verb int

const (
	verbStart verb = iota
	verbStop
	verbRestart
	verbKill
)

// request is one call, answered through reply exactly once.
type request struct {
	verb   verb
	config Config
	reply  chan error // holds one: answering never blocks
}

// Run serves requests until ctx ends, then stops the machine as Stop does. It
// returns when the machine and all that was started for it are gone. It must be
// called once.
func (s *Supervisor) Run(ctx context.Context) error {
	defer close(s.closed)
	var last *Config // of the last Start
	for {
		var r request
		select {
		case <-ctx.Done():
			return nil
		case r = <-s.requests:
		}
		for next := &r; next != nil; {
			r, next = *next, nil
			switch r.verb {
			case verbStart:
				last = &r.config
				next = s.live(ctx, r)
			case verbRestart:
				if last == nil {
					r.reply <- &Fault{Code: CodeState, Message: "The machine was never started.", Hint: "Start it first."}
					break
				}
				next = s.live(ctx, request{verbStart, *last, r.reply})
			case verbStop, verbKill:
				r.reply <- nil // it is what was asked for
			}
		}
	}
}

func (s *Supervisor) do(ctx context.Context, v verb, c Config) error {
	r := request{v, c, make(chan error, 1)}
	select {
	case s.requests <- r:
	case <-ctx.Done():
		return ctx.Err()
	case <-s.closed:
		return ErrClosed
	}
	select {
	case err := <-r.reply:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Start launches a machine and returns when its guest serves, or with the
// *Fault that prevented it. ctx bounds the waiting alone: the launch goes on
// without the caller. Use Stop to end it. Starting a machine that is there is a
// *Fault of code CodeState.
func (s *Supervisor) Start(ctx context.Context, c Config) error { return s.do(ctx, verbStart, c) }

// Stop ends the machine: it asks the guest, then the hypervisor, then kills,
// each with its own deadline. It returns when the machine is gone, also one that
// was still starting. Stopping no machine is no error.
func (s *Supervisor) Stop(ctx context.Context) error { return s.do(ctx, verbStop, Config{}) }

// Restart is Stop followed by Start with the same Config.
func (s *Supervisor) Restart(ctx context.Context) error { return s.do(ctx, verbRestart, Config{}) }

// Kill ends the machine at once, also when a Stop is under way.
func (s *Supervisor) Kill(ctx context.Context) error { return s.do(ctx, verbKill, Config{}) }

// Pause makes the machine stand still. Without a machine that can, it returns a
// *Fault. The state follows when the machine says that it stopped.
func (s *Supervisor) Pause(ctx context.Context) error {
	p, err := s.pauser()
	if err != nil {
		return err
	}
	return p.Pause(ctx)
}

// Resume lets a paused machine go on.
func (s *Supervisor) Resume(ctx context.Context) error {
	p, err := s.pauser()
	if err != nil {
		return err
	}
	return p.Resume(ctx)
}

func (s *Supervisor) pauser() (Pauser, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.instance == nil || s.status.State != Running && s.status.State != Paused {
		return nil, &Fault{Code: CodeState, Message: "No machine is running.", Hint: "Start it first."}
	}
	p, ok := s.instance.(Pauser)
	if !ok {
		return nil, &Fault{Code: CodeUnsupported, Message: "This machine cannot be paused.", Hint: "Stop it instead."}
	}
	return p, nil
}

// Instance is the running machine, nil when there is none.
func (s *Supervisor) Instance() Instance {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.instance
}

// Status is the machine at this moment.
func (s *Supervisor) Status() Status {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.snapshot()
}

func (s *Supervisor) snapshot() Status {
	st := s.status
	st.Phases = slices.Clone(st.Phases)
	return st
}

// Watch delivers the present status and each later one. A reader that is slow
// misses those in between and gets the latest. The channel is closed when ctx
// ends; it is not at the end of Run.
func (s *Supervisor) Watch(ctx context.Context) <-chan Status {
	ch := make(chan Status, 1)
	s.mu.Lock()
	ch <- s.snapshot()
	s.watchers[ch] = struct{}{}
	s.mu.Unlock()
	context.AfterFunc(ctx, func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		delete(s.watchers, ch)
		close(ch)
	})
	return ch
}

// update changes the status and tells the watchers.
func (s *Supervisor) update(change func(*Status)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	before := s.status.State
	change(&s.status)
	s.status.Seq++
	if s.status.State != before {
		s.status.Since = time.Now()
	}
	for ch := range s.watchers {
		select { // the old value, if it was not taken, makes room for the new
		case <-ch:
		default:
		}
		ch <- s.snapshot()
	}
}

// Console is the console text kept, and how many bytes before it are lost. It
// spans launches, each of which begins with a line of ours.
func (s *Supervisor) Console() (data []byte, dropped uint64) {
	data, next, _ := s.console.since(0)
	return data, next - uint64(len(data))
}

// Follow returns console text from an offset on (0 is the oldest), waiting
// until there is some. It continues at next; a reader that was too slow sees
// next - len(data) beyond its from. The error is that of ctx.
func (s *Supervisor) Follow(ctx context.Context, from uint64) (data []byte, next uint64, err error) {
	return s.console.follow(ctx, from)
}
