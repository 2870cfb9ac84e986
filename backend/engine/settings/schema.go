package settings

import (
	"net/netip"
	"strconv"
	"strings"
)

// Kind says how a value is written.
type Kind string

// The kinds of value.
const (
	Int    Kind = "int"    // decimal
	Bool   Kind = "bool"   // true or false
	Choice Kind = "choice" // one of Field.Choices
	Text   Kind = "text"   // one line
	Lines  Kind = "lines"  // one item a line; "none" or nothing is no item
)

// Applies says when a change takes effect.
type Applies string

// The times at which a change takes effect.
const (
	Now     Applies = "now"
	Restart Applies = "restart" // of the machine
)

// Field describes one setting on this host.
type Field struct {
	Key     string   `json:"key"`
	Title   string   `json:"title"`
	Help    string   `json:"help"`
	Kind    Kind     `json:"kind"`
	Unit    string   `json:"unit,omitempty"`
	Default string   `json:"default"`       // as text, computed for this host
	Min     int64    `json:"min,omitempty"` // of an Int
	Max     int64    `json:"max,omitempty"`
	Choices []string `json:"choices,omitempty"`
	Applies Applies  `json:"applies"`

	// parse checks a canonical text and puts it into v.
	parse func(v *Values, text string) *Error
}

// Values is all settings, decoded.
type Values struct {
	VMCPUs        int    `json:"vmCpus"`
	VMMemoryMiB   int    `json:"vmMemoryMiB"`
	VMDiskGiB     int    `json:"vmDiskGiB"`
	VMAccelerator string `json:"vmAccelerator"` // auto, kvm, hvf, whpx, tcg

	ShareFolders []Folder `json:"shareFolders"`

	NetForwards   []Forward        `json:"netForwards"`
	NetPublish    string           `json:"netPublish"` // localhost, as-asked
	NetSubnet     netip.Prefix     `json:"netSubnet"`
	NetMTU        int              `json:"netMtu"`
	NetDNSServers []netip.AddrPort `json:"netDnsServers"` // none: the host's resolver
	NetDNSHosts   []HostEntry      `json:"netDnsHosts"`
	NetMetadata   string           `json:"netMetadata"` // blocked, allowed

	DockerContext string `json:"dockerContext"`

	CaptureOn        bool `json:"captureOn"`
	CaptureMemoryMiB int  `json:"captureMemoryMiB"`
	CaptureSnapLen   int  `json:"captureSnapLen"` // bytes; 0: whole packets

	AppKeepRunning bool `json:"appKeepRunning"`
	AppAutostart   bool `json:"appAutostart"`
}

const (
	maxMemoryMiB = 1 << 20
	none         = "none" // the explicit empty list
)

// Schema returns the description of every setting on a host, in the order in
// which to show them.
func Schema(h Host) []Field {
	cpus := int64(max(1, h.CPUs))
	memory := int64(min(max(h.MemoryMiB, 512), maxMemoryMiB))
	disk := int64(min(max(8, h.disk()), 2048))
	home := h.Home
	if _, problem := parseFolder(home); problem != nil {
		home = none // such as "/" of a service account
	}
	return []Field{
		intField("vm/cpus", "Processors", "Processors of the machine.", "", min(2, cpus), 1, cpus, Restart,
			func(v *Values) *int { return &v.VMCPUs }),
		intField("vm/memory", "Memory", "Memory of the machine.", "MiB", min(max(memory/4, 1024), 4096, memory), 512, memory, Restart,
			func(v *Values) *int { return &v.VMMemoryMiB }),
		diskField(disk),
		choiceField("vm/accelerator", "Accelerator", "How the machine's processor runs: on a hypervisor, or in software (tcg). auto takes the best that works.",
			Restart, func(v *Values) *string { return &v.VMAccelerator }, "auto", "kvm", "hvf", "whpx", "tcg"),
		linesField("share/folders", "Shared folders", "Folders of this computer that containers may mount, one absolute path a line; end a line with \" ro\" to allow reading only.",
			home, Restart, maxFolders, parseFolder, func(v *Values) *[]Folder { return &v.ShareFolders }, folderKey),
		linesField("net/forwards", "Port forwards", "Ports of this computer that lead into the machine, one a line, such as: tcp 127.0.0.1:8080 -> web:80",
			"", Now, maxForwards, parseForward, func(v *Values) *[]Forward { return &v.NetForwards }, forwardKey),
		choiceField("net/publish", "Published ports", "Where `docker run -p` binds when it names no address: on localhost only, or as Docker does, on all addresses.",
			Restart, func(v *Values) *string { return &v.NetPublish }, "localhost", "as-asked"),
		subnetField(),
		intField("net/mtu", "MTU", "Largest packet on the machine's network.", "bytes", 65520, 1500, 65520, Restart,
			func(v *Values) *int { return &v.NetMTU }),
		linesField("net/dns/servers", "DNS servers", "Name servers to ask, one address a line (optionally with :port). None: as this computer resolves names.",
			"", Restart, maxServers, parseServer, func(v *Values) *[]netip.AddrPort { return &v.NetDNSServers }, netip.AddrPort.String),
		linesField("net/dns/hosts", "Host names", "Names answered here, one a line: an address, a space, a name.",
			"", Restart, maxHosts, parseHost, func(v *Values) *[]HostEntry { return &v.NetDNSHosts }, hostKey),
		choiceField("net/metadata", "Metadata addresses", "Whether containers may reach cloud metadata services (169.254.169.254) of this computer's network.",
			Restart, func(v *Values) *string { return &v.NetMetadata }, "blocked", "allowed"),
		contextField(),
		{Key: "capture/mode", Title: "Capture", Help: "Whether packets are recorded.", Kind: Choice, Default: "on",
			Choices: []string{"on", "off"}, Applies: Now, parse: func(v *Values, text string) *Error {
				v.CaptureOn = text == "on"
				return oneOf(text, "on", "off")
			}},
		intField("capture/memory", "Capture memory", "Memory for recorded packets; the oldest make room.", "MiB", 64, 8, 1024, Now,
			func(v *Values) *int { return &v.CaptureMemoryMiB }),
		intField("capture/snaplen", "Captured length", "Bytes kept of each packet; 0 keeps all.", "bytes", 0, 0, 65535, Now,
			func(v *Values) *int { return &v.CaptureSnapLen }),
		boolField("app/keep-running", "Keep running", "Closing the window leaves the machine running.", true,
			func(v *Values) *bool { return &v.AppKeepRunning }),
		boolField("app/autostart", "Start with the app", "Opening the app starts the machine.", true,
			func(v *Values) *bool { return &v.AppAutostart }),
	}
}

