package pipeline

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/slipway-desktop/slipway/backend/datakit"
	"github.com/slipway-desktop/slipway/backend/datakit/query"
)

const (
	defaultRuns    = 100
	maxBranches    = 20_000 // result branches that are looked at
	maxCommits     = 200    // of one result branch
	maxArtefacts   = 10_000 // counted
	maxArtefactDir = 16     // deep
	readers        = 8      // branches read at a time

	// grace is how long a run may have no open transaction: between its first
	// commit and that, and while clocks differ.
	grace = 5 * time.Second
)

// ErrNoRun says that there is no run of this name.
var ErrNoRun = fmt.Errorf("no such run: %w", datakit.ErrNotExist)

// Runs returns the newest runs first, at most limit (100 if 0), of one pipeline or
// of all if it is "".
func Runs(ctx context.Context, src Source, pipeline string, limit int) ([]Run, error) {
	if limit <= 0 {
		limit = defaultRuns
	}
	branches, err := src.Branches(ctx)
	if err != nil {
		return nil, fmt.Errorf("list result branches: %w", err)
	}
	branches = slices.DeleteFunc(branches, func(b query.Branch) bool {
		name, _, ok := splitBranch(b.Name)
		return !ok || pipeline != "" && name != pipeline
	})
	// Newest commits first, so that the bound leaves out what is old.
	slices.SortStableFunc(branches, func(a, b query.Branch) int { return b.Time.Compare(a.Time) })
	branches = branches[:min(len(branches), maxBranches, 4*limit+readers)]
	open, err := openTransactions(ctx, src)
	if err != nil {
		return nil, err
	}
	all := make([][]Run, len(branches))
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(readers)
	for i, b := range branches {
		group.Go(func() (err error) {
			all[i], err = runsOf(ctx, src, b, open[b.Name])
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return nil, err
	}
	runs := append([]Run{}, slices.Concat(all...)...) // not nil: a list in JSON
	slices.SortStableFunc(runs, func(a, b Run) int {
		return cmp.Or(b.Started.Compare(a.Started), strings.Compare(a.ResultBranch, b.ResultBranch), b.Number-a.Number)
	})
	return runs[:min(len(runs), limit)], nil
}

// Find returns one run, or ErrNoRun.
func Find(ctx context.Context, src Source, id string) (Run, error) {
	branch, number, err := splitID(id)
	if err != nil {
		return Run{}, err
	}
	branches, err := src.Branches(ctx)
	if err != nil {
		return Run{}, fmt.Errorf("list result branches: %w", err)
	}
	i := slices.IndexFunc(branches, func(b query.Branch) bool { return b.Name == branch })
	if i < 0 {
		return Run{}, ErrNoRun
	}
	open, err := openTransactions(ctx, src)
	if err != nil {
		return Run{}, err
	}
	runs, err := runsOf(ctx, src, branches[i], open[branch])
	if err != nil {
		return Run{}, err
	}
	for _, r := range runs {
		if r.Number == number {
			return r, nil
		}
	}
	return Run{}, ErrNoRun
}

func runID(branch string, number int) string { return branch + "@" + strconv.Itoa(number) }

func splitID(id string) (branch string, number int, err error) {
	i := strings.LastIndexByte(id, '@')
	if i < 0 {
		return "", 0, ErrNoRun
	}
	number, err = strconv.Atoi(id[i+1:])
	if _, _, ok := splitBranch(id[:i]); !ok || err != nil || number < 1 {
		return "", 0, ErrNoRun
	}
	return id[:i], number, nil
}

// openTransactions returns the oldest open transaction of each branch.
func openTransactions(ctx context.Context, src Source) (map[string]query.Transaction, error) {
	list, err := src.Transactions(ctx)
	if err != nil {
		return nil, fmt.Errorf("list open transactions: %w", err)
	}
	open := map[string]query.Transaction{}
	for _, t := range list {
		if _, there := open[t.Branch]; !there {
			open[t.Branch] = t
		}
	}
	return open, nil
}

// runsOf returns the runs of a result branch, the newest first.
func runsOf(ctx context.Context, src Source, b query.Branch, open query.Transaction) ([]Run, error) {
	kept, ok := cached(b.Name, b.Head)
	if !ok {
		var err error
		if kept, err = readRuns(ctx, src, b); err != nil {
			return nil, err
		}
		keep(b.Name, b.Head, kept)
	}
	runs := slices.Clone(kept)
	for i := range runs {
		r := &runs[i]
		if r.Status.ended() {
			continue
		}
		switch {
		case i > 0, open.Name == "" && time.Since(b.Time) > grace:
			r.Status, r.Message = Lost, "its runner went away"
			r.Offers = slices.DeleteFunc(slices.Clone(r.Offers), func(a Action) bool { return a == Cancel })
		case r.Runner == "" && open.Name != "":
			r.Runner = clean(fmt.Sprintf("%s %s[%d]", open.Owner.User, open.Owner.Program, open.Owner.PID))
		}
	}
	return runs, nil
}

// readRuns follows the first parents of a result branch as long as they have the
// status of a run of this branch. Commits with the same start are one run.
func readRuns(ctx context.Context, src Source, b query.Branch) ([]Run, error) {
	var runs []Run
	for at, n := b.Head, 0; !at.IsZero() && n < maxCommits; n++ {
		r, found, err := readRun(ctx, src, b.Name, at)
		if err != nil {
			return nil, err
		}
		if !found {
			break
		}
		if last := len(runs) - 1; last < 0 || !runs[last].Started.Equal(r.Started) {
			runs = append(runs, r)
		}
		page, err := src.Log(ctx, query.LogQuestion{From: at.String(), Limit: 1})
		if err != nil {
			return nil, fmt.Errorf("read history of %s: %w", b.Name, err)
		}
		at = datakit.Hash{}
		if len(page.Commits) > 0 && len(page.Commits[0].Parents) > 0 {
			at = page.Commits[0].Parents[0]
		}
	}
	for i := range runs {
		r := &runs[i]
		r.Number = len(runs) - i
		r.ID = runID(b.Name, r.Number)
		if err := measure(ctx, src, r); err != nil {
			return nil, err
		}
	}
	return runs, nil
}

// readRun reads what one commit says of its run. Only a store that does not answer is
// an error.
func readRun(ctx context.Context, src Source, branch string, commit datakit.Hash) (r Run, found bool, err error) {
	pipeline, source, _ := splitBranch(branch)
	r = Run{Pipeline: clean(pipeline), ResultBranch: branch, Result: commit.String(), Steps: []Step{}, Offers: []Action{}}
	file, err := src.File(ctx, query.Place{Commit: commit.String(), Path: StatusFile})
	switch {
	case errors.Is(err, datakit.ErrNotExist):
		return r, false, nil
	case err != nil:
		return r, false, fmt.Errorf("read result %s: %w", branch, err)
	case file.Binary || file.Cut || file.Size > maxStatus:
		err = errors.New(StatusFile + " is no text, or too long")
	default:
		err = parseStatus(file.Text, &r)
	}
	if err == nil && r.Source != source.String() {
		if at, _ := datakit.ParseHash(r.Source); !at.IsZero() && commit != source {
			// The source is itself the result of another run: its history begins here.
			return r, false, nil
		}
	}
	if err != nil {
		r.Status, r.Message = Failed, clean("its result cannot be read: "+err.Error())
	}
	r.Source = source.String()
	page, lerr := src.Log(ctx, query.LogQuestion{From: r.Source, Limit: 1})
	if lerr == nil && len(page.Commits) > 0 {
		c := page.Commits[0]
		subject, _, _ := strings.Cut(c.Message, "\n")
		r.Subject, r.Author = clean(subject), clean(c.Author)
	} else if lerr != nil && ctx.Err() != nil {
		return r, false, ctx.Err()
	}
	return r, true, nil
}

// measure looks at the log's size and counts the artefacts.
func measure(ctx context.Context, src Source, r *Run) error {
	entries, err := src.Tree(ctx, query.Place{Commit: r.Result})
	if err != nil {
		return fmt.Errorf("list result %s: %w", r.ResultBranch, err)
	}
	for _, e := range entries {
		switch {
		case e.Name == LogFile && e.Kind != "dir":
			r.LogBytes = e.Size
		case e.Name == ArtefactsDir && e.Kind == "dir":
			if err := count(ctx, src, r.Result, ArtefactsDir, maxArtefactDir, &r.Artefacts); err != nil {
				return fmt.Errorf("list artefacts of %s: %w", r.ResultBranch, err)
			}
		}
	}
	return nil
}

func count(ctx context.Context, src Source, commit, dir string, depth int, n *int) error {
	entries, err := src.Tree(ctx, query.Place{Commit: commit, Path: dir})
	if err != nil {
		return err
	}
	for _, e := range entries {
		if *n == maxArtefacts {
			return nil
		}
		if e.Kind != "dir" {
			*n++
		} else if depth > 0 {
			if err := count(ctx, src, commit, dir+"/"+e.Name, depth-1, n); err != nil {
				return err
			}
		}
	}
	return nil
}

// What the commits of a result branch say never changes, so it is kept by the
// branch's head, whatever store it is in. When there is too much all is forgotten.
var kept struct {
	sync.Mutex
	runs map[place][]Run
}

const maxKept = 20_000 // branches

type place struct {
	branch string
	head   datakit.Hash
}

func cached(branch string, head datakit.Hash) ([]Run, bool) {
	kept.Lock()
	defer kept.Unlock()
	runs, ok := kept.runs[place{branch, head}]
	return runs, ok
}

func keep(branch string, head datakit.Hash, runs []Run) {
	kept.Lock()
	defer kept.Unlock()
	if kept.runs == nil || len(kept.runs) >= maxKept {
		kept.runs = map[place][]Run{}
	}
	kept.runs[place{branch, head}] = runs
}
