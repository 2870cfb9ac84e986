package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
)

func main() { os.Exit(run()) }

func run() int {
	tags := flag.String("tags", "", "build tags, separated by commas")
	arch := flag.String("arch", "arm64", "processor: arm64 or amd64")
	flag.Parse()
	patterns := flag.Args()
	if len(patterns) == 0 {
		patterns = []string{"./..."}
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	result, err := check(ctx, target{arch: *arch, tags: *tags, patterns: patterns})
	if err != nil {
		fmt.Fprintln(os.Stderr, "darwincheck:", err)
		return 1
	}
	for _, p := range result.problems {
		fmt.Fprintln(os.Stderr, p)
	}
	if len(result.problems) > 0 {
		fmt.Fprintf(os.Stderr, "darwincheck: %d problems\n", len(result.problems))
		return 1
	}
	fmt.Printf("darwincheck: %d packages are sound on darwin/%s, with %d dependencies\n", result.checked, *arch, result.loaded-result.checked)
	return 0
}
