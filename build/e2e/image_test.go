package e2e

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"os"
	"path/filepath"
	"runtime"
	"testing"
)

// imageTag is the image that busyboxImage makes.
const imageTag = "slipway-test:latest"

// busyboxImage writes a small image, made of Debian's static busybox, as a file
// that `docker load` takes.
func busyboxImage(t *testing.T, dir string) string {
	t.Helper()
	busybox, err := os.ReadFile("/bin/busybox")
	if err != nil {
		missing(t, "/bin/busybox (package busybox-static)")
	}
	applets := []string{"sh", "cat", "echo", "httpd", "ls", "nc", "nslookup", "ping", "sleep", "true", "wget", "id", "touch"}
	layer := archive(t, func(add func(tar.Header, []byte)) {
		for _, d := range []string{"bin/", "www/", "tmp/", "etc/"} {
			add(tar.Header{Name: d, Typeflag: tar.TypeDir, Mode: 0o755}, nil)
		}
		add(tar.Header{Name: "bin/busybox", Mode: 0o755}, busybox)
		for _, a := range applets {
			add(tar.Header{Name: "bin/" + a, Typeflag: tar.TypeSymlink, Linkname: "busybox", Mode: 0o777}, nil)
		}
		add(tar.Header{Name: "www/index.html", Mode: 0o644}, []byte("hello from the container\n"))
	})
	sum := sha256.Sum256(layer)
	config := encode(t, map[string]any{
		"architecture": runtime.GOARCH, "os": "linux",
		"config": map[string]any{"Env": []string{"PATH=/bin"}, "Cmd": []string{"sh"}},
		"rootfs": map[string]any{"type": "layers", "diff_ids": []string{"sha256:" + hex.EncodeToString(sum[:])}},
	})
	manifest := encode(t, []map[string]any{{"Config": "config.json", "RepoTags": []string{imageTag}, "Layers": []string{"layer.tar"}}})
	image := archive(t, func(add func(tar.Header, []byte)) {
		add(tar.Header{Name: "config.json", Mode: 0o644}, config)
		add(tar.Header{Name: "layer.tar", Mode: 0o644}, layer)
		add(tar.Header{Name: "manifest.json", Mode: 0o644}, manifest)
	})
	path := filepath.Join(dir, "image.tar")
	if err := os.WriteFile(path, image, 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

func archive(t *testing.T, fill func(add func(tar.Header, []byte))) []byte {
	t.Helper()
	var out bytes.Buffer
	w := tar.NewWriter(&out)
	fill(func(h tar.Header, data []byte) {
		h.Size = int64(len(data))
		if h.Typeflag == 0 {
			h.Typeflag = tar.TypeReg
		}
		if err := w.WriteHeader(&h); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write(data); err != nil {
			t.Fatal(err)
		}
	})
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func encode(t *testing.T, v any) []byte {
	t.Helper()
	text, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return text
}
