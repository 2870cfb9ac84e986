package docker

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"path"
	"regexp"
	"strings"
)

const maxCreate = 4 << 20 // dockerd itself reads no more of it

var createPath = regexp.MustCompile(`^(/v[0-9.]+)?/containers/create$`)

func isCreate(r *http.Request) bool {
	return r.Method == http.MethodPost && createPath.MatchString(r.URL.Path)
}

// guestPaths are sources of bind mounts that mean the machine and not the host: its
// own Docker, which containers that steer Docker expect.
var guestPaths = map[string]bool{"/var/run/docker.sock": true, "/run/docker.sock": true}

// createBody is the part of a new container's configuration that names paths of the
// host (Engine API, ContainerCreate). encoding/json reads it as dockerd does: names
// in any case, the last of two wins.
type createBody struct {
	HostConfig *struct {
		Binds  []string
		Mounts []struct {
			Type   string
			Source string
		}
	}
}

// checkCreate reads the body of r and puts it back. When it returns false it has
// answered.
func (e *Endpoint) checkCreate(w http.ResponseWriter, r *http.Request) bool {
	b, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxCreate))
	var tooBig *http.MaxBytesError
	if errors.As(err, &tooBig) {
		refuse(w, http.StatusRequestEntityTooLarge, fmt.Sprintf("the container's configuration is larger than %d bytes", maxCreate))
		return false
	}
	if err != nil {
		refuse(w, http.StatusBadRequest, fmt.Sprintf("read the container's configuration: %v", err))
		return false
	}
	r.Body = io.NopCloser(bytes.NewReader(b))
	r.ContentLength, r.TransferEncoding = int64(len(b)), nil
	if e.opts.CheckBind == nil {
		return true
	}
	for _, source := range bindSources(b) {
		if guestPaths[source] {
			continue
		}
		if err := e.opts.CheckBind(source); errors.Is(err, ErrNotRunning) {
			e.unreachable(w, r, err)
			return false
		} else if err != nil {
			refuse(w, http.StatusBadRequest, err.Error())
			return false
		}
	}
	return true
}

// bindSources returns the paths of the host that a container's configuration names;
// none when it is malformed, which is dockerd's to say.
func bindSources(body []byte) []string {
	var c createBody
	if json.Unmarshal(body, &c) != nil || c.HostConfig == nil {
		return nil
	}
	var sources []string
	for _, bind := range c.HostConfig.Binds {
		source, _, _ := strings.Cut(bind, ":")
		if path.IsAbs(source) { // otherwise the name of a volume
			sources = append(sources, path.Clean(source))
		}
	}
	for _, m := range c.HostConfig.Mounts {
		if m.Type == "bind" {
			sources = append(sources, path.Clean(m.Source))
		}
	}
	return sources
}
