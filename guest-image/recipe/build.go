package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"strings"

	"golang.org/x/sync/errgroup"
)

// The recipe's own source is one of an image's inputs.
//
//go:embed *.go
var source embed.FS

const agentPackage = "github.com/slipway-desktop/slipway/guest-image/agent"

// A builder makes one image. All its paths are absolute.
type builder struct {
	arch   arch
	apt    *aptClient
	cache  string // packages, agent, scratch space
	epoch  int64
	inputs string
	debs   []deb
	log    *slog.Logger
}

// prepare settles all inputs: the packages' versions, the agent, the tools.
func (b *builder) prepare(ctx context.Context) error {
	metas, err := b.apt.resolve(ctx, []string{b.arch.kernel})
	if err != nil {
		return err
	}
	kernel, err := kernelPackage(metas[0])
	if err != nil {
		return err
	}
	names := []string{kernel}
	for _, c := range components() {
		names = append(names, c.pkg)
	}
	if b.debs, err = b.apt.resolve(ctx, names); err != nil {
		return err
	}
	if err := b.buildAgent(ctx); err != nil {
		return err
	}
	b.inputs, err = b.hashInputs()
	return err
}

func (b *builder) agentFile() string { return filepath.Join(b.cache, "slipway-agent") }

func (b *builder) buildAgent(ctx context.Context) error {
	cmd := []string{"GOOS=linux", "GOARCH=" + b.arch.name, "CGO_ENABLED=0", "GOFLAGS=", "go", "build", "-trimpath", "-buildvcs=false",
		"-ldflags=-s -w -buildid=", "-o", b.agentFile(), agentPackage}
	if _, err := runTool(ctx, "", "env", cmd...); err != nil {
		return fmt.Errorf("build the agent: %w", err)
	}
	return nil
}

func (b *builder) hashInputs() (string, error) {
	h := sha256.New()
	agent, _, err := hashFile(b.agentFile())
	if err != nil {
		return "", err
	}
	mkfs, err := exec.LookPath("mkfs.erofs")
	if err != nil {
		return "", missingTool("mkfs.erofs")
	}
	mkfsSum, _, err := hashFile(mkfs)
	if err != nil {
		return "", err
	}
	fmt.Fprintln(h, b.arch.name, b.epoch, agent, mkfsSum)
	if err := json.NewEncoder(h).Encode(b.debs); err != nil {
		return "", err
	}
	err = fs.WalkDir(source, ".", func(p string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || strings.HasSuffix(p, "_test.go") {
			return err
		}
		data, err := source.ReadFile(p)
		fmt.Fprintf(h, "%s %x\n", p, sha256.Sum256(data))
		return err
	})
	return hex.EncodeToString(h.Sum(nil)), err
}

