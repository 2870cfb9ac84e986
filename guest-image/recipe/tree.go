package main

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
)

// A tree is the contents of the root image before they are written. The image is
// mounted at /usr, so its paths are those below usr.
type tree map[string]entry

// An entry is a regular file, from disk or from memory, or a symbolic link.
type entry struct {
	from string
	data []byte
	link string
}

func (t tree) add(name string, e entry) error {
	if old, ok := t[name]; ok && (old.from != e.from || old.link != e.link || string(old.data) != string(e.data)) {
		return fmt.Errorf("two files want to be %s", name)
	}
	t[name] = e
	return nil
}

// text adds a small file.
func (t tree) text(name, content string) { t[name] = entry{data: []byte(content)} }

// write lays the tree out below dir, in the order of its names.
func (t tree) write(dir string) error {
	for _, name := range slices.Sorted(maps.Keys(t)) {
		file := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			return err
		}
		if err := t[name].write(file); err != nil {
			return fmt.Errorf("root image: %s: %w", name, err)
		}
	}
	return nil
}

func (e entry) write(file string) error {
	if e.link != "" {
		return os.Symlink(e.link, file)
	}
	mode := os.FileMode(0o644)
	if e.from == "" {
		return os.WriteFile(file, e.data, mode)
	}
	src, err := os.Open(e.from)
	if err != nil {
		return err
	}
	defer src.Close()
	if st, err := src.Stat(); err == nil && st.Mode()&0o111 != 0 {
		mode = 0o755
	}
	dst, err := os.OpenFile(file, os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode)
	if err != nil {
		return err
	}
	_, err = io.Copy(dst, src)
	return errors.Join(err, dst.Close())
}

// addComponents adds the files of the unpacked packages, and the libraries that these
// need. unpacked maps a package to its directory.
func (t tree) addComponents(a arch, unpacked map[string]string) error {
	var programs, libDirs []string
	for _, c := range components() {
		dir := unpacked[c.pkg]
		libDirs = append(libDirs, filepath.Join(dir, "usr/lib", a.triplet))
		for _, pattern := range c.files {
			files, err := filepath.Glob(filepath.Join(dir, pattern))
			if err != nil || len(files) == 0 {
				return fmt.Errorf("package %s has no %s: correct contents.go", c.pkg, pattern)
			}
			for _, file := range files {
				name, _ := filepath.Rel(dir, file)
				if to, ok := renamed[name]; ok {
					name = to
				}
				if err := t.addFile(name, file); err != nil {
					return err
				}
				programs = append(programs, file)
			}
		}
	}
	find := findIn(libDirs)
	libs, err := libraryClosure(programs, find)
	if err != nil {
		return err
	}
	for name, file := range libs {
		if err := t.addFile(path.Join("usr/lib", a.triplet, name), file); err != nil {
			return err
		}
	}
	return t.addInterpreters(programs, find)
}

// addFile adds a file of a package; a link between libraries becomes its target.
func (t tree) addFile(name, file string) error {
	real, err := filepath.EvalSymlinks(file)
	if err != nil {
		return err
	}
	return t.add(strings.TrimPrefix(name, "usr/"), entry{from: real})
}

// addInterpreters puts the dynamic linker where the programs say it is.
func (t tree) addInterpreters(programs []string, find func(string) string) error {
	for _, p := range programs {
		_, interp, err := neededOf(p)
		if err != nil || interp == "" {
			if err != nil {
				return err
			}
			continue
		}
		file := find(path.Base(interp))
		if file == "" {
			return fmt.Errorf("%s needs %s, which no package of the image has", filepath.Base(p), interp)
		}
		if err := t.addFile("usr"+interp, file); err != nil {
			return err
		}
	}
	return nil
}

// addModules adds the modules for boot and for modprobe, with modprobe's indexes and
// the lists by which PID 1 loads them.
func (t tree) addModules(set *moduleSet, release string) error {
	all := slices.Concat(rootModules, spareModules)
	for group, names := range moduleGroups {
		mods, err := set.closure(names)
		if err != nil {
			return err
		}
		list := ""
		for _, m := range mods {
			list += m.path + "\n"
		}
		t.text("share/slipway/modules/"+group, list)
		all = append(all, names...)
	}
	slices.Sort(all)
	mods, err := set.closure(all)
	if err != nil {
		return err
	}
	dep, err := set.modulesDep(mods)
	if err != nil {
		return err
	}
	base := path.Join("lib/modules", release)
	for _, m := range mods {
		t[path.Join(base, m.path)] = entry{data: m.data}
	}
	t.text(path.Join(base, "modules.dep"), dep)
	t.text(path.Join(base, "modules.alias"), modulesAlias(mods))
	t.text(path.Join(base, "modules.symbols"), "")
	return nil
}

// certificates returns the bundle of all authorities that Debian trusts.
func certificates(unpacked string) (string, error) {
	files, err := filepath.Glob(filepath.Join(unpacked, "usr/share/ca-certificates/mozilla/*.crt"))
	if err != nil || len(files) < 50 {
		return "", fmt.Errorf("package ca-certificates has %d authorities: its layout changed", len(files))
	}
	var b strings.Builder
	for _, f := range files { // Glob sorts
		pem, err := os.ReadFile(f)
		if err != nil {
			return "", err
		}
		b.WriteString(strings.TrimSpace(string(pem)) + "\n")
	}
	return b.String(), nil
}

// etcFiles are the files that PID 1 links into /etc.
var etcFiles = map[string]string{
	"passwd":        "root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/false\n",
	"group":         "root:x:0:\ndocker:x:999:\nnogroup:x:65534:\n",
	"os-release":    "NAME=Slipway\nID=debian\nVERSION_ID=13\nPRETTY_NAME=\"Slipway (Debian 13)\"\n",
	"nsswitch.conf": "passwd: files\ngroup: files\nhosts: files dns\n",
	// Plugins left out are those that Docker does not use; each costs time at start.
	"containerd/config.toml": `version = 2
root = "/var/lib/containerd"
state = "/run/containerd"
disabled_plugins = [
  "io.containerd.grpc.v1.cri", "io.containerd.nri.v1.nri", "io.containerd.internal.v1.tracing",
  "io.containerd.tracing.processor.v1.otlp", "io.containerd.internal.v1.opt", "io.containerd.internal.v1.restart",
  "io.containerd.snapshotter.v1.blockfile", "io.containerd.snapshotter.v1.btrfs",
  "io.containerd.snapshotter.v1.devmapper", "io.containerd.snapshotter.v1.native", "io.containerd.snapshotter.v1.zfs",
]
[debug]
level = "warn"
`,
}
