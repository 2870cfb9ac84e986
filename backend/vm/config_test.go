package vm_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/slipway-desktop/slipway/backend/vm"
)

func validConfig() vm.Config {
	return vm.Config{Name: "default", Dir: "/d", CPUs: 2, MemoryMiB: 1024, Kernel: "/k",
		Disks:  []vm.Disk{{ID: "root", Path: "/r", Format: vm.Raw, ReadOnly: true}},
		Shares: []vm.Share{{Tag: "home", Path: "/home/a"}},
		Link:   vm.Link{Socket: "/d/net.sock", MAC: "02:00:00:00:00:01", MTU: 65520}}
}

func TestValidate(t *testing.T) {
	if err := validConfig().Validate(); err != nil {
		t.Fatalf("a good one: %v", err)
	}
	for name, spoil := range map[string]func(*vm.Config){
		"no name":               func(c *vm.Config) { c.Name = "" },
		"a name with a comma":   func(c *vm.Config) { c.Name = "a,b" },
		"a name like an option": func(c *vm.Config) { c.Name = "-daemonize" },
		"a relative directory":  func(c *vm.Config) { c.Dir = "d" },
		"no CPU":                func(c *vm.Config) { c.CPUs = 0 },
		"many CPUs":             func(c *vm.Config) { c.CPUs = 65 },
		"little memory":         func(c *vm.Config) { c.MemoryMiB = 255 },
		"no kernel":             func(c *vm.Config) { c.Kernel = "" },
		"an empty word":         func(c *vm.Config) { c.Cmdline = []string{""} },
		"two words in one":      func(c *vm.Config) { c.Cmdline = []string{"a b"} },
		"an accelerator":        func(c *vm.Config) { c.Accelerator = "fast" },
		"many disks":            func(c *vm.Config) { c.Disks = make([]vm.Disk, vm.MaxDisks+1) },
		"a disk twice":          func(c *vm.Config) { c.Disks = append(c.Disks, c.Disks[0]) },
		"a disk's ID":           func(c *vm.Config) { c.Disks[0].ID = "root,readonly=off" },
		"a long ID":             func(c *vm.Config) { c.Disks[0].ID = "thirteen-long" },
		"a disk's path":         func(c *vm.Config) { c.Disks[0].Path = "r" },
		"a disk's format":       func(c *vm.Config) { c.Disks[0].Format = "vhd" },
		"many shares":           func(c *vm.Config) { c.Shares = make([]vm.Share, vm.MaxShares+1) },
		"a share twice":         func(c *vm.Config) { c.Shares = append(c.Shares, c.Shares[0]) },
		"a tag":                 func(c *vm.Config) { c.Shares[0].Tag = "a,b" },
		"a share's path":        func(c *vm.Config) { c.Shares[0].Path = "~" },
		"a relative socket":     func(c *vm.Config) { c.Link.Socket = "net.sock" },
		"a short MAC":           func(c *vm.Config) { c.Link.MAC = "02:00:00" },
		"an InfiniBand address": func(c *vm.Config) { c.Link.MAC = "02:00:00:00:00:00:00:01" },
		"a multicast MAC":       func(c *vm.Config) { c.Link.MAC = "01:00:00:00:00:01" },
		"a small MTU":           func(c *vm.Config) { c.Link.MTU = 100 },
		"a large MTU":           func(c *vm.Config) { c.Link.MTU = 65536 },
	} {
		c := validConfig()
		spoil(&c)
		if f := wantFault(t, c.Validate(), vm.CodeConfig); f.Hint == "" || !strings.HasSuffix(f.Message, ".") {
			t.Errorf("%s: %+v", name, f)
		}
	}
}

// fill sets every field of v to something, by reflection, so that a new field
// cannot be forgotten.
func fill(v reflect.Value, n *int) {
	*n++
	switch v.Kind() {
	case reflect.String:
		v.SetString(fmt.Sprint("value", *n))
	case reflect.Int:
		v.SetInt(int64(*n))
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Struct:
		for i := range v.NumField() {
			fill(v.Field(i), n)
		}
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 1, 1))
		fill(v.Index(0), n)
	default:
		panic(v.Kind())
	}
}

func TestConfigIsJSON(t *testing.T) {
	var want, got vm.Config
	n := 0
	fill(reflect.ValueOf(&want).Elem(), &n)
	data, err := json.Marshal(want)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(data, &got); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("not the same after JSON (-want +got):\n%s", diff)
	}
}

func TestFault(t *testing.T) {
	cause := errors.New("permission denied")
	f := &vm.Fault{Code: vm.CodeFileMissing, Message: "The file /k cannot be read.", Hint: "x", Err: cause}
	if f.Error() != "The file /k cannot be read: permission denied" || !errors.Is(f, cause) {
		t.Errorf("%q", f.Error())
	}
	wrapped := fmt.Errorf("start: %w", f)
	if vm.AsFault(wrapped, vm.CodeBoot, "y") != f {
		t.Error("a wrapped fault is not found")
	}
	if got := vm.AsFault(cause, vm.CodeBoot, "y"); got.Code != vm.CodeBoot || got.Message != "Permission denied." || got.Hint != "y" {
		t.Errorf("an error becomes %+v", got)
	}
}