// build makes the image in out, which it replaces file by file, the manifest last.
func (b *builder) build(ctx context.Context, out string) error {
	files, err := b.apt.fetch(ctx, b.debs)
	if err != nil {
		return err
	}
	work, err := os.MkdirTemp(b.cache, "work-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(work)
	unpacked, err := b.unpack(ctx, work, files)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(out, 0o755); err != nil {
		return err
	}
	// Whatever happens from here, an old manifest must not vouch for new files.
	if err := os.RemoveAll(filepath.Join(out, "manifest.json")); err != nil {
		return err
	}
	kernelDir := unpacked[b.debs[0].Package]
	set, release, err := openKernel(kernelDir)
	if err != nil {
		return err
	}
	m := b.manifest(release)
	if err := b.writeKernel(kernelDir, release, out); err != nil {
		return err
	}
	if err := b.writeInitrd(set, out); err != nil {
		return err
	}
	if err := b.writeRoot(ctx, m, set, unpacked, work, out); err != nil {
		return err
	}
	for _, name := range []string{kernelFile, "initrd", "root.erofs"} {
		if err := m.describe(out, name); err != nil {
			return err
		}
	}
	text, err := m.encode()
	if err != nil {
		return err
	}
	return replaceFile(filepath.Join(out, "manifest.json"), text)
}

func (b *builder) unpack(ctx context.Context, work string, files []string) (map[string]string, error) {
	unpacked := map[string]string{}
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(4)
	for i, d := range b.debs {
		dir := filepath.Join(work, "deb", d.Package)
		unpacked[d.Package] = dir
		g.Go(func() error {
			if err := os.MkdirAll(dir, 0o755); err != nil {
				return err
			}
			_, err := runTool(ctx, "", "dpkg-deb", "-x", files[i], dir)
			return err
		})
	}
	return unpacked, g.Wait()
}

// openKernel finds the release of an unpacked kernel package, and its modules.
func openKernel(dir string) (*moduleSet, string, error) {
	dirs, err := filepath.Glob(filepath.Join(dir, "usr/lib/modules/*"))
	if err != nil || len(dirs) != 1 {
		return nil, "", fmt.Errorf("the kernel package holds %d sets of modules, want one", len(dirs))
	}
	set, err := openModules(dirs[0])
	return set, filepath.Base(dirs[0]), err
}

func (b *builder) manifest(release string) *manifest {
	m := &manifest{
		Format: 1, Arch: b.arch.name, Version: b.inputs[:12], Inputs: b.inputs, Epoch: b.epoch,
		KernelArgs: kernelArgs(), Packages: b.debs, Versions: map[string]string{"kernel": release},
	}
	for _, d := range b.debs {
		switch d.Package {
		case "docker.io":
			m.Versions["docker"] = d.Version
		case "containerd", "runc":
			m.Versions[d.Package] = d.Version
		}
	}
	return m
}

func (b *builder) writeKernel(dir, release, out string) error {
	kernel, err := os.ReadFile(filepath.Join(dir, "boot", "vmlinuz-"+release))
	if err != nil {
		return err
	}
	if b.arch.name == "amd64" {
		if kernel, err = extractELF(kernel); err != nil {
			return err
		}
	} else if kernel, err = extractImage(kernel); err != nil {
		return err
	}
	return replaceFile(filepath.Join(out, kernelFile), kernel)
}

// writeInitrd makes the initramfs: the agent as /init, and the modules that it needs
// to reach the root image.
func (b *builder) writeInitrd(set *moduleSet, out string) error {
	mods, err := set.closure(rootModules)
	if err != nil {
		return err
	}
	agent, err := os.ReadFile(b.agentFile())
	if err != nil {
		return err
	}
	var buf bytes.Buffer
	c := cpioWriter{w: &buf, mtime: uint32(b.epoch)}
	c.dir("dev")
	c.char("dev/console", 5, 1) // PID 1's standard streams, before it has mounted /dev
	c.dir("modules")
	list := ""
	for _, m := range mods {
		c.file("modules/"+path.Base(m.path), m.data)
		list += path.Base(m.path) + "\n"
	}
	c.file("modules/list", []byte(list))
	c.file("init", agent)
	if err := c.close(); err != nil {
		return err
	}
	return replaceFile(filepath.Join(out, "initrd"), buf.Bytes())
}

func (b *builder) writeRoot(ctx context.Context, m *manifest, set *moduleSet, unpacked map[string]string, work, out string) error {
	t := tree{}
	if err := t.addComponents(b.arch, unpacked); err != nil {
		return err
	}
	if err := t.addModules(set, m.Versions["kernel"]); err != nil {
		return err
	}
	for name, target := range links() {
		if err := t.add(strings.TrimPrefix(name, "usr/"), entry{link: target}); err != nil {
			return err
		}
	}
	certs, err := certificates(unpacked["ca-certificates"])
	if err != nil {
		return err
	}
	t.text("share/slipway/etc/ssl/certs/ca-certificates.crt", certs)
	for name, text := range etcFiles {
		t.text("share/slipway/etc/"+name, text)
	}
	t["share/slipway/etc/mke2fs.conf"] = entry{from: filepath.Join(unpacked["e2fsprogs"], "etc/mke2fs.conf")}
	t["bin/slipway-agent"] = entry{from: b.agentFile()}
	versions, err := json.Marshal(struct {
		Image    string            `json:"image"`
		Versions map[string]string `json:"versions"`
	}{m.Version, m.Versions})
	if err != nil {
		return err
	}
	t.text("share/slipway/versions.json", string(versions)+"\n")
	stage := filepath.Join(work, "root")
	if err := t.write(stage); err != nil {
		return err
	}
	return b.makeErofs(ctx, stage, out)
}

// makeErofs packs the root image. Owner, time and UUID are fixed so that equal trees
// make equal images.
func (b *builder) makeErofs(ctx context.Context, stage, out string) error {
	tmp := filepath.Join(out, ".root.erofs.tmp")
	uuid := fmt.Sprintf("%s-%s-4%s-8%s-%s", b.inputs[:8], b.inputs[8:12], b.inputs[13:16], b.inputs[17:20], b.inputs[20:32])
	args := append(erofsOptions(), "--quiet", "--all-root", "-x-1", fmt.Sprintf("-T%d", b.epoch), "-U"+uuid, tmp, stage)
	if _, err := runTool(ctx, "", "mkfs.erofs", args...); err != nil {
		return fmt.Errorf("make root image: %w", err)
	}
	return os.Rename(tmp, filepath.Join(out, "root.erofs"))
}

// replaceFile writes a file so that a reader sees the old or the new one, never half.
func replaceFile(file string, data []byte) error {
	tmp := filepath.Join(filepath.Dir(file), "."+filepath.Base(file)+".tmp")
	if err := os.WriteFile(tmp, data, 0o644); err != nil {
		return err
	}
	return os.Rename(tmp, file)
}
