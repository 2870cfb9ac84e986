package main

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestCpioIsNewcAndReproducible(t *testing.T) {
	write := func() []byte {
		var buf bytes.Buffer
		c := cpioWriter{w: &buf, mtime: 0x60}
		c.dir("dev")
		c.char("dev/console", 5, 1)
		c.file("init", []byte("hello"))
		if err := c.close(); err != nil {
			t.Fatal(err)
		}
		return buf.Bytes()
	}
	got := write()
	if !bytes.Equal(got, write()) {
		t.Error("two archives of the same files differ")
	}
	// Field by field from the format's description: magic, inode, mode, uid, gid,
	// links, time, size, device, rdevice, length of name, checksum.
	want := "070701" + "00000001" + "000041ED" + "00000000" + "00000000" + "00000002" + "00000060" + "00000000" + "00000000" + "00000000" + "00000000" + "00000000" + "00000004" + "00000000" + "dev\x00" + "\x00\x00" +
		"070701" + "00000002" + "00002180" + "00000000" + "00000000" + "00000001" + "00000060" + "00000000" + "00000000" + "00000000" + "00000005" + "00000001" + "0000000C" + "00000000" + "dev/console\x00" + "\x00\x00" +
		"070701" + "00000003" + "000081ED" + "00000000" + "00000000" + "00000001" + "00000060" + "00000005" + "00000000" + "00000000" + "00000000" + "00000000" + "00000005" + "00000000" + "init\x00" + "\x00" + "hello\x00\x00\x00" +
		"070701" + "00000000" + "00000000" + "00000000" + "00000000" + "00000001" + "00000000" + "00000000" + "00000000" + "00000000" + "00000000" + "00000000" + "0000000B" + "00000000" + "TRAILER!!!\x00" + "\x00\x00\x00"
	if diff := cmp.Diff(want, string(got)); diff != "" {
		t.Errorf("archive (-want +got):\n%s", diff)
	}
}

func TestModinfo(t *testing.T) {
	var m module
	m.parseModinfo([]byte("license=GPL\x00depends=jbd2,crc16,mb-cache\x00softdep=pre: crypto-crc32c a-b post: late\x00alias=fs-ext4\x00alias=ext3\x00depends=\x00"))
	want := module{depends: []string{"jbd2", "crc16", "mb_cache"}, soft: []string{"crypto_crc32c", "a_b"}, aliases: []string{"fs-ext4", "ext3"}}
	if diff := cmp.Diff(want, m, cmp.AllowUnexported(module{})); diff != "" {
		t.Error(diff)
	}
}

func TestModuleName(t *testing.T) {
	for file, want := range map[string]string{
		"kernel/fs/ext4/ext4.ko.xz": "ext4", "kernel/net/nf-nat.ko": "nf_nat", "plain": "plain",
	} {
		if got := moduleName(file); got != want {
			t.Errorf("moduleName(%q) = %q, want %q", file, got, want)
		}
	}
}

// modulesOf makes a set of modules that need no files.
func modulesOf(mods ...*module) *moduleSet {
	s := &moduleSet{files: map[string]string{}, builtin: map[string]bool{"inkernel": true}, loaded: map[string]*module{}}
	for _, m := range mods {
		m.path = "k/" + m.name + ".ko"
		s.loaded[m.name], s.files[m.name] = m, m.path
	}
	return s
}

func names(mods []*module) (out []string) {
	for _, m := range mods {
		out = append(out, m.name)
	}
	return out
}

func TestModuleClosureOrdersDependenciesFirst(t *testing.T) {
	s := modulesOf(
		&module{name: "erofs", depends: []string{"libcrc32c", "inkernel"}},
		&module{name: "libcrc32c", soft: []string{"crc32c_generic", "no_such_file"}},
		&module{name: "crc32c_generic"},
		&module{name: "blk"},
	)
	got, err := s.closure([]string{"blk", "erofs", "libcrc32c", "inkernel"})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"blk", "crc32c_generic", "libcrc32c", "erofs"}, names(got)); diff != "" {
		t.Error(diff)
	}
	dep, err := s.modulesDep(got)
	if err != nil {
		t.Fatal(err)
	}
	want := "k/blk.ko:\nk/crc32c_generic.ko:\nk/erofs.ko: k/libcrc32c.ko k/crc32c_generic.ko\nk/libcrc32c.ko: k/crc32c_generic.ko\n"
	if dep != want {
		t.Errorf("modules.dep = %q, want %q", dep, want)
	}
}

