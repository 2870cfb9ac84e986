package main

import (
	"bytes"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"
)

func TestUpToDate(t *testing.T) {
	if err := run(true); err != nil {
		t.Fatal(err)
	}
}

func TestShapes(t *testing.T) {
	root, err := moduleRoot()
	if err != nil {
		t.Fatal(err)
	}
	got, err := generate(root)
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{
		"an enum is a union":               "export type CaptureAction = 'pause' | 'resume' | 'clear';\n",
		"a second Status has its package":  "export interface CaptureStatus {\n",
		"an embedded struct is extended":   "export interface Detail extends Row {\n",
		"bytes are base64":                 "  bytes: string;\n",
		"omitted fields may be missing":    "  changedAt?: string;\n",
		"a map is a record":                "  values: Record<string, string>;\n",
		"a payload may be a list":          "  log: LogLine[];\n",
		"comments come along":              " */\n  retransmits: number;\n",
		"tables know lists of shapes":      "phases: 'Phase[]'",
		"tables know plain lists":          "addresses: '[]'",
		"tables see through embedding":     "  Detail: { layers: 'Layer[]' },\n",
		"a topic's table entry has a list": "  containers: 'Container[]',\n",
	} {
		if !bytes.Contains(got, []byte(want)) {
			t.Errorf("%s: no %q in the output", name, want)
		}
	}
	if bytes.Contains(got, []byte("err:")) || bytes.Contains(got, []byte("Err:")) {
		t.Error("a field tagged json:\"-\" is in the output")
	}
}

func TestFieldsLeftOut(t *testing.T) {
	type shape struct {
		hidden int
		Out    int `json:"-"`
		Plain  int
		Maybe  time.Time `json:"maybe,omitzero"`
	}
	typ := reflect.TypeFor[shape]()
	var got []string
	for i := range typ.NumField() {
		if name, optional, ok := jsonField(typ.Field(i)); ok {
			if optional {
				name += "?"
			}
			got = append(got, name)
		}
	}
	if s := strings.Join(got, " "); s != "Plain maybe?" {
		t.Errorf("got %q", s)
	}
	_ = shape{}.hidden
}

func TestStale(t *testing.T) {
	root := t.TempDir()
	real, err := moduleRoot()
	if err != nil {
		t.Fatal(err)
	}
	for _, link := range []string{"backend", "go.mod"} {
		if err := os.Symlink(filepath.Join(real, link), filepath.Join(root, link)); err != nil {
			t.Fatal(err)
		}
	}
	path := filepath.Join(root, filepath.FromSlash(output))
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	t.Chdir(root)
	if err := run(true); err == nil {
		t.Error("a missing file passed")
	}
	if err := run(false); err != nil {
		t.Fatal(err)
	}
	if err := run(true); err != nil {
		t.Errorf("what was just written does not pass: %v", err)
	}
	if err := os.WriteFile(path, []byte("// old\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := run(true); err == nil || !strings.Contains(err.Error(), "go run ./build/tsgen") {
		t.Errorf("a stale file gave %v", err)
	}
}
