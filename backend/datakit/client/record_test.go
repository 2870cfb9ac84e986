package client_test

import (
	"context"
	"testing"
	"time"

	"github.com/slipway-desktop/slipway/backend/datakit/client"
)

func TestRecord(t *testing.T) {
	ctx, addr := t.Context(), server(t, "")
	c, admin := dial(t, addr), dial(t, addr)
	r, err := c.NewRecord(client.RecordOptions{
		Lookup: []string{"policy", "state"}, Defaults: "defaults", State: "state", Path: "app/net",
	})
	if err != nil {
		t.Fatal(err)
	}
	name := r.String("name", "box")
	proxy := r.StringRef("proxy", nil)
	port := r.Int("port", 80)
	on := r.Bool("on", true)
	idle := r.Duration("idle", time.Minute)
	if err := r.Upgrade(ctx, 2); err != nil {
		t.Fatal(err)
	}
	want(t, "default in its branch", text(t, c, "defaults", "app/net/port"), "80\n")
	if err := r.Upgrade(ctx, 1); err == nil {
		t.Error("an older program wrote over the defaults of a newer one")
	}
	wantError(t, "the same schema", r.Upgrade(ctx, 2), nil)
	if err := r.Seal(ctx); err != nil {
		t.Fatal(err)
	}
	n, _ := name.Get()
	p, _ := port.Get()
	o, _ := on.Get()
	d, _ := idle.Get()
	ref, _ := proxy.Get()
	if n != "box" || p != 80 || !o || d != time.Minute || ref != nil {
		t.Errorf("defaults: %v %v %v %v %v", n, p, o, d, ref)
	}

	before := r.Version()
	host := "proxy:3128"
	if err := r.SetMultiple(ctx, "office", port.To(8080), proxy.To(&host), idle.To(time.Second)); err != nil {
		t.Fatal(err)
	}
	want(t, "set", text(t, c, "state", "app/net/port"), "8080\n")
	if ref, _ := proxy.Get(); ref == nil || *ref != host {
		t.Errorf("proxy is %v", ref)
	}
	if !port.HasChanged(before) || name.HasChanged(before) || port.HasChanged(r.Version()) {
		t.Errorf("what has changed is told wrongly: port %v, name %v", port.HasChanged(before), name.HasChanged(before))
	}
	wantError(t, "the same value", port.Set(ctx, "again", 8080), nil)

	// Somebody else's value counts first, once it makes sense.
	since := r.Version()
	changes, end := follow(r.Changes(ctx))
	want(t, "version at first", next(t, changes), since)
	put(t, admin, "policy", "app/net/port", "many")
	put(t, admin, "policy", "app/net/on", "false\n")
	v, err := r.Wait(ctx, since)
	wantError(t, "wait", err, nil)
	want(t, "version of the change", v, next(t, changes))
	if o, at := on.Get(); o || at <= since {
		t.Errorf("on is %v of version %d", o, at)
	}
	p, _ = port.Get()
	want(t, "port with nonsense in policy", p, 8080)
	if port.Problem() == nil || on.Problem() != nil {
		t.Errorf("problems: %v, %v", port.Problem(), on.Problem())
	}
	put(t, admin, "policy", "app/net/port", "81")
	next(t, changes)
	p, _ = port.Get()
	want(t, "port of policy", p, 81)
	if _, err := c.Update(ctx, "policy", "", func(tx *client.Tx) error { return tx.Remove(ctx, "app") }); err != nil {
		t.Fatal(err)
	}
	next(t, changes)
	p, _ = port.Get()
	want(t, "port without policy", p, 8080)
	wantError(t, "unset", r.SetMultiple(ctx, "", port.Unset()), nil)
	p, _ = port.Get()
	want(t, "port unset", p, 80)
	c.Close()
	wantError(t, "changes on a lost connection", end(), client.ErrLost)

	short, cancel := context.WithCancel(ctx)
	cancel()
	_, err = r.Wait(short, r.Version())
	wantError(t, "wait", err, context.Canceled)
}
