package driver

import "testing"

func TestDefault(t *testing.T) {
	d := Default(Options{})
	c := d.Capabilities()
	if d.Name() == "" || len(c.DiskFormats) == 0 || c.LinkKind == "" || c.Shares && c.ShareFS == "" {
		t.Errorf("%q can %+v", d.Name(), c)
	}
}
