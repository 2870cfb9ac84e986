package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

const (
	suite         = "trixie"
	keyring       = "/usr/share/keyrings/debian-archive-keyring.gpg"
	listsLifetime = 24 * time.Hour
)

// A deb is one package at the version that the archive offers.
type deb struct {
	Package      string `json:"package"`
	Version      string `json:"version"`
	Architecture string `json:"architecture"`
	SHA256       string `json:"sha256"`
	depends      string
}

func (d deb) file() string {
	return d.Package + "_" + strings.ReplaceAll(d.Version, ":", "%3a") + "_" + d.Architecture + ".deb"
}

// An aptClient is apt with its state in a directory of its own: another release and
// another architecture than the host's, and no need for root. apt verifies the
// archive's signature with Debian's keyring and every package with the signed lists.
type aptClient struct {
	dir  string
	arch string
	log  *slog.Logger
}

func newApt(dir, arch string, mirrors [2]string, log *slog.Logger) (*aptClient, error) {
	a := &aptClient{dir: dir, arch: arch, log: log}
	if _, err := os.Stat(keyring); err != nil {
		return nil, fmt.Errorf("the archive keys of Debian are missing: install debian-archive-keyring (%w)", err)
	}
	for _, d := range []string{"lists/partial", "archives/partial"} {
		if err := os.MkdirAll(filepath.Join(dir, d), 0o755); err != nil {
			return nil, err
		}
	}
	sources := fmt.Sprintf("Types: deb\nURIs: %s\nSuites: %[2]s %[2]s-updates\nComponents: main\nSigned-By: %[3]s\n\n"+
		"Types: deb\nURIs: %[4]s\nSuites: %[2]s-security\nComponents: main\nSigned-By: %[3]s\n",
		mirrors[0], suite, keyring, mirrors[1])
	// The host's own settings (proxy and so on) stay; what would touch its state goes.
	conf := fmt.Sprintf(`#clear APT::Update::Post-Invoke;
#clear APT::Update::Post-Invoke-Success;
#clear Acquire::IndexTargets::deb::DEP-11;
Dir::State %[1]q;
Dir::State::status "%[1]s/status";
Dir::State::lists "%[1]s/lists";
Dir::Cache %[1]q;
Dir::Etc::sourcelist "%[1]s/slipway.sources";
Dir::Etc::sourceparts "-";
APT::Architecture %[2]q;
#clear APT::Architectures;
APT::Architectures { %[2]q; };
APT::Sandbox::User "root";
Acquire::Languages "none";
Acquire::Retries "3";
`, dir, arch)
	for name, text := range map[string]string{"status": "", "slipway.sources": sources, "apt.conf": conf} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			return nil, err
		}
	}
	return a, nil
}

func (a *aptClient) run(ctx context.Context, dir, tool string, args ...string) ([]byte, error) {
	return runTool(ctx, dir, tool, append([]string{"-c", filepath.Join(a.dir, "apt.conf")}, args...)...)
}

// refresh fetches the archive's lists when those at hand are older than a day. Old
// lists are good enough where the archive cannot be reached.
func (a *aptClient) refresh(ctx context.Context, force bool) error {
	stamp := filepath.Join(a.dir, "refreshed")
	st, err := os.Stat(stamp)
	have := err == nil
	if have && !force && time.Since(st.ModTime()) < listsLifetime {
		return nil
	}
	a.log.Info("fetching package lists", "suite", suite, "arch", a.arch)
	_, err = a.run(ctx, "", "apt-get", "-q", "--error-on=any", "update")
	if err != nil && have && !force {
		a.log.Warn("package lists could not be refreshed; going on with the old ones", "age", time.Since(st.ModTime()).Round(time.Minute), "err", err)
		return nil
	}
	if err != nil {
		return fmt.Errorf("fetch package lists: %w", err)
	}
	return os.WriteFile(stamp, nil, 0o644)
}

// resolve returns the packages at the versions to be fetched, in the order of names.
func (a *aptClient) resolve(ctx context.Context, names []string) ([]deb, error) {
	out, err := a.run(ctx, "", "apt-cache", append([]string{"--no-all-versions", "show"}, names...)...)
	if err != nil {
		return nil, fmt.Errorf("look up packages: %w", err)
	}
	found := map[string]deb{}
	for stanza := range strings.SplitSeq(string(out), "\n\n") {
		d := parseStanza(stanza)
		found[d.Package] = d
	}
	debs := make([]deb, len(names))
	for i, n := range names {
		d, ok := found[n]
		if !ok || d.Version == "" || len(d.SHA256) != 2*sha256.Size {
			return nil, fmt.Errorf("%s has no package %s for %s", suite, n, a.arch)
		}
		debs[i] = d
	}
	return debs, nil
}

