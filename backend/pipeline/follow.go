package pipeline

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/slipway-desktop/slipway/backend/datakit"
	"github.com/slipway-desktop/slipway/backend/datakit/client"
)

const (
	maxLog    = 64 << 20 // bytes given of a log: the last ones
	logPeriod = 200 * time.Millisecond
	runPeriod = time.Second // without a Notifier
	lostCheck = 2 * time.Second
	watched   = 200 // runs
)

// ErrNotOffered says that the runner of a run does not do what was asked.
var ErrNotOffered = errors.New("the runner does not offer this")

// Log writes a run's log as it was written, at most its last 64 MiB. With follow it
// goes on while the run does, and returns when that ends.
func Log(ctx context.Context, src Source, id string, follow bool, w io.Writer) error {
	out := &rest{w: w}
	for {
		r, err := Find(ctx, src, id)
		if err != nil {
			return err
		}
		path, live := "snapshots/"+r.Result+"/ro/"+LogFile, false
		if !r.Status.ended() {
			open, err := openTransactions(ctx, src)
			if err != nil {
				return err
			}
			if t, ok := open[r.ResultBranch]; ok {
				path, live = "branch/"+element(r.ResultBranch)+"/transactions/"+t.Name+"/rw/"+LogFile, true
			}
		}
		out.at, out.done = 0, max(out.done, r.LogBytes-maxLog)
		began := time.Now()
		err = src.CopyFile(ctx, path, out)
		if err != nil && !errors.Is(err, datakit.ErrNotExist) {
			return fmt.Errorf("read log of %s: %w", id, err)
		}
		if !follow || r.Status.ended() && !live {
			return nil
		}
		// Reading a long log again must not be all that is done.
		select {
		case <-time.After(max(logPeriod, 10*time.Since(began))):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// element is a branch's name as one element of the tree.
func element(branch string) string {
	return strings.NewReplacer("%", "%25", "/", "%2F").Replace(branch)
}

// rest writes what comes from offset done on, reading after reading.
type rest struct {
	w    io.Writer
	at   int64 // offset of this reading
	done int64
}

func (r *rest) Write(p []byte) (int, error) {
	old := int(max(0, min(int64(len(p)), r.done-r.at)))
	n, err := 0, error(nil)
	if old < len(p) {
		n, err = r.w.Write(p[old:])
		r.done = r.at + int64(old+n)
	}
	r.at += int64(old + n)
	return old + n, err
}

// Act asks a run's runner for something that it offers. It returns when the request
// is stored; what comes of it is seen in the runs. Errors: ErrNoRun, ErrNotOffered.
func Act(ctx context.Context, s Store, id string, a Action) error {
	r, err := Find(ctx, s, id)
	if err != nil {
		return err
	}
	if !slices.Contains(r.Offers, a) || a == Cancel && r.Status.ended() || a == Rerun && !r.Status.ended() {
		return fmt.Errorf("%s %s: %w", a, id, ErrNotOffered)
	}
	request := fmt.Appendf(nil, "%s %d\n", a, r.Number)
	_, err = s.Update(ctx, r.ResultBranch, fmt.Sprintf("Ask for: %s %d", a, r.Number), func(tx *client.Tx) error {
		return tx.Write(ctx, RequestFile, request)
	})
	if errors.Is(err, datakit.ErrNoChange) {
		return nil // it was asked before
	}
	return err
}

// Watch yields the newest 200 runs, now and whenever they have changed. It ends with
// ctx, or after an error.
func Watch(ctx context.Context, src Source) iter.Seq2[[]Run, error] {
	return func(yield func([]Run, error) bool) {
		ctx, cancel := context.WithCancel(ctx)
		defer cancel()
		var news <-chan struct{}
		period := runPeriod
		if n, ok := src.(Notifier); ok {
			news, period = n.Changed(ctx), lostCheck
		}
		tick := time.NewTicker(period)
		defer tick.Stop()
		var before []Run
		for first := true; ; first = false {
			runs, err := Runs(ctx, src, "", watched)
			switch {
			case ctx.Err() != nil:
				return
			case err != nil:
				yield(nil, err)
				return
			case first || !reflect.DeepEqual(runs, before):
				if !yield(runs, nil) {
					return
				}
				before = runs
			}
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
			case _, ok := <-news:
				if !ok {
					news = nil
				}
			}
		}
	}
}
