package main

import (
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
)

// A manifest says what an image is made of. It stands beside the image as
// manifest.json, and a part of it inside, for the agent to report.
type manifest struct {
	Format int    `json:"format"` // 1
	Arch   string `json:"arch"`
	// Version is the start of Inputs; the agent reports it as the version "image".
	Version string `json:"version"`
	// Inputs is the SHA-256 of everything that the image depends on: packages,
	// agent, recipe, tools. An image with the same inputs is not built again.
	Inputs string `json:"inputs"`
	Epoch  int64  `json:"epoch"` // time of all files, seconds since 1970
	// KernelArgs belong on the kernel's command line whatever the virtual machine.
	KernelArgs []string          `json:"kernelArgs"`
	Versions   map[string]string `json:"versions"` // kernel, docker, containerd, runc
	Files      []outputFile      `json:"files"`
	Packages   []deb             `json:"packages"`
}

// An outputFile is one file of the image, beside the manifest.
type outputFile struct {
	Name   string `json:"name"`
	Size   int64  `json:"size"`
	SHA256 string `json:"sha256"`
}

func readManifest(dir string) (*manifest, error) {
	data, err := os.ReadFile(filepath.Join(dir, "manifest.json"))
	if err != nil {
		return nil, err
	}
	m := new(manifest)
	return m, json.Unmarshal(data, m)
}

func (m *manifest) encode() ([]byte, error) {
	data, err := json.MarshalIndent(m, "", "  ")
	return append(data, '\n'), err
}

// upToDate says whether dir holds a whole image of these inputs. Sizes stand for
// contents: files are replaced whole, the manifest last.
func upToDate(dir, inputs string) (bool, error) {
	m, err := readManifest(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	for _, f := range m.Files {
		st, err := os.Stat(filepath.Join(dir, f.Name))
		if err != nil || st.Size() != f.Size {
			return false, nil
		}
	}
	return m.Inputs == inputs && len(m.Files) > 0, nil
}

// describe adds a finished file of the image.
func (m *manifest) describe(dir, name string) error {
	sum, size, err := hashFile(filepath.Join(dir, name))
	m.Files = append(m.Files, outputFile{name, size, sum})
	return err
}
