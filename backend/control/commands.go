package control

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/slipway-desktop/slipway/backend/ninep/synth"
)

// verb is a command of a ctl file.
type verb struct {
	name  string
	usage string // its arguments, for a person
	run   func(ctx context.Context, args string) (any, error)
}

// newCtl makes a ctl file. Before anything is written it reads as its usage.
func newCtl(path string, verbs ...verb) *synth.Query {
	var usage strings.Builder
	names := make([]string, len(verbs))
	for i, v := range verbs {
		names[i] = v.name
		usage.WriteString(strings.TrimSpace(v.name+" "+v.usage) + "\n")
	}
	return synth.NewQuery(path, usage.String(), func(ctx context.Context, line []byte) ([]byte, error) {
		name, args, _ := strings.Cut(strings.TrimSuffix(string(line), "\n"), " ")
		for _, v := range verbs {
			if v.name == name {
				result, err := v.run(ctx, strings.TrimSpace(args))
				return answerCommand(result, err)
			}
		}
		return answerCommand(nil, Errorf(CodeInvalid, "%q is not a command of %s", name, path).
			WithHint("write one of: %s", strings.Join(names, ", ")))
	})
}

// answerCommand is the answer and the outcome of the write.
func answerCommand(result any, err error) ([]byte, error) {
	if err != nil {
		e := asError(err)
		b, encodeErr := document(reply{Code: e.Code, Message: e.Message, Hint: e.Hint})
		return b, errors.Join(toWire(err), encodeErr)
	}
	r := reply{OK: true}
	if result != nil {
		b, err := json.Marshal(result)
		if err != nil {
			return nil, fmt.Errorf("encode result: %w", err)
		}
		r.Result = b
	}
	return document(r)
}

// plain is a verb without arguments and without a result.
func plain(name string, run func(ctx context.Context) error) verb {
	return verb{name, "", func(ctx context.Context, args string) (any, error) {
		if args != "" {
			return nil, Errorf(CodeInvalid, "%s takes no arguments", name)
		}
		return nil, run(ctx)
	}}
}

// newStatus makes a file that holds one JSON document.
func newStatus[T any](path string, get func(ctx context.Context) (T, error)) *synth.File {
	return synth.NewFile(path, func(ctx context.Context) ([]byte, error) {
		v, err := get(ctx)
		if err != nil {
			return nil, toWire(err)
		}
		return document(v)
	})
}

// newQuery makes a file that answers one JSON document with another.
func newQuery[Q, A any](path, usage string, ask func(ctx context.Context, q Q) (A, error)) *synth.Query {
	return synth.NewQuery(path, usage+"\n", func(ctx context.Context, question []byte) ([]byte, error) {
		var q Q
		err := decodeQuestion(question, &q, usage)
		var a A
		if err == nil {
			a, err = ask(ctx, q)
		}
		if err != nil {
			w := wireError{asError(err)}
			return w.Explain(), toWire(err)
		}
		return document(a)
	})
}

// decodeQuestion is strict, so that a misspelt field is not an answer to another
// question.
func decodeQuestion(text []byte, into any, usage string) error {
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	err := d.Decode(into)
	if err == nil && d.More() {
		err = errors.New("more than one document")
	}
	if err != nil {
		return Errorf(CodeInvalid, "not a question that can be answered: %v", err).WithHint("write: %s", usage)
	}
	return nil
}

// newLive makes a stream whose producer's errors are explained.
func newLive(path string, run func(ctx context.Context, question string, w io.Writer) error) *synth.Stream {
	return synth.NewStream(path, func(ctx context.Context, question []byte, w io.Writer) error {
		err := run(ctx, strings.TrimSpace(string(question)), w)
		if ctx.Err() != nil {
			return nil // closed: nobody reads on
		}
		return toWire(err)
	})
}

// argument returns the only argument of a command.
func argument(args, what string) (string, error) {
	if args == "" || strings.ContainsAny(args, " \n") {
		return "", Errorf(CodeInvalid, "needs one %s", what)
	}
	return args, nil
}
