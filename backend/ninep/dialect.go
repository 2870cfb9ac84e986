package ninep

import "strings"

// Dialect is one of the languages that are called 9P. Client and server agree on
// one with Tversion; the tree does not notice.
type Dialect uint8

// The dialects: of Linux, of Unix before that, and of Plan 9.
const (
	Dialect9P2000L Dialect = iota
	Dialect9P2000U
	Dialect9P2000
)

const (
	version9P2000L = "9P2000.L"
	version9P2000U = "9P2000.u"
	version9P2000  = "9P2000"

	// versionOrdered is what our client asks for. Who answers with it promises
	// what doc.go says about the order of requests, so that a client may send
	// several that need each other before it has an answer. Others ignore the
	// ending of the name, as version(5) has it, or are asked again without.
	versionOrdered = version9P2000L + ".ordered"

	versionUnknown = "unknown"
)

// String is the dialect's name in Tversion.
func (d Dialect) String() string {
	switch d {
	case Dialect9P2000U:
		return version9P2000U
	case Dialect9P2000:
		return version9P2000
	}
	return version9P2000L
}

// negotiate chooses the dialect for what a client asks, and the answer. Endings
// after a period that are not known are dropped: version(5).
func negotiate(asked string) (d Dialect, answer string, ok bool) {
	has := func(version string) bool { return asked == version || strings.HasPrefix(asked, version+".") }
	switch {
	case asked == versionOrdered:
		return Dialect9P2000L, versionOrdered, true
	case has(version9P2000L):
		return Dialect9P2000L, version9P2000L, true
	case has(version9P2000U):
		return Dialect9P2000U, version9P2000U, true
	case has(version9P2000):
		return Dialect9P2000, version9P2000, true
	}
	return 0, versionUnknown, false
}

// errorKind is the type of the reply that is an error.
func (d Dialect) errorKind() uint8 {
	if d == Dialect9P2000L {
		return kindRlerror
	}
	return kindRerror
}
