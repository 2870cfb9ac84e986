package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"go/types"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// target is what to check.
type target struct {
	dir, arch, tags string
	patterns        []string
	// overlay replaces the contents of files, by absolute path. Imports must stay.
	overlay map[string][]byte
}

// result is what check found. problems have positions.
type result struct {
	checked, loaded int // packages
	problems        []string
}

// pkg is what "go list" says of a package.
type pkg struct {
	ImportPath, Dir, ForTest string
	GoFiles, CgoFiles        []string
	ImportMap                map[string]string
	Standard, DepOnly        bool
	Module                   *struct{ GoVersion string }
	Error                    *struct{ Pos, Err string }
}

// check loads the packages as for macOS and type-checks them. Its error means
// that it could not do so.
func check(ctx context.Context, t target) (result, error) {
	packages, err := list(ctx, t)
	if err != nil {
		return result{}, err
	}
	c := checker{
		target: t,
		fset:   token.NewFileSet(),
		sizes:  types.SizesFor("gc", t.arch),
		types:  map[string]*types.Package{"unsafe": types.Unsafe},
	}
	if c.sizes == nil {
		return result{}, fmt.Errorf("processor %q is not known", t.arch)
	}
	for _, p := range packages {
		c.check(p)
	}
	if c.checked == 0 && len(c.problems) == 0 {
		return result{}, errors.New("no packages match")
	}
	return c.result, nil
}

// list returns the packages with their dependencies, each after those it needs.
func list(ctx context.Context, t target) ([]pkg, error) {
	args := append([]string{"list", "-e", "-deps", "-test", "-json", "-tags=" + t.tags, "--"}, t.patterns...)
	cmd := exec.CommandContext(ctx, "go", args...)
	cmd.Dir = t.dir
	cmd.Env = append(os.Environ(), "GOOS=darwin", "GOARCH="+t.arch, "CGO_ENABLED=1")
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("go list: %w: %s", err, bytes.TrimSpace(stderr.Bytes()))
	}
	var packages []pkg
	for dec := json.NewDecoder(bytes.NewReader(out)); ; {
		var p pkg
		if err := dec.Decode(&p); errors.Is(err, io.EOF) {
			return packages, nil
		} else if err != nil {
			return nil, fmt.Errorf("go list: %w", err)
		}
		packages = append(packages, p)
	}
}

type checker struct {
	target
	result
	fset  *token.FileSet
	sizes types.Sizes
	types map[string]*types.Package
}

func (c *checker) problem(format string, args ...any) {
	c.problems = append(c.problems, fmt.Sprintf(format, args...))
}

func (c *checker) check(p pkg) {
	if p.ImportPath == "unsafe" || strings.HasSuffix(p.ImportPath, ".test") { // the latter is a generated main
		return
	}
	c.loaded++
	if !p.DepOnly {
		c.checked++
		if p.Error != nil {
			c.problem("%s: %s: %s", p.ImportPath, p.Error.Pos, p.Error.Err)
			return
		}
	}
	var files []*ast.File
	for _, name := range append(p.GoFiles, p.CgoFiles...) {
		path := filepath.Join(p.Dir, name)
		var src any
		if text, ok := c.overlay[path]; ok {
			src = text
		}
		f, err := parser.ParseFile(c.fset, path, src, parser.SkipObjectResolution)
		if err != nil && !p.DepOnly {
			c.problem("%v", err)
		}
		if f != nil {
			files = append(files, f)
		}
	}
	config := types.Config{
		Importer:         importer{c, p},
		Sizes:            c.sizes,
		FakeImportC:      true,
		IgnoreFuncBodies: p.DepOnly,
		Error: func(err error) {
			if !p.DepOnly {
				c.problem("%v", err)
			}
		},
	}
	if p.Module != nil && p.Module.GoVersion != "" {
		config.GoVersion = "go" + p.Module.GoVersion
	}
	path, _, _ := strings.Cut(p.ImportPath, " ") // "p [p.test]" is p with its tests
	// The errors went to config.Error; what could be typed is used by importers.
	c.types[p.ImportPath], _ = config.Check(path, c.fset, files, nil)
}

// importer finds what one package imports among those checked before it.
type importer struct {
	*checker
	of pkg
}

func (i importer) Import(path string) (*types.Package, error) {
	if mapped, ok := i.of.ImportMap[path]; ok {
		path = mapped
	}
	if p := i.types[path]; p != nil {
		return p, nil
	}
	return nil, fmt.Errorf("package %s was not loaded", path)
}
