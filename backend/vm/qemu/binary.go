package qemu

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strconv"

	"github.com/slipway-desktop/slipway/backend/vm"
)

// The oldest QEMU that has "-netdev stream".
const minMajor, minMinor = 7, 2

// program names QEMU for the guest's (and host's) processor.
func program() string {
	name := "qemu-system-x86_64"
	if runtime.GOARCH == "arm64" {
		name = "qemu-system-aarch64"
	}
	if runtime.GOOS == "windows" {
		name += ".exe"
	}
	return name
}

// installDirs are where package managers put QEMU beside the PATH, which
// programs started from a desktop often lack.
var installDirs = map[string][]string{
	"linux":   {"/usr/bin", "/usr/local/bin"},
	"darwin":  {"/opt/homebrew/bin", "/usr/local/bin", "/opt/local/bin"},
	"windows": {`C:\Program Files\qemu`},
}

var installHints = map[string]string{
	"linux":   "Install it with your package manager; on Debian and Ubuntu: sudo apt install qemu-system-x86 (qemu-system-arm on ARM).",
	"darwin":  "Install it with Homebrew: brew install qemu",
	"windows": "Install it with: winget install SoftwareFreedomConservancy.QEMU",
}

// findBinary resolves the program, or name if that is not empty.
func findBinary(name string) (string, error) {
	wanted := name
	if wanted == "" {
		wanted = program()
	}
	path, err := exec.LookPath(wanted)
	if err == nil {
		return filepath.Abs(path)
	}
	if name == "" {
		for _, dir := range installDirs[runtime.GOOS] {
			path := filepath.Join(dir, wanted)
			if info, statErr := os.Stat(path); statErr == nil && info.Mode().IsRegular() {
				return path, nil
			}
		}
	}
	return "", &vm.Fault{Code: vm.CodeMissing, Message: fmt.Sprintf("QEMU (%s) is not installed.", wanted),
		Hint: installHints[runtime.GOOS], Err: err}
}

var versionText = regexp.MustCompile(`version (\d+)\.(\d+)(\.\d+)*`)

// version asks QEMU for its version and refuses one that is too old.
func version(ctx context.Context, binary string) (string, error) {
	out, err := exec.CommandContext(ctx, binary, "--version").Output()
	if err != nil {
		if ctx.Err() != nil {
			return "", ctx.Err()
		}
		var exit *exec.ExitError
		detail := ""
		if errors.As(err, &exit) {
			detail = string(exit.Stderr)
		}
		return "", &vm.Fault{Code: vm.CodeMissing, Message: fmt.Sprintf("QEMU (%s) cannot be run.", binary),
			Hint: "Install it again. " + installHints[runtime.GOOS], Detail: detail, Err: err}
	}
	return parseVersion(binary, string(out))
}

func parseVersion(binary, text string) (string, error) {
	m := versionText.FindStringSubmatch(text)
	if m == nil {
		return "", &vm.Fault{Code: vm.CodeMissing, Message: fmt.Sprintf("%s does not say which version of QEMU it is.", binary),
			Hint: "Install QEMU again. " + installHints[runtime.GOOS]}
	}
	major, _ := strconv.Atoi(m[1])
	minor, _ := strconv.Atoi(m[2])
	found := m[0][len("version "):]
	if major < minMajor || major == minMajor && minor < minMinor {
		return "", &vm.Fault{Code: vm.CodeMissing, Message: fmt.Sprintf("QEMU %s is too old.", found),
			Hint: fmt.Sprintf("Install QEMU %d.%d or newer.", minMajor, minMinor)}
	}
	return found, nil
}
