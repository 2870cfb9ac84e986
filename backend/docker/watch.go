package docker

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"net/http"
	"net/url"
	"strings"
	"time"
)

const (
	// settle is how long Watch lets events gather: one `docker run` makes five.
	settle = 100 * time.Millisecond
	// refresh renews the list without an event: "Up 3 minutes" becomes 4 in silence.
	refresh      = time.Minute
	retryFirst   = 250 * time.Millisecond
	retryLast    = 5 * time.Second
	askTimeout   = 10 * time.Second
	maxEventSize = 1 << 20
)

// Event is something that happened in Docker.
type Event struct {
	Type   string // container, network, image, volume, …
	Action string
	Actor  struct {
		ID         string
		Attributes map[string]string
	}
	TimeNano int64 `json:"timeNano"`
}

var errEventTooBig = errors.New("docker: an event is too big")

// Events yields events of the given types, or of all, until ctx ends or an error,
// which comes last. It yields a zero Event first, once dockerd is listened to: what
// happens after that is not missed.
func (c *Client) Events(ctx context.Context, types ...string) iter.Seq2[Event, error] {
	return func(yield func(Event, error) bool) {
		query := url.Values{}
		if len(types) > 0 {
			filters, _ := json.Marshal(map[string][]string{"type": types}) // cannot fail
			query.Set("filters", string(filters))
		}
		resp, err := c.request(ctx, http.MethodGet, "/events", query)
		if err != nil {
			yield(Event{}, err)
			return
		}
		defer resp.Body.Close()
		if !yield(Event{}, nil) {
			return
		}
		limited := &io.LimitedReader{R: resp.Body}
		in := json.NewDecoder(limited)
		for {
			var e Event
			limited.N = maxEventSize
			if err := in.Decode(&e); err != nil {
				if limited.N <= 0 {
					err = errEventTooBig
				}
				yield(Event{}, fmt.Errorf("docker events: %w", err))
				return
			}
			if !yield(e, nil) {
				return
			}
		}
	}
}

// Watch sends the list of containers at once and after each change, the newest in
// the place of one the receiver was too slow for. When dockerd goes away Watch waits
// for it to come back, and then sends the list anew. The channel is closed when ctx
// ends.
func (c *Client) Watch(ctx context.Context) <-chan []Container {
	out := make(chan []Container, 1)
	go func() {
		defer close(out)
		wait := retryFirst
		for ctx.Err() == nil {
			if c.follow(ctx, out) {
				wait = retryFirst
			}
			select {
			case <-time.After(wait):
			case <-ctx.Done():
			}
			wait = min(2*wait, retryLast)
		}
	}()
	return out
}

// follow sends lists until dockerd goes away; it reports whether it sent any.
func (c *Client) follow(ctx context.Context, out chan []Container) (sent bool) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	changed := make(chan struct{}, 1)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for e, err := range c.Events(ctx, "container", "network") {
			if err != nil {
				return
			}
			if !quiet(e) {
				select {
				case changed <- struct{}{}:
				default:
				}
			}
		}
	}()
	defer func() { cancel(); <-ended }()

	tick := time.NewTicker(refresh)
	defer tick.Stop()
	for {
		select {
		case <-changed: // the first is the start
		case <-tick.C:
		case <-ended:
			return sent
		}
		if sent {
			select {
			case <-time.After(settle):
			case <-ended:
				return sent
			}
			select {
			case <-changed:
			default:
			}
		}
		ask, done := context.WithTimeout(ctx, askTimeout)
		list, err := c.Containers(ask)
		done()
		if err != nil {
			return sent
		}
		sent = true
		select { // only this goroutine sends: there is room after this
		case <-out:
		default:
		}
		out <- list
	}
}

// quiet tells the events that change nothing in a list, such as a health check's
// exec every few seconds.
func quiet(e Event) bool {
	return strings.HasPrefix(e.Action, "exec_") || e.Action == "top" || e.Action == "attach" || e.Action == "resize"
}
