package tree

import (
	"context"
	"log/slog"
	"strings"

	"github.com/slipway-desktop/slipway/backend/ninep"
)

// Source is a source of log lines whose level can be changed while it runs.
type Source struct {
	Name  string // of its directory in debug/src
	Doc   string // one line
	Level *slog.LevelVar
}

// Leveled drops what is below a level that can be changed at any time.
func Leveled(h slog.Handler, level *slog.LevelVar) slog.Handler { return leveled{h, level} }

type leveled struct {
	slog.Handler
	level *slog.LevelVar
}

func (h leveled) Enabled(ctx context.Context, l slog.Level) bool {
	return l >= h.level.Level() && h.Handler.Enabled(ctx, l)
}

func (h leveled) WithAttrs(attrs []slog.Attr) slog.Handler {
	return leveled{h.Handler.WithAttrs(attrs), h.level}
}

func (h leveled) WithGroup(name string) slog.Handler {
	return leveled{h.Handler.WithGroup(name), h.level}
}

// levels are DataKit's words, from silence on.
var levels = []struct {
	name  string
	level slog.Level
}{
	{"quiet", 100},
	{"app", slog.LevelError + 4},
	{"error", slog.LevelError},
	{"warning", slog.LevelWarn},
	{"info", slog.LevelInfo},
	{"debug", slog.LevelDebug},
}

// debug is the directory debug/.
func (v *view) debug() ninep.Node {
	return v.fixed("debug", []string{"src"}, func(name string) ninep.Node {
		if name != "src" {
			return nil
		}
		names := make([]string, len(v.s.sources))
		for i, src := range v.s.sources {
			names[i] = src.Name
		}
		return v.fixed("debug/src", names, v.source)
	})
}

func (v *view) source(name string) ninep.Node {
	for _, src := range v.s.sources {
		if src.Name != name {
			continue
		}
		path := "debug/src/" + name
		return v.fixed(path, []string{"doc", "level"}, func(file string) ninep.Node {
			switch file {
			case "doc":
				return v.text(path+"/doc", func(context.Context) ([]byte, error) { return []byte(src.Doc + "\n"), nil })
			case "level":
				c := v.command(path+"/level", src.setLevel)
				c.idle = true
				return c
			}
			return nil
		})
	}
	return nil
}

// setLevel sets the level to a word, and returns it; the empty word only asks.
func (src Source) setLevel(_ context.Context, word string) ([]byte, error) {
	if word = strings.TrimSpace(word); word != "" {
		ok := false
		for _, l := range levels {
			if l.name == word {
				src.Level.Set(l.level)
				ok = true
			}
		}
		if !ok {
			return nil, faultf(ninep.EINVAL, "Unknown level %q: want quiet, app, error, warning, info or debug", clip(word))
		}
	}
	name := "quiet"
	for _, l := range levels {
		if src.Level.Level() <= l.level {
			name = l.name
		}
	}
	return []byte(name + "\n"), nil
}
