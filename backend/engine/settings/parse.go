package settings

import (
	"fmt"
	"net/netip"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Bounds of lists and lines.
const (
	maxText     = 64 << 10 // bytes of one value
	maxFolders  = 32
	maxForwards = 256
	maxServers  = 8
	maxHosts    = 1024
)

// Folder is a folder of the host that containers may mount.
type Folder struct {
	Path     string `json:"path"`
	ReadOnly bool   `json:"readOnly,omitempty"`
}

// Forward leads a port of the host into the machine.
type Forward struct {
	Protocol string         `json:"protocol"` // tcp, udp
	Listen   netip.AddrPort `json:"listen"`
	Target   string         `json:"target"` // a container's name or an address
	Port     uint16         `json:"port"`   // of the target
}

// HostEntry is a name with a fixed address.
type HostEntry struct {
	Addr netip.Addr `json:"addr"`
	Name string     `json:"name"` // lower case, without a final dot
}

func folderKey(f Folder) string   { return f.Path }
func hostKey(h HostEntry) string  { return h.Name + " " + strconv.FormatBool(h.Addr.Is4()) }
func forwardKey(f Forward) string { return f.Protocol + " " + f.Listen.String() }

// canonical trims what editors and shells leave around a value: white space at
// the ends of lines, empty lines, carriage returns.
func canonical(kind Kind, text string) string {
	if kind != Lines {
		return strings.TrimSpace(text)
	}
	var lines []string
	for _, line := range strings.Split(text, "\n") {
		if line = strings.TrimSpace(line); line != "" {
			lines = append(lines, line)
		}
	}
	return strings.Join(lines, "\n")
}

func number(text, unit string, lowest, highest int64) (int, *Error) {
	if unit != "" {
		unit = " " + unit
	}
	hint := fmt.Sprintf("write a whole number from %d to %d%s", lowest, highest, unit)
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || strconv.FormatInt(n, 10) != text {
		return 0, &Error{Message: quote(text) + " is not a whole number", Hint: hint}
	}
	if n < lowest || n > highest {
		return int(n), &Error{Message: fmt.Sprintf("%d%s is out of range", n, unit), Hint: hint}
	}
	return int(n), nil
}

func oneOf(text string, choices ...string) *Error {
	for _, c := range choices {
		if c == text {
			return nil
		}
	}
	return &Error{Message: quote(text) + " is not one of the choices", Hint: "write " + strings.Join(choices, ", ")}
}

func parseFolder(line string) (Folder, *Error) {
	f := Folder{Path: line}
	if path, ok := strings.CutSuffix(line, " ro"); ok {
		f = Folder{Path: strings.TrimSpace(path), ReadOnly: true}
	}
	if !utf8.ValidString(f.Path) || strings.ContainsFunc(f.Path, unicode.IsControl) {
		return f, &Error{Message: "a path with control characters", Hint: "rename the folder"}
	}
	if !filepath.IsAbs(f.Path) {
		return f, &Error{Message: "not an absolute path", Hint: "write the whole path, such as /home/me/work"}
	}
	f.Path = filepath.Clean(f.Path)
	if f.Path == filepath.VolumeName(f.Path)+string(filepath.Separator) {
		return f, &Error{Message: "the whole file system cannot be shared", Hint: "name the folders that containers need"}
	}
	return f, nil
}

var containerName = regexp.MustCompile(`^[a-zA-Z0-9][a-zA-Z0-9_.-]{0,127}$`)

func parseForward(line string) (Forward, *Error) {
	bad := func(message string) (Forward, *Error) {
		return Forward{}, &Error{Message: message, Hint: "write it as: tcp 127.0.0.1:8080 -> web:80"}
	}
	fields := strings.Fields(line)
	if len(fields) != 4 || fields[2] != "->" {
		return bad("not a forward")
	}
	f := Forward{Protocol: fields[0]}
	if f.Protocol != "tcp" && f.Protocol != "udp" {
		return bad("the protocol must be tcp or udp")
	}
	var err error
	f.Listen, err = netip.ParseAddrPort(fields[1])
	if err != nil || f.Listen.Port() == 0 || f.Listen.Addr().Zone() != "" {
		return bad(quote(fields[1]) + " is not an address and a port")
	}
	colon := strings.LastIndexByte(fields[3], ':')
	if colon < 0 {
		return bad("the target has no port")
	}
	port, err := strconv.ParseUint(fields[3][colon+1:], 10, 16)
	if err != nil || port == 0 {
		return bad(quote(fields[3][colon+1:]) + " is not a port from 1 to 65535")
	}
	f.Port = uint16(port)
	f.Target = fields[3][:colon]
	if inner, ok := strings.CutPrefix(f.Target, "["); ok {
		addr, err := netip.ParseAddr(strings.TrimSuffix(inner, "]"))
		if err != nil || !strings.HasSuffix(inner, "]") || addr.Is4() || addr.Zone() != "" {
			return bad(quote(f.Target) + " is not an IPv6 address")
		}
		f.Target = addr.String()
	} else if !containerName.MatchString(f.Target) {
		return bad(quote(f.Target) + " is neither a container's name nor an address")
	}
	return f, nil
}

func parseServer(line string) (netip.AddrPort, *Error) {
	if addr, err := netip.ParseAddr(line); err == nil && addr.Zone() == "" && !addr.IsUnspecified() {
		return netip.AddrPortFrom(addr, 53), nil
	}
	ap, err := netip.ParseAddrPort(line)
	if err != nil || ap.Port() == 0 || ap.Addr().Zone() != "" || ap.Addr().IsUnspecified() {
		return netip.AddrPort{}, &Error{Message: "not the address of a name server", Hint: "write it as 9.9.9.9 or 9.9.9.9:53 or [2620:fe::fe]:53"}
	}
	return ap, nil
}

// hostName follows RFC 1123 §2.1 and allows "_", which services use.
var hostName = regexp.MustCompile(`^([a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?)(\.[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?)*$`)

func parseHost(line string) (HostEntry, *Error) {
	const hint = "write it as: 10.1.2.3 db.example"
	fields := strings.Fields(line)
	if len(fields) != 2 {
		return HostEntry{}, &Error{Message: "not an address and one name", Hint: hint}
	}
	addr, err := netip.ParseAddr(fields[0])
	if err != nil || addr.Zone() != "" {
		return HostEntry{}, &Error{Message: quote(fields[0]) + " is not an address", Hint: hint}
	}
	name := strings.ToLower(strings.TrimSuffix(fields[1], "."))
	if len(name) > 253 || !hostName.MatchString(name) {
		return HostEntry{}, &Error{Message: quote(fields[1]) + " is not a host name", Hint: hint}
	}
	return HostEntry{Addr: addr, Name: name}, nil
}

// private is the address blocks of RFC 1918.
var private = []netip.Prefix{
	netip.MustParsePrefix("10.0.0.0/8"),
	netip.MustParsePrefix("172.16.0.0/12"),
	netip.MustParsePrefix("192.168.0.0/16"),
}

func subnetField() Field {
	const def = "192.168.65.0/24"
	return Field{Key: "net/subnet", Title: "Subnet", Help: "Addresses of the machine's network.", Kind: Text, Default: def, Applies: Restart,
		parse: func(v *Values, text string) *Error {
			hint := "write a private block of size /16 to /29, such as " + def
			p, err := netip.ParsePrefix(text)
			if err != nil || !p.Addr().Is4() {
				return &Error{Message: quote(text) + " is not an IPv4 subnet", Hint: hint}
			}
			if p != p.Masked() {
				return &Error{Message: quote(text) + " is an address in a subnet", Hint: "write " + p.Masked().String()}
			}
			if p.Bits() < 16 || p.Bits() > 29 {
				return &Error{Message: fmt.Sprintf("a subnet of size /%d does not fit", p.Bits()), Hint: hint}
			}
			for _, block := range private {
				if block.Contains(p.Addr()) {
					v.NetSubnet = p
					return nil
				}
			}
			return &Error{Message: quote(text) + " is not private", Hint: hint}
		}}
}

var contextName = regexp.MustCompile(`^[a-zA-Z0-9][a-zA-Z0-9_.+-]{0,63}$`)

func contextField() Field {
	return Field{Key: "docker/context", Title: "Docker context", Help: "Name of the Docker context that leads here.", Kind: Text,
		Default: "slipway", Applies: Restart, parse: func(v *Values, text string) *Error {
			if text == "default" {
				return &Error{Message: "the context default belongs to Docker", Hint: "choose another name"}
			}
			if !contextName.MatchString(text) {
				return &Error{Message: quote(text) + " is not a name for a Docker context", Hint: "letters, digits and _.+- with a letter or digit first, at most 64"}
			}
			v.DockerContext = text
			return nil
		}}
}

func quote(s string) string {
	const limit = 60
	if len(s) > limit {
		s = strings.ToValidUTF8(s[:limit], "") + "…"
	}
	return strconv.Quote(s)
}
