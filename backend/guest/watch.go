package guest

import (
	"context"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"unicode"

	"github.com/slipway-desktop/slipway/backend/guest/channel"
)

// Bounds on the facts of a guest, beside the bound on a message.
const (
	maxPhases   = 128
	maxVersions = 64
	maxName     = 128
	maxProblem  = 2048
)

// Facts returns what the guest last said about itself; zero before Run heard it.
// Strings in it hold no control characters, which a terminal might obey.
func (s *Session) Facts() Facts {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.facts.clone()
}

func (f Facts) clone() Facts {
	f.Phases = slices.Clone(f.Phases)
	f.Versions = maps.Clone(f.Versions)
	return f
}

// WatchFacts sends the present facts, when there are any, and then the newest ones
// each time they change; what the receiver is too slow for is left out. The channel
// is closed when ctx or the session ends.
func (s *Session) WatchFacts(ctx context.Context) <-chan Facts {
	out := make(chan Facts, 1)
	if !s.start(func() {
		defer close(out)
		for {
			s.mu.Lock()
			facts, heard, news := s.facts.clone(), s.heard, s.news
			s.mu.Unlock()
			if heard {
				offer(out, facts)
			}
			select {
			case <-news:
			case <-ctx.Done():
				return
			case <-s.mux.Done():
				return
			}
		}
	}) {
		close(out)
	}
	return out
}

// followFacts takes in facts until the stream ends.
func (s *Session) followFacts(ctx context.Context) error {
	st, err := s.mux.Open(ctx, ServiceFacts)
	if err != nil {
		return err
	}
	defer st.Close()
	for {
		var facts Facts
		if err := st.Receive(&facts); err != nil {
			return fmt.Errorf("receive facts: %w", err)
		}
		if err := facts.check(); err != nil {
			return fmt.Errorf("receive facts: %w", err)
		}
		s.mu.Lock()
		s.facts, s.heard = facts, true
		close(s.news)
		s.news = make(chan struct{})
		s.mu.Unlock()
	}
}

// check refuses facts that no agent of ours sends and makes the strings of the
// others fit to print.
func (f *Facts) check() error {
	switch f.Docker {
	case DockerStarting, DockerReady, DockerFailed:
	default:
		return fmt.Errorf("unknown state of Docker %.40q", f.Docker)
	}
	if len(f.Phases) > maxPhases || len(f.Versions) > maxVersions {
		return fmt.Errorf("%d phases and %d versions are too many", len(f.Phases), len(f.Versions))
	}
	for i := range f.Phases {
		f.Phases[i].Name = line(f.Phases[i].Name)
		if f.Phases[i].At < 0 {
			return fmt.Errorf("phase %q was done before the start", f.Phases[i].Name)
		}
	}
	versions := make(map[string]string, len(f.Versions))
	for name, v := range f.Versions {
		versions[line(name)] = line(v)
	}
	f.Versions = versions
	f.Problem = plain(f.Problem, maxProblem)
	return nil
}

// Stats sends a reading every second until ctx or the session ends, and then closes
// the channel. The guest measures only while someone listens; what the receiver is
// too slow for is left out.
func (s *Session) Stats(ctx context.Context) <-chan Stats {
	out := make(chan Stats, 1)
	if !s.start(func() {
		defer close(out)
		if err := s.followStats(ctx, out); err != nil && ctx.Err() == nil {
			s.log.Debug("the guest's statistics ended", "error", err)
		}
	}) {
		close(out)
	}
	return out
}

func (s *Session) followStats(ctx context.Context, out chan Stats) error {
	st, err := s.mux.Open(ctx, ServiceStats)
	if err != nil {
		return err
	}
	defer st.Close()
	return st.Do(ctx, func() error { return receiveStats(st, out) })
}

func receiveStats(st *channel.Stream, out chan Stats) error {
	for {
		var v Stats
		if err := st.Receive(&v); err == io.EOF {
			return nil
		} else if err != nil {
			return err
		}
		v.CPU = min(max(v.CPU, 0), 100)
		v.Load = max(v.Load, 0)
		v.MemoryUsed = min(v.MemoryUsed, v.MemoryTotal)
		v.MemoryAvailable = min(v.MemoryAvailable, v.MemoryTotal)
		v.DiskUsed = min(v.DiskUsed, v.DiskTotal)
		offer(out, v)
	}
}

// offer puts v in the place of what a channel with room for one may still hold. Only
// one goroutine may send on ch.
func offer[T any](ch chan T, v T) {
	select {
	case <-ch:
	default:
	}
	ch <- v
}

// line makes text fit for one line.
func line(text string) string {
	return strings.ReplaceAll(plain(text, maxName), "\n", "\ufffd")
}

// plain cuts text to n bytes and replaces what is not printable, such as a terminal's
// control sequences.
func plain(text string, n int) string {
	text = strings.ToValidUTF8(text[:min(len(text), n)], "")
	return strings.Map(func(r rune) rune {
		if r != '\n' && !unicode.IsPrint(r) {
			return '\ufffd'
		}
		return r
	}, text)
}
