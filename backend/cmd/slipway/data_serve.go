package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"github.com/slipway-desktop/slipway/backend/control"
	"github.com/slipway-desktop/slipway/backend/datakit"
	"github.com/slipway-desktop/slipway/backend/datakit/tree"
)

// dataServer is what `slipway data serve` was asked for.
type dataServer struct {
	git, access string
	listen      []string
	memory      bool
	autoPush    string
	network     bool
	idle        time.Duration
	verbose     bool
}

func (d *dataCLI) serve() *cobra.Command {
	var s dataServer
	cmd := &cobra.Command{
		Use: "serve --git PATH [--listen ADDR]…", Short: "Serve a git repository as a file tree", Args: cobra.NoArgs,
		Long: `Serve a bare git repository, which is made if it does not exist, as a file tree over
9P. git can go on reading and writing it. The last line on standard output is "ready":
from then on it answers. An interrupt ends it cleanly.

Without --listen it answers at the socket datakit/9p.sock in the repository. A socket
can be opened by its owner only. TCP asks nobody who they are, so that only this
computer may connect unless --allow-network is given.

--access is a text, or @FILE, with a rule a line: for whom (uid=N, user=NAME, unix or
tcp; nothing is everybody), then branches, with * for any text, and rights:

  uid=1000  main:rw ci/*:r *:none
  tcp       public/*:r`,
		Example: "  slipway data serve --git notes.git --listen unix:///tmp/notes\n" +
			"  slipway data serve --memory --listen tcp://127.0.0.1:5640",
		RunE: func(cmd *cobra.Command, _ []string) error {
			switch {
			case s.memory == (s.git != ""):
				return usageError(cmd, "say either --git and the path of a repository, or --memory")
			case s.memory && len(s.listen) == 0:
				return usageError(cmd, "--memory needs --listen and an address")
			case s.memory && s.autoPush != "":
				return usageError(cmd, "--auto-push needs a repository on disk: --git")
			}
			return d.runServer(cmd.Context(), s)
		},
	}
	f := cmd.Flags()
	f.StringVar(&s.git, "git", "", "the repository's directory")
	f.BoolVar(&s.memory, "memory", false, "keep everything in memory, and lose it in the end")
	f.StringArrayVar(&s.listen, "listen", nil, "unix://PATH or tcp://HOST:PORT; may be repeated")
	f.StringVar(&s.autoPush, "auto-push", "", "push each branch to this git URL when it moves, with git")
	f.StringVar(&s.access, "access", "", "who may do what: rules, or @FILE (default: everything)")
	f.BoolVar(&s.network, "allow-network", false, "let other computers connect over TCP; they need no password")
	f.DurationVar(&s.idle, "idle", time.Hour, "close transactions that nobody touches for so long")
	f.BoolVarP(&s.verbose, "verbose", "v", false, "log what happens to standard error")
	return cmd
}

func (d *dataCLI) runServer(ctx context.Context, s dataServer) (err error) {
	level := slog.LevelWarn
	if s.verbose {
		level = slog.LevelDebug
	}
	log := slog.New(slog.NewTextHandler(d.err, &slog.HandlerOptions{Level: level}))
	opt := tree.Options{Log: log, Idle: s.idle}
	if s.access != "" {
		rules, err := readRules(s.access)
		if err != nil {
			return err
		}
		opt.Access = rules.Access
	}
	store, err := s.open(ctx, log)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, store.Close()) }()
	var push *autoPush
	if s.autoPush != "" {
		if push, err = newAutoPush(store, s.autoPush, log); err != nil {
			return err
		}
	}
	if len(s.listen) == 0 {
		s.listen = []string{"unix://" + filepath.Join(store.Path(), "datakit", "9p.sock")}
	}
	listeners, err := s.listeners(ctx)
	if err != nil {
		return err
	}
	server := tree.New(store, opt)
	all, ctx := errgroup.WithContext(ctx)
	all.Go(func() error { return server.Run(ctx) })
	if push != nil {
		all.Go(func() error { return push.run(ctx) })
	}
	for _, l := range listeners {
		all.Go(func() error { return server.Serve(ctx, l) })
	}
	all.Go(func() error { return s.announce(d.out, store.Path(), listeners) })
	d.following = true
	return all.Wait()
}

func readRules(text string) (tree.Rules, error) {
	if file, ok := strings.CutPrefix(text, "@"); ok {
		b, err := os.ReadFile(file)
		if err != nil {
			return nil, fmt.Errorf("read access rules: %w", err)
		}
		text = string(b)
	}
	rules, err := tree.ParseAccess(text)
	if err != nil {
		return nil, &control.Error{Code: control.CodeInvalid, Message: err.Error(), Hint: "see `slipway data serve --help`", Err: err}
	}
	return rules, nil
}

func (s dataServer) open(ctx context.Context, log *slog.Logger) (*datakit.Store, error) {
	opt := datakit.Options{Log: log}
	if s.memory {
		return datakit.OpenMemory(opt)
	}
	store, err := datakit.Open(ctx, s.git, opt)
	if errors.Is(err, datakit.ErrInUse) {
		return nil, &control.Error{
			Code: control.CodeTaken, Message: err.Error(),
			Hint: "another `slipway data serve` has it: use that one with --addr, or end it", Err: err,
		}
	}
	return store, err
}

func (s dataServer) listeners(ctx context.Context) (all []net.Listener, err error) {
	for _, addr := range s.listen {
		l, lerr := tree.Listen(ctx, addr, tree.ListenOptions{Remote: s.network})
		if lerr != nil {
			return nil, closeAll(all, lerr)
		}
		all = append(all, l)
	}
	return all, nil
}

func closeAll(all []net.Listener, err error) error {
	for _, l := range all {
		err = errors.Join(err, l.Close())
	}
	return err
}

// announce says how to use the server, and that it is ready.
func (s dataServer) announce(out io.Writer, repo string, listeners []net.Listener) error {
	var b strings.Builder
	first := ""
	for i, l := range listeners {
		addr := s.listen[i]
		if l.Addr().Network() == "tcp" { // the port may have been 0
			addr = "tcp://" + l.Addr().String()
		}
		if first == "" {
			first = addr
		}
		fmt.Fprintf(&b, "Listening at %s\n", addr)
	}
	fmt.Fprintf(&b, "  use it:    slipway data ls --addr %s\n  mount it:  slipway data mount --addr %s DIR\n", first, first)
	if repo != "" {
		fmt.Fprintf(&b, "  clone it:  git clone %s\n", repo)
	}
	_, err := fmt.Fprintf(out, "%sready\n", b.String())
	if err != nil {
		return fmt.Errorf("say that the server is ready: %w", err)
	}
	return nil
}