func TestModuleClosureErrors(t *testing.T) {
	s := modulesOf(&module{name: "a", depends: []string{"b"}}, &module{name: "b", depends: []string{"a"}}, &module{name: "c", depends: []string{"gone"}})
	for name, want := range map[string]string{"a": "depend on each other", "c": "c needs: the kernel package has no module gone", "x": "no module x"} {
		if _, err := s.closure([]string{name}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("closure of %s: %v, want %q", name, err, want)
		}
	}
}

// signed returns a tiny ELF file with BTF, and the same with a signature behind it.
func signed(t *testing.T) (plain, withSignature []byte) {
	t.Helper()
	names := "\x00.BTF\x00.shstrtab\x00"
	var buf bytes.Buffer
	head := elf.Header64{
		Ident: [16]byte{0x7f, 'E', 'L', 'F', byte(elf.ELFCLASS64), byte(elf.ELFDATA2LSB), byte(elf.EV_CURRENT)},
		Type:  uint16(elf.ET_REL), Machine: uint16(elf.EM_X86_64), Version: 1, Shoff: 64 + 24, Ehsize: 64, Shentsize: 64, Shnum: 3, Shstrndx: 2,
	}
	sections := []elf.Section64{{},
		{Name: 1, Type: uint32(elf.SHT_PROGBITS), Off: 64, Size: 4},
		{Name: 6, Type: uint32(elf.SHT_STRTAB), Off: 68, Size: uint64(len(names))},
	}
	for _, v := range []any{head, []byte("data"), []byte(names), make([]byte, 24-4-len(names)), sections} {
		if err := binary.Write(&buf, binary.LittleEndian, v); err != nil {
			t.Fatal(err)
		}
	}
	plain = buf.Bytes()
	withSignature = append(slices.Clone(plain), "SIGNATURE"...)
	withSignature = append(withSignature, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 0, 9)
	return plain, append(withSignature, "~Module signature appended~\n"...)
}

func TestStripDropsSignatureAndHidesBTF(t *testing.T) {
	plain, ko := signed(t)
	got, err := strip(ko)
	if err != nil {
		t.Fatal(err)
	}
	if len(got) != len(plain) {
		t.Errorf("stripped module has %d bytes, want %d", len(got), len(plain))
	}
	f, err := elf.NewFile(bytes.NewReader(got))
	if err != nil {
		t.Fatal(err)
	}
	if f.Section(".BTF") != nil || f.Section(".btf") == nil {
		t.Error("the BTF section still has the kernel's name for it")
	}
	for _, bad := range [][]byte{
		[]byte("~Module signature appended~\n"),
		append([]byte{0xff, 0xff, 0xff, 0xff}, ko[len(ko)-28:]...),
		append(append(make([]byte, 8), 0, 0, 1, 0), ko[len(ko)-28:]...),
	} {
		if _, err := strip(bad); err == nil {
			t.Errorf("strip(%q) took a broken signature", bad)
		}
	}
}

