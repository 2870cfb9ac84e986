package qemu

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/slipway-desktop/slipway/backend/vm"
)

var update = flag.Bool("update", false, "write the golden files anew")

// machine has one of everything, and a comma where QEMU needs care.
func machine() vm.Config {
	return vm.Config{
		Name: "default", Dir: "/run/slipway", CPUs: 4, MemoryMiB: 2048,
		Kernel: "/img/vmlinux", Initrd: "/img/initrd", Cmdline: []string{"quiet", "slipway.debug=1"},
		Disks: []vm.Disk{
			{ID: "root", Path: "/img/root.erofs", Format: vm.Raw, ReadOnly: true},
			{ID: "data", Path: "/home/a, b/data.qcow2", Format: vm.Qcow2},
		},
		Shares: []vm.Share{{Tag: "home", Path: "/home/a, b"}, {Tag: "ro", Path: "/opt", ReadOnly: true}},
		Link:   vm.Link{Socket: "/run/slipway/net.sock", MAC: "02:53:4c:00:00:02", MTU: 65520},
	}
}

func TestArgs(t *testing.T) {
	for name, host := range map[string]Host{
		"linux-kvm":       {OS: "linux", Arch: "amd64", Accelerator: vm.KVM},
		"linux-tcg":       {OS: "linux", Arch: "amd64", Accelerator: vm.TCG, TSCKHz: 2445406},
		"linux-arm64-kvm": {OS: "linux", Arch: "arm64", Accelerator: vm.KVM},
		"linux-arm64-tcg": {OS: "linux", Arch: "arm64", Accelerator: vm.TCG},
		"darwin-hvf":      {OS: "darwin", Arch: "arm64", Accelerator: vm.HVF},
		"darwin-x86-hvf":  {OS: "darwin", Arch: "amd64", Accelerator: vm.HVF},
		"windows-whpx":    {OS: "windows", Arch: "amd64", Accelerator: vm.WHPX},
	} {
		t.Run(name, func(t *testing.T) {
			c := machine()
			if host.OS == "windows" {
				c.Shares = nil
			}
			args, err := Args(c, host)
			if err != nil {
				t.Fatal(err)
			}
			// A line for each option, the separator of this system made the same.
			got := strings.ReplaceAll(strings.Join(args, " "), " -", "\n-") + "\n"
			got = strings.ReplaceAll(got, string(filepath.Separator), "/")
			golden := filepath.Join("testdata", "args", name)
			if *update {
				if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), got); diff != "" {
				t.Errorf("(-want +got; accept with: go test ./backend/vm/qemu -run TestArgs -args -update)\n%s", diff)
			}
		})
	}
}

func TestArgsOfASmallMachine(t *testing.T) {
	c := vm.Config{Name: "x", Dir: "/d", CPUs: 1, MemoryMiB: 256, Kernel: "/k"}
	args, err := Args(c, Host{OS: "linux", Arch: "amd64", Accelerator: vm.TCG})
	if err != nil {
		t.Fatal(err)
	}
	for _, not := range []string{"-initrd", "-netdev", "-drive", "-fsdev"} {
		for _, a := range args {
			if a == not {
				t.Errorf("%s is there", not)
			}
		}
	}
}

func TestArgsRefuses(t *testing.T) {
	for name, c := range map[string]struct {
		host  Host
		spoil func(*vm.Config)
		code  vm.Code
	}{
		"an odd processor":       {Host{OS: "linux", Arch: "riscv64", Accelerator: vm.TCG}, func(*vm.Config) {}, vm.CodeUnsupported},
		"an unknown accelerator": {Host{OS: "linux", Arch: "amd64", Accelerator: "auto"}, func(*vm.Config) {}, vm.CodeAccelerator},
		"shares on Windows":      {Host{OS: "windows", Arch: "amd64", Accelerator: vm.WHPX}, func(*vm.Config) {}, vm.CodeUnsupported},
		"a bad config":           {Host{OS: "linux", Arch: "amd64", Accelerator: vm.TCG}, func(c *vm.Config) { c.Disks[0].ID = "x,file=/etc/passwd" }, vm.CodeConfig},
		"a share's tag":          {Host{OS: "linux", Arch: "amd64", Accelerator: vm.TCG}, func(c *vm.Config) { c.Shares[0].Tag = "a,b" }, vm.CodeConfig},
		"a MAC":                  {Host{OS: "linux", Arch: "amd64", Accelerator: vm.TCG}, func(c *vm.Config) { c.Link.MAC = "x,y" }, vm.CodeConfig},
		"a kernel word":          {Host{OS: "linux", Arch: "amd64", Accelerator: vm.TCG}, func(c *vm.Config) { c.Cmdline = []string{"a b"} }, vm.CodeConfig},
	} {
		t.Run(name, func(t *testing.T) {
			config := machine()
			c.spoil(&config)
			_, err := Args(config, c.host)
			wantCode(t, err, c.code)
		})
	}
}
