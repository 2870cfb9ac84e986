package docker

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
)

const (
	maxMeta = 1 << 20
	// ownerKey marks a context as Slipway's; its value is the socket of the engine
	// that made it.
	ownerKey = "slipway.socket"
)

// ErrForeignContext means that the context's name is in use, and not by this engine.
var ErrForeignContext = errors.New("the Docker context belongs to someone else")

var contextName = regexp.MustCompile(`^[a-zA-Z0-9][a-zA-Z0-9_.+-]+$`)

// A Context is a Docker CLI context that names a Slipway socket, so that
// `docker --context NAME` reaches it. It is kept in the CLI's own store, in which it
// touches nothing but itself: neither other contexts nor which one is current.
type Context struct {
	Name        string
	Socket      string
	Description string
	// ConfigDir is the CLI's directory; "" means DOCKER_CONFIG, or else ~/.docker.
	ConfigDir string
}

// contextMeta is a context's meta.json, as the CLI's store writes it.
type contextMeta struct {
	Name      string
	Metadata  map[string]any
	Endpoints map[string]contextEndpoint
}

type contextEndpoint struct {
	Host          string
	SkipTLSVerify bool
}

// Create makes the context, or brings it up to date. It refuses one of the same name
// that Slipway did not make, or that leads to another engine which is running, with
// an error that matches ErrForeignContext.
func (c Context) Create() error {
	if !contextName.MatchString(c.Name) || c.Name == "default" {
		return fmt.Errorf("%q cannot be the name of a Docker context: use letters, digits and _.+-, at least two, but not default", c.Name)
	}
	dir, err := c.dir()
	if err != nil {
		return err
	}
	meta, err := readMeta(dir)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	if err == nil {
		if owner, ours := meta.Metadata[ownerKey].(string); !ours {
			return fmt.Errorf("%w: %s exists and Slipway did not make it; remove it with `docker context rm %s`, or choose another name", ErrForeignContext, c.Name, c.Name)
		} else if owner != c.Socket && served(owner) {
			return fmt.Errorf("%w: %s leads to another Slipway that is running, at %s; choose another name", ErrForeignContext, c.Name, owner)
		}
	}
	b, err := json.Marshal(contextMeta{
		Name:      c.Name,
		Metadata:  map[string]any{"Description": c.Description, ownerKey: c.Socket},
		Endpoints: map[string]contextEndpoint{"docker": {Host: "unix://" + c.Socket}},
	})
	if err != nil {
		return fmt.Errorf("encode Docker context: %w", err)
	}
	if err := writeMeta(dir, b); err != nil {
		return fmt.Errorf("make Docker context %s: %w", c.Name, err)
	}
	return nil
}

// Remove removes the context if this engine made it; otherwise it leaves it alone,
// which is no error.
func (c Context) Remove() error {
	dir, err := c.dir()
	if err != nil {
		return err
	}
	meta, err := readMeta(dir)
	if errors.Is(err, os.ErrNotExist) || err == nil && meta.Metadata[ownerKey] != c.Socket {
		return nil
	}
	if err != nil {
		return err
	}
	if err := os.Remove(filepath.Join(dir, "meta.json")); err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("remove Docker context %s: %w", c.Name, err)
	}
	_ = os.Remove(dir) // kept when the user put something there
	return nil
}

// dir is where the CLI keeps the context: a directory named by the hash of its name.
func (c Context) dir() (string, error) {
	config := c.ConfigDir
	if config == "" {
		config = os.Getenv("DOCKER_CONFIG")
	}
	if config == "" {
		home, err := os.UserHomeDir()
		if err != nil {
			return "", fmt.Errorf("find the Docker CLI's directory: %w", err)
		}
		config = filepath.Join(home, ".docker")
	}
	sum := sha256.Sum256([]byte(c.Name))
	return filepath.Join(config, "contexts", "meta", hex.EncodeToString(sum[:])), nil
}

func readMeta(dir string) (contextMeta, error) {
	var meta contextMeta
	f, err := os.Open(filepath.Join(dir, "meta.json"))
	if err != nil {
		return meta, fmt.Errorf("read Docker context: %w", err)
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, maxMeta))
	if err == nil {
		err = json.Unmarshal(b, &meta)
	}
	if err != nil {
		return meta, fmt.Errorf("read Docker context: %s: %w", f.Name(), err)
	}
	return meta, nil
}

// writeMeta replaces meta.json so that the CLI reads the old one or the new one.
func writeMeta(dir string, b []byte) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	f, err := os.CreateTemp(dir, ".meta-*")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name()) // gone when all went well
	_, err = f.Write(b)
	err = errors.Join(err, f.Chmod(0o644), f.Sync(), f.Close())
	if err != nil {
		return err
	}
	return os.Rename(f.Name(), filepath.Join(dir, "meta.json"))
}
