// Package share holds which folders of the host the machine sees. Each appears in
// the machine at the path it has on the host, so that `docker run -v $PWD:/w` means
// the same on both sides; all else of the host is out of reach, and this package can
// say so before Docker would make an empty directory in its place.
//
// It serves no files: the machine's monitor does (virtio-9p), by the tags given here.
package share

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// Setting is the name of the setting that lists the folders.
const Setting = "share/folders"

// maxFolders is what a machine has slots for, beside its other devices.
const maxFolders = 16

// reserved are folders that the machine has for itself, and would lose under the
// host's: with all that is in them, and those they are in.
var reserved = []string{
	"/bin", "/boot", "/dev", "/etc", "/lib", "/lib64", "/proc", "/run", "/sbin", "/sys", "/usr", "/var/lib", "/var/run",
}

// A Folder is one entry of the setting.
type Folder struct {
	Path     string
	ReadOnly bool
}

// A Share is a folder as the machine gets it. Path has no symbolic links.
type Share struct {
	Tag      string // at most 31 bytes, the same for a path at each start
	Path     string
	ReadOnly bool
}

// Folders is a valid list of shares: none is in another.
type Folders []Share

// An Error says which folder cannot be shared or reached, why, and what to change.
type Error struct {
	Path   string
	Reason string
	Hint   string
}

func (e *Error) Error() string { return e.Path + " " + e.Reason + ": " + e.Hint }

// Default returns the folders of someone who chose none: the home directory.
func Default() ([]Folder, error) {
	home, err := os.UserHomeDir()
	if err != nil {
		return nil, fmt.Errorf("find the home directory to share: %w", err)
	}
	return []Folder{{Path: home}}, nil
}

// New checks folders, which must exist, and resolves symbolic links. Its errors are
// *Error.
func New(folders []Folder) (Folders, error) {
	if len(folders) > maxFolders {
		return nil, &Error{folders[maxFolders].Path, fmt.Sprintf("is one too many: %d folders can be shared", maxFolders), "list fewer in the setting " + Setting}
	}
	shares := make(Folders, 0, len(folders))
	for _, f := range folders {
		s, err := newShare(f)
		if err != nil {
			return nil, err
		}
		for _, other := range shares {
			switch {
			case s.Path == other.Path:
				return nil, &Error{f.Path, "is listed twice", "remove one from the setting " + Setting}
			case within(s.Path, other.Path), within(other.Path, s.Path):
				return nil, &Error{f.Path, "and " + other.Path + " are one in the other", "list only the outer one in the setting " + Setting}
			}
		}
		shares = append(shares, s)
	}
	return shares, nil
}

func newShare(f Folder) (Share, error) {
	change := "change the setting " + Setting
	if !filepath.IsAbs(f.Path) {
		return Share{}, &Error{f.Path, "is not an absolute path", change}
	}
	path, err := filepath.EvalSymlinks(f.Path)
	if errors.Is(err, fs.ErrNotExist) {
		return Share{}, &Error{f.Path, "does not exist", "make it, or " + change}
	}
	if err != nil {
		return Share{}, &Error{f.Path, "cannot be read (" + err.Error() + ")", change}
	}
	info, err := os.Stat(path)
	if err != nil {
		return Share{}, &Error{f.Path, "cannot be read (" + err.Error() + ")", change}
	}
	if !info.IsDir() {
		return Share{}, &Error{f.Path, "is not a folder", change}
	}
	if path == filepath.Dir(path) {
		return Share{}, &Error{f.Path, "is the whole of this computer", "list the folders that containers need in the setting " + Setting}
	}
	if isReserved(path) {
		return Share{}, &Error{f.Path, "is a system folder, of which the machine has its own", change}
	}
	sum := sha256.Sum256([]byte(path))
	return Share{Tag: "slipway-" + hex.EncodeToString(sum[:6]), Path: path, ReadOnly: f.ReadOnly}, nil
}

func isReserved(path string) bool {
	for _, dir := range reserved {
		if path == dir || within(path, dir) || within(dir, path) {
			return true
		}
	}
	return false
}

// Contains returns nil when the machine sees path where the host has it, and
// otherwise an *Error that names the setting to change. path need not exist: Docker
// makes it then.
//
// A symbolic link in path that leads out of the shares, or into one by another path,
// is refused, since in the machine it would lead elsewhere. The answer is of the
// moment: the user, who owns both sides, can put a link there afterwards, and gains
// nothing by it, since the machine still has only the shares.
func (f Folders) Contains(path string) error {
	if !filepath.IsAbs(path) {
		return &Error{path, "is not an absolute path", "give the folder's whole path"}
	}
	path = filepath.Clean(path)
	real, err := resolve(path)
	if err != nil {
		return &Error{path, "cannot be read (" + err.Error() + ")", "check its permissions"}
	}
	for _, s := range f {
		if real != s.Path && !within(real, s.Path) {
			continue
		}
		if path == s.Path || within(path, s.Path) {
			return nil
		}
		return &Error{path, "leads through a symbolic link to " + real, "use that path, under which the machine has the folder"}
	}
	if real != path {
		return &Error{path, "is a link to " + real + ", which is not shared with the machine", f.hint()}
	}
	return &Error{path, "is not shared with the machine", f.hint()}
}

func (f Folders) hint() string {
	if len(f) == 0 {
		return "no folder is; add one to the setting " + Setting + " and restart the machine"
	}
	paths := make([]string, len(f))
	for i, s := range f {
		paths[i] = s.Path
	}
	return "add it to the setting " + Setting + ", which has " + strings.Join(paths, ", ") + ", and restart the machine"
}

// resolve follows the symbolic links of the part of path that exists.
func resolve(path string) (string, error) {
	rest := ""
	for {
		real, err := filepath.EvalSymlinks(path)
		if err == nil {
			return filepath.Join(real, rest), nil
		}
		if !errors.Is(err, fs.ErrNotExist) {
			return "", err
		}
		if info, err := os.Lstat(path); err == nil && info.Mode()&fs.ModeSymlink != 0 {
			return "", errors.New("a symbolic link that leads nowhere")
		}
		parent := filepath.Dir(path)
		if parent == path {
			return "", err
		}
		rest = filepath.Join(filepath.Base(path), rest)
		path = parent
	}
}

// within tells whether path is below dir.
func within(path, dir string) bool {
	return strings.HasPrefix(path, strings.TrimSuffix(dir, string(filepath.Separator))+string(filepath.Separator))
}
