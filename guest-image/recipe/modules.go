package main

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"sort"
	"strings"
)

// A module is one kernel module as its .modinfo section describes it.
type module struct {
	name    string // as the kernel has it: no hyphens
	path    string // below lib/modules/VERSION, such as kernel/net/9p/9pnet.ko
	depends []string
	soft    []string // to be loaded before, where they exist
	aliases []string
	data    []byte
}

func moduleName(file string) string {
	base := path.Base(file)
	base = base[:strings.Index(base+".ko", ".ko")]
	return strings.ReplaceAll(base, "-", "_")
}

// parseModinfo reads the zero-separated KEY=VALUE strings of a .modinfo section.
func (m *module) parseModinfo(section []byte) {
	for _, s := range bytes.Split(section, []byte{0}) {
		key, value, _ := strings.Cut(string(s), "=")
		switch key {
		case "depends":
			for d := range strings.SplitSeq(value, ",") {
				if d != "" {
					m.depends = append(m.depends, strings.ReplaceAll(d, "-", "_"))
				}
			}
		case "softdep":
			m.soft = append(m.soft, softBefore(value)...)
		case "alias":
			m.aliases = append(m.aliases, value)
		}
	}
}

// softBefore returns the modules after "pre:" in a softdep, up to "post:".
func softBefore(value string) []string {
	var out []string
	pre := false
	for _, w := range strings.Fields(value) {
		switch w {
		case "pre:", "post:":
			pre = w == "pre:"
		default:
			if pre {
				out = append(out, strings.ReplaceAll(w, "-", "_"))
			}
		}
	}
	return out
}

// strip removes what the guest's kernel would only spend time on: the signature
// (the kernel does not insist on it, and the root image it comes from is read-only)
// and, by giving its section a name that the kernel does not look for, the BTF type
// data, whose first use makes the kernel parse its own megabytes of it.
func strip(ko []byte) ([]byte, error) {
	const magic = "~Module signature appended~\n"
	if bytes.HasSuffix(ko, []byte(magic)) {
		// struct module_signature: 8 bytes, then the signature's length, big-endian.
		end := len(ko) - len(magic)
		if end < 12 {
			return nil, fmt.Errorf("signature is cut short")
		}
		n := int(binary.BigEndian.Uint32(ko[end-4 : end]))
		if n > end-12 {
			return nil, fmt.Errorf("signature is longer than the module")
		}
		ko = ko[:end-12-n]
	}
	f, err := elf.NewFile(bytes.NewReader(ko))
	if err != nil {
		return nil, err
	}
	ko = slices.Clone(ko)
	for _, s := range f.Sections {
		if s.Type != elf.SHT_STRTAB || s.Name != ".shstrtab" {
			continue
		}
		names := ko[s.Offset : s.Offset+s.Size]
		if i := bytes.Index(names, []byte("\x00.BTF\x00")); i >= 0 {
			copy(names[i:], "\x00.btf\x00")
		}
	}
	return ko, nil
}

func parseModule(file string, ko []byte) (*module, error) {
	f, err := elf.NewFile(bytes.NewReader(ko))
	if err != nil {
		return nil, fmt.Errorf("module %s: %w", file, err)
	}
	m := &module{name: moduleName(file), path: strings.TrimSuffix(file, ".xz")}
	if s := f.Section(".modinfo"); s != nil {
		info, err := s.Data()
		if err != nil {
			return nil, fmt.Errorf("module %s: %w", file, err)
		}
		m.parseModinfo(info)
	}
	if m.data, err = strip(ko); err != nil {
		return nil, fmt.Errorf("module %s: %w", file, err)
	}
	return m, nil
}

// A moduleSet finds modules by name in an unpacked kernel package.
type moduleSet struct {
	dir     string            // lib/modules/VERSION of the package
	files   map[string]string // name -> path below dir
	builtin map[string]bool
	loaded  map[string]*module
}

func openModules(dir string) (*moduleSet, error) {
	s := &moduleSet{dir: dir, files: map[string]string{}, builtin: map[string]bool{}, loaded: map[string]*module{}}
	list, err := os.ReadFile(filepath.Join(dir, "modules.builtin"))
	if err != nil {
		return nil, err
	}
	for line := range strings.FieldsSeq(string(list)) {
		s.builtin[moduleName(line)] = true
	}
	err = filepath.WalkDir(dir, func(p string, d fs.DirEntry, err error) error {
		if err == nil && d.Type().IsRegular() && strings.Contains(d.Name(), ".ko") {
			rel, _ := filepath.Rel(dir, p)
			s.files[moduleName(rel)] = rel
		}
		return err
	})
	return s, err
}

// get returns a module, or nil when the kernel has it built in.
func (s *moduleSet) get(name string) (*module, error) {
	if m := s.loaded[name]; m != nil {
		return m, nil
	}
	file, ok := s.files[name]
	if !ok {
		if s.builtin[name] {
			return nil, nil
		}
		return nil, fmt.Errorf("the kernel package has no module %s: correct the lists in contents.go", name)
	}
	ko, err := os.ReadFile(filepath.Join(s.dir, file))
	if err == nil && strings.HasSuffix(file, ".xz") {
		ko, err = decompress("xz", ko)
	}
	if err != nil {
		return nil, err
	}
	m, err := parseModule(file, ko)
	if err == nil {
		s.loaded[name] = m
	}
	return m, err
}

// known keeps the names that are modules of their own. A soft dependency may also be
// an alias such as crc32c: contents.go names the module that stands for it.
func (s *moduleSet) known(names []string) []string {
	return slices.DeleteFunc(slices.Clone(names), func(n string) bool { return s.files[n] == "" })
}

// closure returns the modules named and all they depend on, each after what it
// depends on and otherwise in the order of the names: the same input gives the same
// list.
func (s *moduleSet) closure(names []string) ([]*module, error) {
	var out []*module
	state := map[string]int{} // 1 on the way down, 2 done
	var visit func(name string) error
	visit = func(name string) error {
		if state[name] == 2 {
			return nil
		}
		if state[name] == 1 {
			return fmt.Errorf("modules depend on each other around %s", name)
		}
		state[name] = 1
		m, err := s.get(name)
		if err != nil {
			return err
		}
		if m != nil {
			for _, d := range append(s.known(m.soft), m.depends...) {
				if err := visit(d); err != nil {
					return fmt.Errorf("%s needs: %w", name, err)
				}
			}
			out = append(out, m)
		}
		state[name] = 2
		return nil
	}
	for _, n := range names {
		if err := visit(n); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// modulesDep writes modules.dep for modprobe: each module and, nearest first, all
// that has to be loaded before it.
func (s *moduleSet) modulesDep(mods []*module) (string, error) {
	var lines []string
	for _, m := range mods {
		all, err := s.closure([]string{m.name})
		if err != nil {
			return "", err
		}
		line := m.path + ":"
		for _, d := range slices.Backward(all[:len(all)-1]) {
			line += " " + d.path
		}
		lines = append(lines, line+"\n")
	}
	sort.Strings(lines)
	return strings.Join(lines, ""), nil
}

// modulesAlias writes modules.alias, by which modprobe finds the module of a name
// that the kernel asks for.
func modulesAlias(mods []*module) string {
	var lines []string
	for _, m := range mods {
		for _, a := range m.aliases {
			lines = append(lines, "alias "+a+" "+m.name+"\n")
		}
	}
	sort.Strings(lines)
	return strings.Join(slices.Compact(lines), "")
}
