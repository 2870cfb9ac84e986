package share

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// tree makes folders and links ("link -> target") below a new directory.
func tree(t *testing.T, entries ...string) string {
	t.Helper()
	root, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		link, target, isLink := strings.Cut(e, " -> ")
		if isLink {
			if !filepath.IsAbs(target) {
				target = filepath.Join(root, target)
			}
			err = os.Symlink(target, filepath.Join(root, link))
		} else {
			err = os.MkdirAll(filepath.Join(root, e), 0o755)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return root
}

func TestNew(t *testing.T) {
	root := tree(t, "home/me", "data", "link -> data")
	if err := os.WriteFile(filepath.Join(root, "file"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name   string
		paths  []string
		want   []string // below root
		reason string
	}{
		{"one", []string{"home/me"}, []string{"home/me"}, ""},
		{"two", []string{"home/me", "data"}, []string{"home/me", "data"}, ""},
		{"not clean", []string{"home/../data/"}, []string{"data"}, ""},
		{"link", []string{"link"}, []string{"data"}, ""},
		{"none", nil, nil, ""},
		{"twice", []string{"data", "data"}, nil, "is listed twice"},
		{"twice by a link", []string{"data", "link"}, nil, "is listed twice"},
		{"nested", []string{"home/me", "home"}, nil, "one in the other"},
		{"nested the other way", []string{"home", "home/me"}, nil, "one in the other"},
		{"missing", []string{"gone"}, nil, "does not exist"},
		{"file", []string{"file"}, nil, "is not a folder"},
	} {
		t.Run(c.name, func(t *testing.T) {
			var folders []Folder
			for _, p := range c.paths {
				folders = append(folders, Folder{Path: root + "/" + p})
			}
			checkNew(t, folders, root, c.want, c.reason)
		})
	}
	many := make([]Folder, maxFolders+1)
	checkNew(t, many, root, nil, "one too many")
	checkNew(t, []Folder{{Path: "home"}}, root, nil, "is not an absolute path")
	checkNew(t, []Folder{{Path: "/"}}, root, nil, "whole of this computer")
	for _, p := range []string{"/proc", "/proc/self", "/sys", "/dev", "/dev/shm", "/etc", "/usr/share", "/var"} {
		checkNew(t, []Folder{{Path: p}}, root, nil, "system folder")
	}
}

func checkNew(t *testing.T, folders []Folder, root string, want []string, reason string) {
	t.Helper()
	got, err := New(folders)
	if reason != "" {
		var e *Error
		if !errors.As(err, &e) || !strings.Contains(e.Reason, reason) || !strings.Contains(e.Error(), Setting) {
			t.Fatalf("%v: %v, want %q and the setting", folders, err, reason)
		}
		return
	}
	if err != nil || len(got) != len(want) {
		t.Fatalf("%v, %v", got, err)
	}
	tags := map[string]bool{}
	for i, s := range got {
		if s.Path != filepath.Join(root, want[i]) || len(s.Tag) > 31 || tags[s.Tag] {
			t.Fatalf("share %+v, want %s", s, want[i])
		}
		tags[s.Tag] = true
	}
	again, err := New(folders)
	if err != nil || len(again) > 0 && again[0].Tag != got[0].Tag {
		t.Fatal("a tag changes from start to start")
	}
}

func TestDefaultIsHome(t *testing.T) {
	root := tree(t, "home/me")
	t.Setenv("HOME", filepath.Join(root, "home/me"))
	folders, err := Default()
	if err != nil || len(folders) != 1 || folders[0].Path != filepath.Join(root, "home/me") || folders[0].ReadOnly {
		t.Fatalf("%v, %v", folders, err)
	}
}

func TestContains(t *testing.T) {
	root := tree(t, "home/me/src", "home/meg", "data", "home/me/out -> data", "home/me/in -> home/me/src",
		"alias -> home/me", "home/me/dead -> gone", "home/me/up -> home")
	f, err := New([]Folder{{Path: root + "/home/me"}})
	if err != nil {
		t.Fatal(err)
	}
	for path, reason := range map[string]string{
		"home/me":            "",
		"home/me/":           "",
		"home/me/src":        "",
		"home/me/new/deeper": "",
		"home/me/in":         "",
		"home/me/src/..":     "",
		"home/meg":           "is not shared",
		"home":               "is not shared",
		"home/me/../meg":     "is not shared",
		"data":               "is not shared",
		"home/me/out":        "is a link to " + root + "/data",
		"home/me/out/new":    "is a link to " + root + "/data/new",
		"home/me/up/meg":     "is a link to",
		"home/me/dead":       "leads nowhere",
		"home/me/dead/x":     "leads nowhere",
		"alias/src":          "through a symbolic link to " + root + "/home/me/src",
	} {
		err := f.Contains(root + "/" + path)
		var e *Error
		if reason == "" && err != nil || reason != "" && (!errors.As(err, &e) || !strings.Contains(err.Error(), reason)) {
			t.Errorf("%s: %v, want %q", path, err, reason)
		}
		if strings.Contains(reason, "shared") && !strings.Contains(err.Error(), Setting) {
			t.Errorf("%s: %v does not name the setting", path, err)
		}
	}
	if f.Contains("relative") == nil || (Folders{}).Contains(root) == nil {
		t.Error("a path that is not shared passes")
	}
}