func intField(key, title, help, unit string, def, lowest, highest int64, applies Applies, at func(*Values) *int) Field {
	return Field{Key: key, Title: title, Help: help, Kind: Int, Unit: unit, Default: strconv.FormatInt(def, 10),
		Min: lowest, Max: highest, Applies: applies,
		parse: func(v *Values, text string) *Error {
			n, problem := number(text, unit, lowest, highest)
			*at(v) = n
			return problem
		}}
}

func diskField(lowest int64) Field {
	f := intField("vm/disk", "Disk", "Largest size of the machine's disk. It takes room only as it fills, and can only grow.", "GiB",
		max(64, lowest), lowest, 2048, Restart, func(v *Values) *int { return &v.VMDiskGiB })
	inRange := f.parse
	f.parse = func(v *Values, text string) *Error {
		problem := inRange(v, text)
		if problem != nil && lowest > 8 && v.VMDiskGiB >= 8 && int64(v.VMDiskGiB) < lowest {
			problem.Message = "the disk has " + strconv.FormatInt(lowest, 10) + " GiB already and cannot shrink"
		}
		return problem
	}
	return f
}

func choiceField(key, title, help string, applies Applies, at func(*Values) *string, choices ...string) Field {
	return Field{Key: key, Title: title, Help: help, Kind: Choice, Default: choices[0], Choices: choices, Applies: applies,
		parse: func(v *Values, text string) *Error {
			*at(v) = text
			return oneOf(text, choices...)
		}}
}

func boolField(key, title, help string, def bool, at func(*Values) *bool) Field {
	return Field{Key: key, Title: title, Help: help, Kind: Bool, Default: strconv.FormatBool(def), Applies: Now,
		parse: func(v *Values, text string) *Error {
			*at(v) = text == "true"
			return oneOf(text, "true", "false")
		}}
}

// linesField parses each line with item; two lines with the same id are
// refused.
func linesField[T any](key, title, help, def string, applies Applies, limit int,
	item func(string) (T, *Error), at func(*Values) *[]T, id func(T) string) Field {
	return Field{Key: key, Title: title, Help: help, Kind: Lines, Default: def, Applies: applies,
		parse: func(v *Values, text string) *Error {
			list := []T{}
			lines := strings.Split(text, "\n")
			if text == "" || text == none {
				lines = nil
			}
			if len(lines) > limit {
				return &Error{Message: "too many lines", Hint: "at most " + strconv.Itoa(limit)}
			}
			seen := map[string]bool{}
			for i, line := range lines {
				x, problem := item(line)
				if problem == nil && seen[id(x)] {
					problem = &Error{Message: "it repeats an earlier line", Hint: "remove one of them"}
				}
				if problem != nil {
					problem.Message = "line " + strconv.Itoa(i+1) + " " + quote(line) + ": " + problem.Message
					return problem
				}
				seen[id(x)] = true
				list = append(list, x)
			}
			*at(v) = list
			return nil
		}}
}
