package engine

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/slipway-desktop/slipway/backend/control"
)

// ErrHomeTaken says that another engine runs on the home.
var ErrHomeTaken = errors.New("another engine runs on this home")

// A home is the directory that one engine owns.
type home string

func (h home) lock() string    { return filepath.Join(string(h), "lock") }
func (h home) log() string     { return filepath.Join(string(h), "engine.log") }
func (h home) data() string    { return filepath.Join(string(h), "data.git") }
func (h home) run() string     { return filepath.Join(string(h), "run") }
func (h home) docker() string  { return filepath.Join(h.run(), "docker.sock") }
func (h home) network() string { return filepath.Join(h.run(), "net.sock") }

// SocketPath returns where the engine of a home serves its control tree.
func SocketPath(dir string) string { return filepath.Join(dir, "run", "control.sock") }

// DefaultHome returns the home that is used when none is named: SLIPWAY_HOME, or
// the place where the system keeps an application's data.
func DefaultHome() (string, error) {
	if dir := os.Getenv("SLIPWAY_HOME"); dir != "" {
		return filepath.Abs(dir)
	}
	return systemHome()
}

// maxSocketPath is the shortest limit among the systems for the path of a Unix
// socket (macOS: 104 bytes with the terminator).
const maxSocketPath = 103

// open makes the directories and takes the lock. The caller closes the file to
// give the home back.
func (h home) open() (*os.File, error) {
	if longest := filepath.Join(h.run(), "control.sock"); len(longest) > maxSocketPath {
		return nil, control.Errorf(control.CodeInvalid, "the home's path is too long for a socket: %s", h).
			WithHint("choose a home of at most %d characters with SLIPWAY_HOME", maxSocketPath-len("/run/control.sock"))
	}
	for _, dir := range []string{string(h), h.run()} {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return nil, fmt.Errorf("make the home: %w", err)
		}
	}
	// MkdirAll leaves the mode of what was there; sockets need an owner-only one.
	if err := os.Chmod(h.run(), 0o700); err != nil {
		return nil, fmt.Errorf("protect the sockets: %w", err)
	}
	file, err := os.OpenFile(h.lock(), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open the home's lock: %w", err)
	}
	if err := lockFile(file); err != nil {
		file.Close()
		if !errors.Is(err, errLocked) {
			return nil, fmt.Errorf("lock the home: %w", err)
		}
		e := control.Errorf(control.CodeTaken, "an engine runs already on %s%s", h, h.holder()).
			WithHint("use it, or stop it with `slipway down`")
		e.Err = ErrHomeTaken
		return nil, e
	}
	if err := file.Truncate(0); err != nil {
		file.Close()
		return nil, fmt.Errorf("write the home's lock: %w", err)
	}
	if _, err := file.WriteAt([]byte(strconv.Itoa(os.Getpid())+"\n"), 0); err != nil {
		file.Close()
		return nil, fmt.Errorf("write the home's lock: %w", err)
	}
	return file, nil
}

// AwaitEnd returns when no engine has the home any more, or ctx ends. An engine that
// quits lets go of its home last.
func AwaitEnd(ctx context.Context, dir string) error {
	retry := time.NewTicker(20 * time.Millisecond)
	defer retry.Stop()
	for {
		file, err := os.OpenFile(home(dir).lock(), os.O_RDWR, 0)
		if err != nil {
			return nil // there was none
		}
		err = lockFile(file)
		file.Close() // drops the lock
		if !errors.Is(err, errLocked) {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-retry.C:
		}
	}
}

// holder names the process that holds the lock, for a message.
func (h home) holder() string {
	text, err := os.ReadFile(h.lock())
	if pid := strings.TrimSpace(string(text)); err == nil && pid != "" {
		return " (pid " + pid + ")"
	}
	return ""
}