// parseStanza reads the fields wanted of one paragraph of a Packages file (deb822).
func parseStanza(text string) deb {
	var d deb
	for line := range strings.SplitSeq(text, "\n") {
		key, value, ok := strings.Cut(line, ":")
		if !ok || strings.HasPrefix(line, " ") {
			continue
		}
		value = strings.TrimSpace(value)
		switch key {
		case "Package":
			d.Package = value
		case "Version":
			d.Version = value
		case "Architecture":
			d.Architecture = value
		case "SHA256":
			d.SHA256 = value
		case "Depends":
			d.depends = value
		}
	}
	return d
}

// kernelPackage returns the package behind a kernel's meta package.
func kernelPackage(meta deb) (string, error) {
	for d := range strings.SplitSeq(meta.depends, ",") {
		name, _, _ := strings.Cut(strings.TrimSpace(d), " ")
		if strings.HasPrefix(name, "linux-image-") {
			return name, nil
		}
	}
	return "", fmt.Errorf("%s depends on no kernel: %q", meta.Package, meta.depends)
}

// fetch makes sure that every package is in the cache with the right hash, and
// returns their files in the same order.
func (a *aptClient) fetch(ctx context.Context, debs []deb) ([]string, error) {
	dir := filepath.Join(a.dir, "debs")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	files := make([]string, len(debs))
	var missing []string
	for i, d := range debs {
		files[i] = filepath.Join(dir, d.file())
		if checkFile(files[i], d.SHA256) != nil {
			missing = append(missing, d.Package+"="+d.Version)
		}
	}
	if len(missing) == 0 {
		return files, nil
	}
	a.log.Info("fetching packages", "count", len(missing))
	if _, err := a.run(ctx, dir, "apt-get", append([]string{"-q", "download"}, missing...)...); err != nil {
		return nil, fmt.Errorf("fetch packages: %w", err)
	}
	for i, d := range debs {
		if err := checkFile(files[i], d.SHA256); err != nil {
			return nil, fmt.Errorf("fetch %s: %w", d.Package, err)
		}
	}
	return files, removeOthers(dir, files)
}

// removeOthers keeps a cache from growing with every security update.
func removeOthers(dir string, keep []string) error {
	kept := map[string]bool{}
	for _, f := range keep {
		kept[filepath.Base(f)] = true
	}
	entries, err := os.ReadDir(dir)
	for _, e := range entries {
		if !kept[e.Name()] {
			err = errors.Join(err, os.RemoveAll(filepath.Join(dir, e.Name())))
		}
	}
	return err
}

func checkFile(file, want string) error {
	got, _, err := hashFile(file)
	if err == nil && got != want {
		err = fmt.Errorf("%s has SHA-256 %s, want %s", filepath.Base(file), got, want)
	}
	return err
}

func hashFile(file string) (sum string, size int64, err error) {
	f, err := os.Open(file)
	if err != nil {
		return "", 0, err
	}
	defer f.Close()
	h := sha256.New()
	size, err = io.Copy(h, f)
	return hex.EncodeToString(h.Sum(nil)), size, err
}

// hostMirrors returns where the host gets Debian and its security updates from, so
// that a machine with a mirror or proxy of its own uses it here too; "" if it does not
// tell. The label is known once the host has fetched the archive's lists; before that
// the address tells, which ends alike on every mirror.
func hostMirrors(ctx context.Context) [2]string {
	var mirrors [2]string
	out, err := runTool(ctx, "", "apt-get", "indextargets", "--format", "$(LABEL)|$(REPO_URI)", "Created-By: Packages")
	if err != nil {
		return mirrors // no apt sources at all; apt-get itself is checked by its first real use
	}
	for line := range strings.SplitSeq(string(out), "\n") {
		label, uri, _ := strings.Cut(line, "|")
		uri = strings.TrimSuffix(uri, "/")
		switch {
		case label == "Debian", label == "" && strings.HasSuffix(uri, "/debian"):
			mirrors[0] = uri
		case label == "Debian-Security", label == "" && strings.HasSuffix(uri, "/debian-security"):
			mirrors[1] = uri
		}
	}
	return mirrors
}

// runTool runs a program in the C locale and returns its standard output; an error
// holds what it said.
func runTool(ctx context.Context, dir, tool string, args ...string) ([]byte, error) {
	cmd := exec.CommandContext(ctx, tool, args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "LC_ALL=C", "TZ=UTC")
	var out, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &stderr
	if err := cmd.Run(); err != nil {
		if errors.Is(err, exec.ErrNotFound) {
			return nil, missingTool(tool)
		}
		return nil, fmt.Errorf("%s: %w: %s", tool, err, lastBytes(stderr.String(), 600))
	}
	return out.Bytes(), nil
}

func missingTool(tool string) error {
	return fmt.Errorf("%s is not installed: the image needs apt, dpkg, erofs-utils, xz-utils and zstd", tool)
}

func lastBytes(s string, n int) string {
	s = strings.TrimSpace(s)
	return s[max(0, len(s)-n):]
}
