package guest

import (
	"errors"
	"fmt"
	"net/url"
	"path"
	"strings"
)

// Limits on what a kernel command line can carry to the guest. The kernel cuts
// what is longer than 2048 bytes (COMMAND_LINE_SIZE on amd64 and arm64) without a
// word; other options of the kernel need the rest.
const (
	maxCmdline  = 1536
	maxShareTag = 31 // bytes, virtio-9p's mount_tag
)

// Boot is what the engine tells the guest before there is a channel to it.
type Boot struct {
	Shares   []ShareMount
	Hostname string
	// DockerArgs are further arguments of dockerd, such as "--mtu=1400".
	DockerArgs []string
}

// A ShareMount is a folder of the host that the guest mounts at the path it has on
// the host.
type ShareMount struct {
	Tag      string // the virtio-9p device's mount tag
	Path     string
	ReadOnly bool
}

// Check says whether the guest can be given b: the names are well formed and the
// words fit in a kernel command line.
func (b Boot) Check() error {
	if b.Hostname != "" && !isHostname(b.Hostname) {
		return fmt.Errorf("%q is not a host name: use at most 63 letters, digits and inner hyphens", b.Hostname)
	}
	for _, s := range b.Shares {
		if s.Tag == "" || len(s.Tag) > maxShareTag || strings.ContainsAny(s.Tag, ",\x00") {
			return fmt.Errorf("share tag %q: want 1 to %d bytes without comma", s.Tag, maxShareTag)
		}
		if !path.IsAbs(s.Path) || path.Clean(s.Path) != s.Path || strings.Contains(s.Path, "\x00") {
			return fmt.Errorf("share path %q is not an absolute, clean path", s.Path)
		}
	}
	n := 0
	for _, w := range Cmdline(b) {
		n += len(w) + 1
	}
	if n > maxCmdline {
		return fmt.Errorf("the shared folders' paths and Docker's options need %d bytes of the kernel command line, %d are free: share fewer folders, or one that holds them all", n, maxCmdline)
	}
	return nil
}

// Cmdline returns b as words of the kernel command line, each "slipway.KEY=VALUE".
// The kernel splits at white space and gives double quotes a meaning, so all but
// plain characters of a value are percent-encoded (RFC 3986 section 2.1); a comma
// divides the parts of a share.
func Cmdline(b Boot) []string {
	var words []string
	if b.Hostname != "" {
		words = append(words, "slipway.host="+escape(b.Hostname))
	}
	for _, s := range b.Shares {
		mode := "rw"
		if s.ReadOnly {
			mode = "ro"
		}
		words = append(words, "slipway.share="+escape(s.Tag)+","+mode+","+escape(s.Path))
	}
	for _, a := range b.DockerArgs {
		words = append(words, "slipway.docker="+escape(a))
	}
	return words
}

// ParseCmdline reads what Cmdline wrote from a whole kernel command line. Words that
// do not begin with "slipway." are the kernel's and are passed over. On an error it
// still returns what it understood, so that PID 1 can go on and report the rest.
func ParseCmdline(line string) (Boot, error) {
	var b Boot
	var errs []error
	for _, word := range strings.Fields(line) {
		rest, ours := strings.CutPrefix(word, "slipway.")
		if !ours {
			continue
		}
		if err := b.parseWord(rest); err != nil {
			errs = append(errs, fmt.Errorf("kernel command line: %q: %w", word, err))
		}
	}
	return b, errors.Join(errs...)
}

func (b *Boot) parseWord(word string) error {
	key, value, _ := strings.Cut(word, "=")
	parts := strings.Split(value, ",")
	for i, p := range parts {
		var err error
		if parts[i], err = url.PathUnescape(p); err != nil {
			return err
		}
	}
	switch {
	case key == "share" && len(parts) == 3:
		s := ShareMount{Tag: parts[0], Path: parts[2], ReadOnly: parts[1] == "ro"}
		if parts[1] != "ro" && parts[1] != "rw" {
			return errors.New("the second part is neither rw nor ro")
		}
		if err := (Boot{Shares: []ShareMount{s}}).Check(); err != nil {
			return err
		}
		b.Shares = append(b.Shares, s)
	case key == "host" && len(parts) == 1 && isHostname(parts[0]):
		b.Hostname = parts[0]
	case key == "docker" && len(parts) == 1:
		b.DockerArgs = append(b.DockerArgs, parts[0])
	default:
		return errors.New("not understood; are the image and the engine of one version?")
	}
	return nil
}

func escape(s string) string {
	const plain = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~/:=+@"
	var b strings.Builder
	for i := range len(s) {
		if c := s[i]; strings.IndexByte(plain, c) >= 0 {
			b.WriteByte(c)
		} else {
			fmt.Fprintf(&b, "%%%02X", c)
		}
	}
	return b.String()
}

func isHostname(s string) bool {
	if s == "" || len(s) > 63 || s[0] == '-' || s[len(s)-1] == '-' {
		return false
	}
	for i := range len(s) {
		c := s[i]
		if !(c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '-') {
			return false
		}
	}
	return true
}
