package engine

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"runtime"

	"github.com/slipway-desktop/slipway/backend/control"
)

// An image is the directory that holds what the guest boots from.
type image string

func (i image) kernel() string { return filepath.Join(string(i), "vmlinux") }
func (i image) initrd() string { return filepath.Join(string(i), "initrd") }
func (i image) root() string   { return filepath.Join(string(i), "root.erofs") }

func (i image) manifest() string { return filepath.Join(string(i), "manifest.json") }

// kernelArgs are the words that the image wants on its kernel's command line.
func (i image) kernelArgs() ([]string, error) {
	text, err := os.ReadFile(i.manifest())
	if err != nil {
		return nil, fmt.Errorf("read the image's manifest: %w", err)
	}
	var manifest struct {
		KernelArgs []string `json:"kernelArgs"`
	}
	if err := json.Unmarshal(text, &manifest); err != nil {
		return nil, fmt.Errorf("read the image's manifest: %w", err)
	}
	return manifest.KernelArgs, nil
}

// check tells whether the files are there, so that their absence is one clear
// message and not a failed boot.
func (i image) check() error {
	for _, file := range []string{i.kernel(), i.initrd(), i.root(), i.manifest()} {
		if _, err := os.Stat(file); err != nil {
			e := control.Errorf(control.CodeNotFound, "the guest image is not complete: %s is missing", file).
				WithHint("build it with `make image`, or name its directory with --image or SLIPWAY_IMAGE")
			e.Err = err
			return e
		}
	}
	return nil
}

// FindImage returns the directory of the guest image: SLIPWAY_IMAGE, or the one
// that was installed or built beside the running program.
func FindImage() (string, error) {
	if dir := os.Getenv("SLIPWAY_IMAGE"); dir != "" {
		return filepath.Abs(dir)
	}
	program, err := os.Executable()
	if err != nil {
		return "", fmt.Errorf("find the program: %w", err)
	}
	if real, err := filepath.EvalSymlinks(program); err == nil {
		program = real
	}
	arch := runtime.GOARCH
	dir := filepath.Dir(program)
	places := []string{
		filepath.Join(dir, "..", "share", "slipway", arch),      // installed: bin/ and share/
		filepath.Join(dir, "..", "Resources", "image", arch),    // in an application bundle
		filepath.Join(dir, "image", arch),                       // unpacked side by side
		filepath.Join(dir, "..", "..", "guest-image/out", arch), // build/bin in a checkout
		filepath.Join("guest-image", "out", arch),               // run from a checkout
	}
	for _, place := range places {
		if image(place).check() == nil {
			return filepath.Abs(place)
		}
	}
	return "", control.Errorf(control.CodeNotFound, "there is no guest image for %s", arch).
		WithHint("build it with `make image`, or name its directory with --image or SLIPWAY_IMAGE")
}
