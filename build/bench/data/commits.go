package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/slipway-desktop/slipway/backend/datakit"
	"github.com/slipway-desktop/slipway/backend/datakit/client"
)

// commits compares one committer with git and go-git, and the disk itself.
func commits(ctx context.Context, o options) (figures []figure, err error) {
	store, err := storeOn(ctx, filepath.Join(o.dir, "ours.git"), thousand)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, store.Close()) }()
	served, err := storeOn(ctx, filepath.Join(o.dir, "served.git"), thousand)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, served.Close()) }()
	addr, end, err := serve(ctx, served, o.dir)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, end()) }()
	c, err := client.Dial(ctx, addr)
	if err != nil {
		return nil, err
	}
	defer c.Close()
	porcelain, err := gitCommit(ctx, o.dir, thousand)
	if err != nil {
		return nil, err
	}
	gogit, err := goGit(ctx, o.dir, o.gogit, thousand)
	if err != nil {
		return nil, err
	}
	api := ours(store, thousand, "Go API")
	over := &contender{name: "9P", do: func(ctx context.Context, n int) error {
		return commitOver(ctx, c, "main", thousand.path(n), n+1_000_000)
	}}
	disk, err := syncer(o.dir)
	if err != nil {
		return nil, err
	}
	if err := race(ctx, o, api, over, porcelain, gogit, disk); err != nil {
		return nil, err
	}
	return []figure{
		{"append of 1 KiB and sync a second: the disk's limit for one committer", disk.spread(), "", ""},
		{"durable commits a second, Go API, 1,000 files", api.spread(), "", ""},
		{"the same over 9P, one client: begin, write, commit", over.spread(), "", ""},
		{"`git commit` a second (syncs nothing)", porcelain.spread(), "", ""},
		{"go-git's tree edit a second (syncs nothing)", gogit.spread(), "", ""},
		atLeast("Go API beside `git commit`", api, porcelain, 25),
		atLeast("Go API beside go-git", api, gogit, 3),
		atLeast("9P beside `git commit`", over, porcelain, 10),
	}, nil
}

// syncer appends to a file and syncs, which is the least a durable commit can do.
func syncer(dir string) (*contender, error) {
	f, err := os.OpenFile(filepath.Join(dir, "disk"), os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, err
	}
	const room = 32 << 20 // written before, as a journal is
	if _, err := f.Write(make([]byte, room)); err != nil {
		return nil, err
	}
	record := make([]byte, 1024)
	return &contender{name: "disk", end: f.Close, do: func(_ context.Context, n int) error {
		if _, err := f.WriteAt(record, int64(n*len(record)%room)); err != nil {
			return err
		}
		return syncData(f)
	}}, nil
}

// clients lets 16 clients commit over 9P, on branches of their own and on one.
func clients(ctx context.Context, o options) (figures []figure, err error) {
	store, err := storeOn(ctx, filepath.Join(o.dir, "ours.git"), thousand)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, store.Close()) }()
	addr, end, err := serve(ctx, store, o.dir)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, end()) }()
	const many = 16
	var all []*client.Client
	head, err := store.Head("main")
	if err != nil {
		return nil, err
	}
	for i := range many {
		c, err := client.Dial(ctx, addr)
		if err != nil {
			return nil, err
		}
		defer c.Close()
		all = append(all, c)
		if err := c.FastForward(ctx, fmt.Sprintf("own-%d", i), head); err != nil {
			return nil, err
		}
	}
	own := func(i int) string { return fmt.Sprintf("own-%d", i) }
	shared := func(int) string { return "shared" }
	var one, sixteen, together, busy []float64
	var acknowledged []string
	for round := range o.rounds {
		r, _, _, err := crowd(ctx, o, all[:1], round, own)
		if err != nil {
			return nil, err
		}
		one = append(one, r)
		r, cores, _, err := crowd(ctx, o, all, round, own)
		if err != nil {
			return nil, err
		}
		sixteen, busy = append(sixteen, r), append(busy, cores)
		r, _, paths, err := crowd(ctx, o, all, round, shared)
		if err != nil {
			return nil, err
		}
		together, acknowledged = append(together, r), append(acknowledged, paths...)
	}
	lost, err := missingFiles(store, "shared", acknowledged)
	if err != nil {
		return nil, err
	}
	ratio := median(sixteen) / median(one)
	return []figure{
		{"commits a second over 9P: 1 client, 16 on 16 branches, 16 on one branch",
			fmt.Sprintf("%.0f, %.0f, %.0f", median(one), median(sixteen), median(together)), "", ""},
		{"16 clients on 16 branches beside 1 client", fmt.Sprintf("%.2f times, %.1f processors busy", ratio, median(busy)),
			"both cores: at least 1.5 times or 1.7 busy", judge(ratio >= 1.5 || median(busy) >= 1.7)},
		{"16 clients on one branch: commits that were acknowledged and are not there",
			fmt.Sprintf("%d of %d", lost, len(acknowledged)), "0", judge(lost == 0)},
	}, nil
}

