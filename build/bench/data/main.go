// Command data measures the data kit beside what else there is, in one run: durable
// commits beside `git commit` and go-git, 9P beside hugelgupf/p9, the repository
// beside what `git gc` makes of it. Each figure is printed beside its target and
// whether it is met, as the lines of build/bench/data.md; -append adds them there.
//
// Contenders take turns in each round and the medians are compared, as the machine
// may be shared: only ratios mean anything, and only within a run. Everything is in a
// temporary directory, whose disk is the one that is measured (-dir chooses it).
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"time"
)

// options are those of a run.
type options struct {
	dir    string
	rounds int
	slice  time.Duration // how long a contender works in a round
	short  bool
	gogit  string // source of the program that uses go-git
}

// pick returns n, or a smaller number for a short run.
func (o options) pick(n, short int) int {
	if o.short {
		return short
	}
	return n
}

// A figure is one line of the table.
type figure struct {
	what, value, target string
	met                 string // "yes", "NO", or "" where there is no target
}

func judge(ok bool) string {
	if ok {
		return "yes"
	}
	return "NO"
}

// section is a group of figures.
type section struct {
	name    string
	measure func(context.Context, options) ([]figure, error)
}

var sections = []section{
	{"commits", commits}, {"clients", clients}, {"large", large}, {"wire", wire},
	{"watch", watch}, {"size", repositorySize}, {"memory", memory},
}

func main() {
	var o options
	flag.StringVar(&o.dir, "dir", "", "directory for temporary files (default: the system's)")
	flag.IntVar(&o.rounds, "n", 5, "rounds")
	flag.DurationVar(&o.slice, "slice", time.Second, "how long each contender works in a round")
	flag.BoolVar(&o.short, "short", false, "fewer commits and smaller files")
	flag.StringVar(&o.gogit, "gogit", "build/bench/gogit", "source of the program that commits with go-git")
	file := flag.String("append", "", "file to append the table to")
	only := flag.String("only", "", "sections to measure, separated by commas (default: all)")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, o, *only, *file); err != nil {
		fmt.Fprintln(os.Stderr, "data:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, o options, only, file string) (err error) {
	root, err := os.MkdirTemp(o.dir, "bench")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(root)) }()
	var all []figure
	for _, s := range sections {
		if only != "" && !slices.Contains(strings.Split(only, ","), s.name) {
			continue
		}
		part := o
		if part.dir, err = os.MkdirTemp(root, s.name); err != nil {
			return err
		}
		began := time.Now()
		figures, err := s.measure(ctx, part)
		if err != nil {
			return fmt.Errorf("%s: %w", s.name, err)
		}
		if err := os.RemoveAll(part.dir); err != nil {
			return err
		}
		fmt.Fprintf(os.Stderr, "%s took %s\n", s.name, time.Since(began).Round(time.Second))
		all = append(all, figures...)
	}
	text := table(o, all)
	fmt.Print(text)
	if file == "" {
		return nil
	}
	f, err := os.OpenFile(file, os.O_APPEND|os.O_WRONLY|os.O_CREATE, 0o644)
	if err != nil {
		return err
	}
	_, err = f.WriteString(text)
	return errors.Join(err, f.Close())
}

func table(o options, all []figure) string {
	var b strings.Builder
	kind := ""
	if o.short {
		kind = ", short"
	}
	fmt.Fprintf(&b, "\n## %s · %s/%s, %d processors, %s, %s, medians of %d rounds of %s%s\n\n| | measured | target | met |\n|---|---|---|---|\n",
		time.Now().Format("2006-01-02 15:04"), runtime.GOOS, runtime.GOARCH, runtime.NumCPU(), runtime.Version(), gitVersion(), o.rounds, o.slice, kind)
	for _, f := range all {
		fmt.Fprintf(&b, "| %s | %s | %s | %s |\n", f.what, f.value, f.target, f.met)
	}
	return b.String()
}

func gitVersion() string {
	out, err := exec.Command("git", "version").Output()
	if err != nil {
		return "git unknown"
	}
	return strings.TrimSpace(strings.Replace(string(out), " version", "", 1))
}

// A contender does one thing over and over. n counts the calls.
type contender struct {
	name string
	do   func(ctx context.Context, n int) error
	end  func() error // may be nil

	done  int
	rates []float64 // calls a second, by round
}

// race lets each contender work for a slice of time, in turn, round after round.
func race(ctx context.Context, o options, all ...*contender) (err error) {
	defer func() {
		for _, c := range all {
			if c.end != nil {
				err = errors.Join(err, c.end())
			}
		}
	}()
	for round := range o.rounds {
		for i := range all {
			c := all[(i+round)%len(all)] // nobody is always the first
			began := time.Now()
			calls := 0
			for time.Since(began) < o.slice {
				if err := ctx.Err(); err != nil {
					return err
				}
				if err := c.do(ctx, c.done); err != nil {
					return fmt.Errorf("%s: %w", c.name, err)
				}
				c.done++
				calls++
			}
			c.rates = append(c.rates, float64(calls)/time.Since(began).Seconds())
		}
	}
	return nil
}

func (c *contender) rate() float64 { return median(c.rates) }

// spread is a rate with its extremes.
func (c *contender) spread() string {
	return fmt.Sprintf("%.0f (%.0f to %.0f)", c.rate(), slices.Min(c.rates), slices.Max(c.rates))
}

func median[T float64 | time.Duration](values []T) T {
	sorted := slices.Sorted(slices.Values(values))
	return sorted[len(sorted)/2]
}

// atLeast judges one rate by another.
func atLeast(what string, ours, theirs *contender, factor float64) figure {
	ratio := ours.rate() / theirs.rate()
	return figure{what, fmt.Sprintf("%.2f times", ratio), fmt.Sprintf("at least %g times", factor), judge(ratio >= factor)}
}
