// Command recipe makes the guest image from Debian packages:
//
//	go run ./guest-image/recipe [-arch amd64|arm64] [-out DIR]
//
// It writes DIR/ARCH/{vmlinux, initrd, root.erofs, manifest.json}. It needs no
// root, only apt, dpkg-deb, mkfs.erofs, xz and zstd. The same inputs (packages, agent,
// recipe, tools) give the same bytes, and an image whose inputs did not change is not
// made again. guest-image/README.md says what is inside and why.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"strconv"
	"time"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	log := slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
		if a.Key == slog.TimeKey {
			return slog.Attr{}
		}
		return a
	}}))
	if err := run(ctx, os.Args[1:], log); err != nil {
		if !errors.Is(err, flag.ErrHelp) {
			fmt.Fprintln(os.Stderr, "recipe:", err)
		}
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string, log *slog.Logger) error {
	set := flag.NewFlagSet("recipe", flag.ContinueOnError)
	archName := set.String("arch", runtime.GOARCH, "processor: amd64 or arm64")
	out := set.String("out", "guest-image/out", "directory for the image; it goes to a folder per processor")
	cache := set.String("cache", "guest-image/cache", "directory for packages and scratch files")
	mirror := set.String("mirror", "", "Debian archive (default: the host's)")
	security := set.String("security-mirror", "", "Debian security archive (default: the host's)")
	update := set.Bool("update", false, "look for newer packages now; otherwise the lists may be a day old")
	force := set.Bool("force", false, "build even when nothing changed")
	verify := set.Bool("verify", false, "build twice and compare the bytes")
	if err := set.Parse(args); err != nil {
		return err
	}
	a, err := archByName(*archName)
	if err != nil {
		return err
	}
	dirs := []*string{out, cache}
	for _, d := range dirs {
		if *d, err = filepath.Abs(filepath.Join(*d, a.name)); err != nil {
			return err
		}
	}
	mirrors := hostMirrors(ctx)
	if *mirror != "" {
		mirrors[0] = *mirror
	}
	if *security != "" {
		mirrors[1] = *security
	}
	if mirrors[0] == "" {
		return errors.New("this computer's apt names no Debian archive; give one with -mirror")
	}
	if mirrors[1] == "" {
		mirrors[1] = mirrors[0] + "-security" // as the archive's mirrors lie
	}
	apt, err := newApt(filepath.Join(*cache, "apt"), a.name, mirrors, log)
	if err != nil {
		return err
	}
	if err := apt.refresh(ctx, *update); err != nil {
		return err
	}
	b := &builder{arch: a, apt: apt, cache: *cache, epoch: epoch(), log: log}
	if err := b.prepare(ctx); err != nil {
		return err
	}
	if *verify {
		return b.verify(ctx, *out)
	}
	fresh, err := upToDate(*out, b.inputs)
	if err != nil || fresh && !*force {
		if err == nil {
			log.Info("image is up to date", "dir", *out, "version", b.inputs[:12])
		}
		return err
	}
	start := time.Now()
	if err := b.build(ctx, *out); err != nil {
		return err
	}
	log.Info("image built", "dir", *out, "version", b.inputs[:12], "took", time.Since(start).Round(100*time.Millisecond))
	return nil
}

// epoch is the time that all files of the image get: SOURCE_DATE_EPOCH as in the
// reproducible-builds specification, or a fixed day.
func epoch() int64 {
	if n, err := strconv.ParseInt(os.Getenv("SOURCE_DATE_EPOCH"), 10, 64); err == nil && n > 0 {
		return n
	}
	return time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC).Unix()
}

// verify builds the image into out and once more elsewhere, and compares.
func (b *builder) verify(ctx context.Context, out string) error {
	if err := b.build(ctx, out); err != nil {
		return err
	}
	second, err := os.MkdirTemp(b.cache, "verify-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(second)
	if err := b.buildAgent(ctx); err != nil {
		return err
	}
	if err := b.build(ctx, second); err != nil {
		return err
	}
	if err := sameImage(out, second); err != nil {
		return err
	}
	b.log.Info("two builds are identical", "version", b.inputs[:12])
	return nil
}

// sameImage compares two images by the hashes in their manifests, which build has
// just computed from the files.
func sameImage(a, b string) error {
	one, err := readManifest(a)
	if err != nil {
		return err
	}
	two, err := readManifest(b)
	if err != nil {
		return err
	}
	if len(one.Files) != len(two.Files) {
		return errors.New("the two builds have different files")
	}
	var differ error
	for i, f := range one.Files {
		if f != two.Files[i] {
			differ = errors.Join(differ, fmt.Errorf("two builds of %s differ: %s and %s", f.Name, f.SHA256, two.Files[i].SHA256))
		}
	}
	return differ
}
