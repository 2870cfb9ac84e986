package client

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"
)

// Update changes a branch in one transaction: it calls change with a new one and
// commits it. If the branch moved in a way that cannot be merged it does so again,
// up to ten times; change therefore has to read what it builds on from the
// transaction. Errors are those of change, Begin and Commit.
func (c *Client) Update(ctx context.Context, branch, message string, change func(*Tx) error) (Hash, error) {
	const attempts = 10
	for attempt := 1; ; attempt++ {
		h, err := c.update(ctx, branch, message, change)
		var conflict *ConflictError
		if !errors.As(err, &conflict) || attempt == attempts {
			return h, err
		}
		select {
		case <-ctx.Done():
			return Hash{}, ctx.Err()
		case <-time.After(rand.N(time.Duration(attempt) * 2 * time.Millisecond)):
		}
	}
}

func (c *Client) update(ctx context.Context, branch, message string, change func(*Tx) error) (Hash, error) {
	tx, err := c.Begin(ctx, branch)
	if err != nil {
		return Hash{}, err
	}
	if err := change(tx); err != nil {
		return Hash{}, errors.Join(err, tx.Close())
	}
	h, err := tx.Commit(ctx, message)
	if err != nil {
		return Hash{}, closing(err, tx)
	}
	return h, nil
}

// closing gives a transaction up whose commit failed. That is told, unless it is
// what failed before, too.
func closing(err error, tx *Tx) error {
	if cerr := tx.Close(); cerr != nil && !errors.Is(err, ErrLost) {
		return errors.Join(err, cerr)
	}
	return err
}
