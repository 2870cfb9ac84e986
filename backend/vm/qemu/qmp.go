package qemu

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"
)

// maxQMPLine bounds one message of QEMU. The longest that we ask for has a few
// hundred bytes.
const maxQMPLine = 256 << 10

// message is any line that QEMU sends (QEMU's docs/interop/qmp-spec.txt).
type message struct {
	Greeting json.RawMessage `json:"QMP"`
	ID       uint64          `json:"id"`
	Return   json.RawMessage `json:"return"`
	Error    *qmpError       `json:"error"`
	Event    string          `json:"event"`
	Data     json.RawMessage `json:"data"`
}

// qmpError is QEMU's refusal of a command.
type qmpError struct {
	Class string `json:"class"`
	Desc  string `json:"desc"`
}

func (e *qmpError) Error() string { return "QEMU: " + e.Desc }

// parseMessage accepts exactly the four kinds of message.
func parseMessage(line []byte) (message, error) {
	var m message
	if err := json.Unmarshal(line, &m); err != nil {
		return message{}, fmt.Errorf("read QMP message: %w", err)
	}
	kinds := 0
	for _, is := range []bool{m.Greeting != nil, m.Return != nil, m.Error != nil, m.Event != ""} {
		if is {
			kinds++
		}
	}
	if kinds != 1 {
		return message{}, errors.New("read QMP message: neither greeting, answer nor event")
	}
	return m, nil
}

// qmp is a client of QEMU's monitor. Its reader goroutine ends with the
// connection, and closes gone.
type qmp struct {
	conn   net.Conn
	events func(name string, data json.RawMessage) // called by the reader; must not wait
	gone   chan struct{}

	mu      sync.Mutex // of all below, and of writes
	next    uint64
	waiting map[uint64]chan message
}

// dialQMP connects to the monitor at path and negotiates. ctx bounds that alone.
func dialQMP(ctx context.Context, path string, events func(string, json.RawMessage)) (*qmp, error) {
	var d net.Dialer
	conn, err := d.DialContext(ctx, "unix", path)
	if err != nil {
		return nil, err
	}
	q := &qmp{conn: conn, events: events, gone: make(chan struct{}), waiting: map[uint64]chan message{}}
	lines := bufio.NewScanner(conn)
	lines.Buffer(make([]byte, 0, 4<<10), maxQMPLine)
	if err := q.greet(ctx, lines); err != nil {
		conn.Close()
		return nil, err
	}
	go q.read(lines)
	if err := q.execute(ctx, "qmp_capabilities", nil, nil); err != nil {
		q.close()
		return nil, err
	}
	return q, nil
}

func (q *qmp) greet(ctx context.Context, lines *bufio.Scanner) error {
	stop := context.AfterFunc(ctx, func() { q.conn.SetReadDeadline(time.Unix(1, 0)) })
	ok := lines.Scan()
	if !stop() {
		return ctx.Err()
	}
	if !ok {
		return fmt.Errorf("QMP greeting: %w", errors.Join(lines.Err(), net.ErrClosed))
	}
	m, err := parseMessage(lines.Bytes())
	if err == nil && m.Greeting == nil {
		err = errors.New("QMP greeting: something else came")
	}
	return err
}

func (q *qmp) read(lines *bufio.Scanner) {
	defer close(q.gone)
	defer q.conn.Close()
	for lines.Scan() {
		m, err := parseMessage(lines.Bytes())
		if err != nil {
			return // not QEMU's language: the connection is of no use
		}
		if m.Event != "" {
			q.events(m.Event, m.Data)
			continue
		}
		q.mu.Lock()
		answer := q.waiting[m.ID]
		delete(q.waiting, m.ID)
		q.mu.Unlock()
		if answer != nil {
			answer <- m
		}
	}
}

var errQMPGone = errors.New("QEMU's monitor is gone")

// execute runs a command and decodes its answer into result, if that is not nil.
func (q *qmp) execute(ctx context.Context, command string, args, result any) error {
	answer := make(chan message, 1)
	q.mu.Lock()
	q.next++
	id := q.next
	q.waiting[id] = answer
	err := q.send(ctx, map[string]any{"execute": command, "id": id}, args)
	q.mu.Unlock()
	if err == nil {
		select {
		case m := <-answer:
			if m.Error != nil {
				return m.Error
			}
			if result == nil {
				return nil
			}
			return json.Unmarshal(m.Return, result)
		case <-q.gone:
			err = errQMPGone
		case <-ctx.Done():
			err = ctx.Err()
		}
	}
	q.mu.Lock()
	delete(q.waiting, id)
	q.mu.Unlock()
	return fmt.Errorf("%s: %w", command, err)
}

func (q *qmp) send(ctx context.Context, m map[string]any, args any) error {
	if args != nil {
		m["arguments"] = args
	}
	line, err := json.Marshal(m)
	if err != nil {
		return err
	}
	deadline, ok := ctx.Deadline()
	if !ok { // QEMU reads at once or never
		deadline = time.Now().Add(5 * time.Second)
	}
	q.conn.SetWriteDeadline(deadline)
	if _, err := q.conn.Write(append(line, '\n')); err != nil {
		return fmt.Errorf("%w: %w", errQMPGone, err)
	}
	return nil
}

// close ends the connection and waits for the reader.
func (q *qmp) close() {
	q.conn.Close()
	<-q.gone
}