// crowd lets clients commit for a slice of time, each to files of its own.
func crowd(ctx context.Context, o options, all []*client.Client, round int, branch func(int) string) (rate, cores float64, paths []string, err error) {
	var count atomic.Int64
	var mu sync.Mutex
	var working sync.WaitGroup
	began, cpu := time.Now(), processorTime()
	for i, c := range all {
		working.Go(func() {
			var mine []string
			var failed error
			for n := 0; failed == nil && time.Since(began) < o.slice; n++ {
				path := fmt.Sprintf("c%d/r%d/%d/%d", i, round, n/100, n)
				if failed = commitOver(ctx, c, branch(i), path, n); failed == nil {
					count.Add(1)
					mine = append(mine, path)
				}
			}
			mu.Lock()
			defer mu.Unlock()
			paths, err = append(paths, mine...), errors.Join(err, failed)
		})
	}
	working.Wait()
	took := time.Since(began)
	return float64(count.Load()) / took.Seconds(), float64(processorTime()-cpu) / float64(took), paths, err
}

func missingFiles(store *datakit.Store, branch string, paths []string) (int, error) {
	head, err := store.Head(branch)
	if err != nil {
		return 0, err
	}
	s, err := store.Snapshot(head)
	if err != nil {
		return 0, err
	}
	there := map[string]bool{}
	if err := s.Walk(func(e datakit.Entry) error {
		there[e.Name] = true
		return nil
	}); err != nil {
		return 0, err
	}
	lost := 0
	for _, path := range paths {
		if !there[path] {
			lost++
		}
	}
	return lost, nil
}

// large compares a tree of 100,000 files with one of 1,000, and reading with
// `git cat-file`.
func large(ctx context.Context, o options) (figures []figure, err error) {
	small, err := storeOn(ctx, filepath.Join(o.dir, "small.git"), thousand)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, small.Close()) }()
	repo := filepath.Join(o.dir, "large.git")
	big, err := storeOn(ctx, repo, hundredThousand)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, big.Close()) }()
	head, err := big.Head("main")
	if err != nil {
		return nil, err
	}
	snapshot, err := big.Snapshot(head)
	if err != nil {
		return nil, err
	}
	reads := &contender{name: "reads", do: func(context.Context, int) error {
		_, err := snapshot.Read(hundredThousand.path(rand.IntN(hundredThousand.files())))
		return err
	}}
	cat, err := catFile(ctx, repo, head.String())
	if err != nil {
		return nil, err
	}
	a, b := ours(small, thousand, "1,000 files"), ours(big, hundredThousand, "100,000 files")
	if err := race(ctx, o, a, b, reads, cat); err != nil {
		return nil, err
	}
	ratio := a.rate() / b.rate()
	return []figure{
		{"durable commits a second in trees of 1,000 and of 101,614 files", a.spread() + ", " + b.spread(), "", ""},
		{"cost of a commit in the large tree beside the small one", fmt.Sprintf("%.2f times", ratio), "at most 2.5 times", judge(ratio <= 2.5)},
		{"random reads by path a second in the large tree, beside `git cat-file --batch`",
			reads.spread() + ", " + cat.spread(), "", ""},
	}, nil
}

// catFile reads random files with one git process.
func catFile(ctx context.Context, repo, commit string) (*contender, error) {
	cmd := exec.CommandContext(ctx, "git", "cat-file", "--batch")
	cmd.Dir = repo
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	pipe, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	out := bufio.NewReader(pipe)
	return &contender{name: "git cat-file", do: func(context.Context, int) error {
		if _, err := fmt.Fprintf(in, "%s:%s\n", commit, hundredThousand.path(rand.IntN(hundredThousand.files()))); err != nil {
			return err
		}
		line, err := out.ReadString('\n')
		if err != nil {
			return err
		}
		var hash, kind string
		var size int64
		if _, err := fmt.Sscan(strings.TrimSpace(line), &hash, &kind, &size); err != nil {
			return fmt.Errorf("git cat-file answers %q", line)
		}
		_, err = io.CopyN(io.Discard, out, size+1)
		return err
	}, end: func() error { return errors.Join(in.Close(), cmd.Wait()) }}, nil
}