func TestLibraryClosure(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	libs, _, err := neededOf("/bin/true")
	if err != nil || len(libs) == 0 {
		t.Skipf("not run: /bin/true is no dynamic program here (%v, %v)", libs, err)
	}
	var asked []string
	got, err := libraryClosure([]string{"/bin/true"}, func(name string) string {
		asked = append(asked, name)
		return self // static or not, a library that exists
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, l := range libs {
		if got[l] != self || !slices.Contains(asked, l) {
			t.Errorf("%s is missing from %v", l, got)
		}
	}
	_, err = libraryClosure([]string{"/bin/true"}, func(string) string { return "" })
	if err == nil || !strings.Contains(err.Error(), "true needs "+libs[0]) {
		t.Errorf("a library of no package: %v", err)
	}
	script := filepath.Join(t.TempDir(), "script")
	if err := os.WriteFile(script, []byte("#!/bin/sh\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	if libs, interp, err := neededOf(script); err != nil || libs != nil || interp != "" {
		t.Errorf("a script needs %v %q (%v)", libs, interp, err)
	}
}

func TestTree(t *testing.T) {
	tr := tree{}
	if err := tr.add("bin/a", entry{link: "b"}); err != nil {
		t.Fatal(err)
	}
	if err := tr.add("bin/a", entry{link: "b"}); err != nil {
		t.Errorf("the same entry twice: %v", err)
	}
	if err := tr.add("bin/a", entry{link: "c"}); err == nil {
		t.Error("two targets for one link are taken")
	}
	program := filepath.Join(t.TempDir(), "program")
	if err := os.WriteFile(program, []byte("x"), 0o700); err != nil {
		t.Fatal(err)
	}
	tr["bin/program"] = entry{from: program}
	tr.text("etc/file", "text\n")
	dir := t.TempDir()
	if err := tr.write(dir); err != nil {
		t.Fatal(err)
	}
	if target, err := os.Readlink(filepath.Join(dir, "bin/a")); err != nil || target != "b" {
		t.Errorf("link leads to %q (%v)", target, err)
	}
	for name, want := range map[string]os.FileMode{"bin/program": 0o755, "etc/file": 0o644} {
		if st, err := os.Stat(filepath.Join(dir, name)); err != nil || st.Mode().Perm() != want {
			t.Errorf("%s: %v, %v, want mode %v", name, st, err, want)
		}
	}
}

func TestParseStanza(t *testing.T) {
	d := parseStanza("Package: busybox-static\nVersion: 1:1.37.0-6+b9\nArchitecture: amd64\nDepends: a (>= 1), linux-image-6.12-amd64 (= 6.12), b\nDescription: x\n Package: no\nSHA256: abc\n")
	if d.Package != "busybox-static" || d.SHA256 != "abc" || d.file() != "busybox-static_1%3a1.37.0-6+b9_amd64.deb" {
		t.Errorf("%+v, file %s", d, d.file())
	}
	if k, err := kernelPackage(d); err != nil || k != "linux-image-6.12-amd64" {
		t.Errorf("kernel %q, %v", k, err)
	}
	if _, err := kernelPackage(deb{Package: "meta", depends: "libc6"}); err == nil {
		t.Error("a meta package without a kernel has one")
	}
}

func TestUpToDate(t *testing.T) {
	dir := t.TempDir()
	check := func(inputs string, want bool) {
		t.Helper()
		got, err := upToDate(dir, inputs)
		if err != nil || got != want {
			t.Errorf("upToDate(%q) = %v, %v, want %v", inputs, got, err, want)
		}
	}
	check("one", false)
	if err := os.WriteFile(filepath.Join(dir, "initrd"), []byte("data"), 0o644); err != nil {
		t.Fatal(err)
	}
	m := manifest{Inputs: "one"}
	if err := m.describe(dir, "initrd"); err != nil {
		t.Fatal(err)
	}
	text, err := m.encode()
	if err != nil {
		t.Fatal(err)
	}
	if err := replaceFile(filepath.Join(dir, "manifest.json"), text); err != nil {
		t.Fatal(err)
	}
	check("one", true)
	check("two", false)
	if m.Files[0].SHA256 != "3a6eb0790f39ac87c94f3856b2dd2c5d110e6811602261a9a923d3bb23adc8b7" {
		t.Errorf("manifest describes %+v", m.Files[0])
	}
	if err := os.Truncate(filepath.Join(dir, "initrd"), 3); err != nil {
		t.Fatal(err)
	}
	check("one", false)
}

func TestSameImageNamesTheDifference(t *testing.T) {
	a, b := t.TempDir(), t.TempDir()
	for dir, sum := range map[string]string{a: "1", b: "2"} {
		m := manifest{Files: []outputFile{{"initrd", 1, "0"}, {"root.erofs", 1, sum}}}
		text, err := m.encode()
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, "manifest.json"), text, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if err := sameImage(a, a); err != nil {
		t.Errorf("an image differs from itself: %v", err)
	}
	if err := sameImage(a, b); err == nil || !strings.Contains(err.Error(), "root.erofs") || strings.Contains(err.Error(), "initrd") {
		t.Errorf("error of different images: %v", err)
	}
}

func TestBzPayload(t *testing.T) {
	bz := make([]byte, 2048)
	bz[bzSetupSects] = 1
	copy(bz[bzMagic:], "HdrS")
	binary.LittleEndian.PutUint16(bz[bzVersion:], 0x20f)
	binary.LittleEndian.PutUint32(bz[bzPayloadOffset:], 16)
	binary.LittleEndian.PutUint32(bz[bzPayloadLength:], 5)
	copy(bz[1024+16:], "hello")
	if got, err := bzPayload(bz); err != nil || string(got) != "hello" {
		t.Errorf("payload %q, %v", got, err)
	}
	binary.LittleEndian.PutUint32(bz[bzPayloadLength:], 5000)
	if _, err := bzPayload(bz); err == nil {
		t.Error("a payload beyond the file is taken")
	}
	if _, err := bzPayload(bz[:100]); err == nil {
		t.Error("a short file is taken")
	}
}

func TestExtractImage(t *testing.T) {
	image := make([]byte, 64)
	copy(image[56:], "ARM\x64")
	if _, err := extractImage(image); err != nil {
		t.Error(err)
	}
	if _, err := extractImage(image[:60]); err == nil {
		t.Error("half a header is taken")
	}
}
