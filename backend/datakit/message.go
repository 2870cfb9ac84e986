package datakit

import "strings"

const maxMessage = 64 << 10

// Message describes a commit. An empty Text becomes "(no commit message)", a
// zero Author the store's.
type Message struct {
	Text   string
	Author Author
	// AllowEmpty makes a commit even if the tree stays as it is, which is
	// ErrNoChange otherwise.
	AllowEmpty bool
}

// clean makes the message fit a commit object: a header is one line, and has
// no angle brackets in names.
func (m Message) clean(fallback Author) Message {
	if m.Author == (Author{}) {
		m.Author = fallback
	}
	plain := func(s, instead string) string {
		s = strings.TrimSpace(strings.Map(func(r rune) rune {
			if r < ' ' || r == 0x7f || r == '<' || r == '>' {
				return -1
			}
			return r
		}, strings.ToValidUTF8(s, "")))
		if s = clip(s); s == "" {
			return instead
		}
		return s
	}
	m.Author.Name = plain(m.Author.Name, "unknown")
	m.Author.Email = plain(m.Author.Email, "unknown")
	text := strings.ReplaceAll(strings.ToValidUTF8(m.Text, "\uFFFD"), "\x00", "")
	if text = strings.TrimSpace(text); text == "" {
		text = "(no commit message)"
	}
	m.Text = text + "\n"
	return m
}

// subject is the first line of a message.
func subject(message string) string {
	line, _, _ := strings.Cut(strings.TrimSpace(message), "\n")
	return clip(line)
}
