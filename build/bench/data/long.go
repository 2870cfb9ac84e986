package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"time"

	"github.com/slipway-desktop/slipway/backend/datakit"
)

// repositorySize makes many commits, lets the store pack, and compares what is there
// with what `git gc` makes of a copy.
func repositorySize(ctx context.Context, o options) ([]figure, error) {
	repo, copied := filepath.Join(o.dir, "ours.git"), filepath.Join(o.dir, "copy.git")
	count := o.pick(10_000, 2000)
	store, err := storeOn(ctx, repo, thousand)
	if err != nil {
		return nil, err
	}
	for n := range count {
		if err := commitTo(ctx, store, "main", thousand.path(n), n+1_000_000); err != nil {
			return nil, errors.Join(err, store.Close())
		}
	}
	err = errors.Join(store.Sync(ctx), quiet(ctx, store), store.Close())
	if err != nil {
		return nil, err
	}
	began := time.Now()
	fsck := runGit(ctx, repo, nil, "fsck", "--full", "--strict")
	took := time.Since(began)
	if err := os.CopyFS(copied, os.DirFS(repo)); err != nil {
		return nil, err
	}
	if err := runGit(ctx, copied, nil, "gc", "--quiet", "--prune=now"); err != nil {
		return nil, err
	}
	ourBytes, ourFiles, err := usage(filepath.Join(repo, "objects"))
	if err != nil {
		return nil, err
	}
	gcBytes, gcFiles, err := usage(filepath.Join(copied, "objects"))
	if err != nil {
		return nil, err
	}
	ratio := float64(ourBytes) / float64(gcBytes)
	verdict := "clean in " + took.Round(time.Millisecond).String()
	if fsck != nil {
		verdict = fsck.Error()
	}
	return []figure{
		{fmt.Sprintf("`git fsck --full --strict` after %d commits", count), verdict, "clean", judge(fsck == nil)},
		{"size of objects after background packing, and after `git gc`",
			fmt.Sprintf("%.2f MB in %d files, %.2f MB in %d files", float64(ourBytes)/1e6, ourFiles, float64(gcBytes)/1e6, gcFiles), "", ""},
		{"size beside that of `git gc`", fmt.Sprintf("%.2f times", ratio), "at most 1.5 times", judge(ratio <= 1.5)},
	}, nil
}

// quiet waits until the store's packing has come to rest.
func quiet(ctx context.Context, store *datakit.Store) error {
	const rest, patience = 3 * time.Second, 2 * time.Minute
	last, since := store.Stats(), time.Now()
	for began := time.Now(); time.Since(since) < rest && time.Since(began) < patience; {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(100 * time.Millisecond):
		}
		if s := store.Stats(); s.Packs != last.Packs || s.Packings != last.Packings {
			last, since = s, time.Now()
		}
	}
	return nil
}

func usage(dir string) (bytes int64, files int, err error) {
	err = filepath.WalkDir(dir, func(_ string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		info, err := e.Info()
		if err == nil {
			bytes += info.Size()
			files++
		}
		return err
	})
	return bytes, files, err
}

// memory compares what the process holds after a part of many commits and in the end.
func memory(ctx context.Context, o options) (figures []figure, err error) {
	repo := filepath.Join(o.dir, "ours.git")
	if err := makeRepository(ctx, repo, thousand); err != nil {
		return nil, err
	}
	const cache = 8 << 20 // full by the first look, so that its filling up does not count
	store, err := datakit.Open(ctx, repo, datakit.Options{CacheBytes: cache})
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, store.Close()) }()
	count := o.pick(100_000, 10_000)
	var early, late uint64
	began := time.Now()
	for n := range count {
		if err := commitTo(ctx, store, "main", thousand.path(n), n+1_000_000); err != nil {
			return nil, err
		}
		if n == count/5 {
			early = heap()
		}
	}
	took := time.Since(began)
	late = heap()
	ratio := float64(late) / float64(early)
	return []figure{
		{fmt.Sprintf("memory held after %d and after %d commits, with a cache of 8 MiB", count/5, count),
			fmt.Sprintf("%.1f MB, %.1f MB", float64(early)/1e6, float64(late)/1e6), "flat: at most 1.2 times", judge(ratio <= 1.2)},
		{fmt.Sprintf("durable commits a second over %d commits, packing included", count), fmt.Sprintf("%.0f", float64(count)/took.Seconds()), "", ""},
	}, nil
}

func heap() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}
