package main

import (
	"debug/elf"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sort"
)

// neededOf returns what an ELF file asks the dynamic linker for: libraries by name,
// and the linker itself by path. A file that is not ELF, or static, needs nothing.
func neededOf(file string) (libs []string, interp string, err error) {
	f, err := elf.Open(file)
	if err != nil {
		var format *elf.FormatError
		if errors.As(err, &format) || errors.Is(err, io.EOF) {
			return nil, "", nil
		}
		return nil, "", err
	}
	defer f.Close()
	for _, p := range f.Progs {
		if p.Type == elf.PT_INTERP {
			b := make([]byte, p.Filesz)
			if _, err := p.ReadAt(b, 0); err != nil {
				return nil, "", err
			}
			interp = string(b[:max(0, len(b)-1)])
		}
	}
	libs, err = f.ImportedLibraries()
	return libs, interp, err
}

// libraryClosure returns the shared libraries that the files need, directly or
// through each other: name to file. find maps a library's name to its file, or to ""
// when no package has it.
func libraryClosure(files []string, find func(name string) string) (map[string]string, error) {
	out := map[string]string{}
	queue := append([]string(nil), files...)
	sort.Strings(queue)
	for len(queue) > 0 {
		file := queue[0]
		queue = queue[1:]
		libs, _, err := neededOf(file)
		if err != nil {
			return nil, fmt.Errorf("read %s: %w", filepath.Base(file), err)
		}
		for _, lib := range libs {
			if out[lib] != "" {
				continue
			}
			target := find(lib)
			if target == "" {
				return nil, fmt.Errorf("%s needs %s, which no package of the image has: add its package to contents.go", filepath.Base(file), lib)
			}
			out[lib] = target
			queue = append(queue, target)
		}
	}
	return out, nil
}

// findIn returns a finder over the library directory of unpacked packages. Links are
// followed, so each library is one regular file under the name it is asked for by.
func findIn(dirs []string) func(string) string {
	return func(name string) string {
		for _, d := range dirs {
			if file, err := filepath.EvalSymlinks(filepath.Join(d, name)); err == nil {
				if st, err := os.Stat(file); err == nil && st.Mode().IsRegular() {
					return file
				}
			}
		}
		return ""
	}
}
