package datakit

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Bounds of what one repository path may be.
const (
	maxPath  = 1024 // bytes
	maxName  = 255  // bytes of one component, as most file systems have it
	maxDepth = 32   // components
)

// CheckPath reports why p cannot be the path of a file in a tree: the error
// wraps ErrBadPath. A path is relative, separated by single slashes, in UTF-8
// without control characters or backslashes, and has no component that is
// "", ".", ".." or that git fsck refuses or interprets (.git, .gitmodules,
// .gitattributes, and the ways NTFS and HFS+ spell those).
func CheckPath(p string) error {
	if p == "" {
		return fmt.Errorf("%w: empty", ErrBadPath)
	}
	if len(p) > maxPath {
		return fmt.Errorf("%w: longer than %d bytes", ErrBadPath, maxPath)
	}
	parts := strings.Split(p, "/")
	if len(parts) > maxDepth {
		return fmt.Errorf("%w %q: deeper than %d directories", ErrBadPath, clip(p), maxDepth)
	}
	for _, name := range parts {
		if why := badName(name); why != "" {
			return fmt.Errorf("%w %q: %s", ErrBadPath, clip(p), why)
		}
	}
	return nil
}

func badName(name string) string {
	switch {
	case name == "":
		return "empty component"
	case name == "." || name == "..":
		return "relative component"
	case len(name) > maxName:
		return fmt.Sprintf("component longer than %d bytes", maxName)
	case !utf8.ValidString(name):
		return "not UTF-8"
	case strings.ContainsRune(name, '\\'):
		return "backslash"
	case strings.ContainsFunc(name, unicode.IsControl):
		return "control character"
	case gitName(name):
		return "name reserved by git"
	}
	return ""
}

// gitName reports names that git gives a meaning to. HFS+ ignores some
// invisible characters, NTFS trailing dots, spaces and ":stream", and has 8.3
// names such as GIT~1: git fsck checks for those, so we refuse them.
func gitName(name string) bool {
	plain := strings.ToLower(strings.Map(func(r rune) rune {
		if unicode.Is(unicode.Cf, r) {
			return -1
		}
		return r
	}, name))
	plain, _, _ = strings.Cut(plain, ":")
	plain = strings.TrimRight(plain, ". ")
	switch plain {
	case ".git", ".gitmodules", ".gitattributes":
		return true
	}
	short, number, ok := strings.Cut(plain, "~")
	return ok && number != "" && strings.HasPrefix(short, "gi")
}

// checkBranch follows `git check-ref-format --branch`, and refuses "@" and
// "HEAD" as git does.
func checkBranch(name string) error {
	bad := func(why string) error {
		return fmt.Errorf("%w %q: %s", ErrBadBranch, clip(name), why)
	}
	switch {
	case name == "" || name == "@" || name == "HEAD":
		return bad("reserved")
	case len(name) > 200:
		return bad("longer than 200 bytes")
	case strings.HasPrefix(name, "-"):
		return bad("starts with a dash")
	case strings.HasSuffix(name, "."):
		return bad("ends with a dot")
	case strings.Contains(name, "..") || strings.Contains(name, "@{"):
		return bad("contains .. or @{")
	case strings.ContainsAny(name, " ~^:?*[\\\x7f") || !utf8.ValidString(name):
		return bad("contains a character that git does not allow")
	}
	for _, part := range strings.Split(name, "/") {
		switch {
		case part == "" || strings.HasPrefix(part, "."):
			return bad("a component is empty or starts with a dot")
		case strings.HasSuffix(strings.ToLower(part), ".lock"):
			return bad("a component ends with .lock")
		case strings.ContainsFunc(part, unicode.IsControl):
			return bad("control character")
		}
	}
	return nil
}
