// Command tsgen writes the window's TypeScript types from the Go types of the
// control plane, so that the two cannot drift apart.
//
//	go run ./build/tsgen          write frontend/src/lib/bridge/shapes.gen.ts
//	go run ./build/tsgen -check   fail if it is not up to date
//
// Structs become interfaces by reflection over their JSON encoding; typed string
// constants become unions, and comments are carried over, by reading the source.
package main

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
)

const output = "frontend/src/lib/bridge/shapes.gen.ts"

func main() {
	check := flag.Bool("check", false, "fail if the file is not up to date, and write nothing")
	flag.Parse()
	if err := run(*check); err != nil {
		fmt.Fprintln(os.Stderr, "tsgen:", err)
		os.Exit(1)
	}
}

func run(check bool) error {
	root, err := moduleRoot()
	if err != nil {
		return err
	}
	want, err := generate(root)
	if err != nil {
		return err
	}
	path := filepath.Join(root, filepath.FromSlash(output))
	if !check {
		return os.WriteFile(path, want, 0o644)
	}
	have, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	if !bytes.Equal(have, want) {
		return errors.New(output + " is stale; run: go run ./build/tsgen")
	}
	return nil
}

// moduleRoot returns the nearest folder above with a go.mod.
func moduleRoot() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir, nil
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			return "", errors.New("no go.mod here or above")
		}
		dir = parent
	}
}
