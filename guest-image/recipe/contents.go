package main

import "fmt"

// A component is one Debian package of the image and what of it goes in. Paths are
// as in the package, with the merged /usr layout ("usr/bin", never "bin"); a path may
// hold the wildcards of path.Match. Shared libraries need no patterns: the closure of
// DT_NEEDED takes them from any package listed here.
type component struct {
	pkg   string
	files []string
}

// components returns the packages of the image, apart from the kernel.
func components() []component {
	return []component{
		{"docker.io", []string{"usr/sbin/dockerd"}},
		{"containerd", []string{"usr/bin/containerd", "usr/bin/containerd-shim-runc-v2"}},
		{"runc", []string{"usr/sbin/runc"}},
		{"tini", []string{"usr/bin/tini-static"}},
		{"iptables", []string{
			"usr/sbin/xtables-nft-multi", "usr/sbin/xtables-legacy-multi",
			"usr/lib/*/xtables/libxt_*.so", "usr/lib/*/xtables/libipt_*.so", "usr/lib/*/xtables/libip6t_*.so",
		}},
		{"e2fsprogs", []string{"usr/sbin/mke2fs", "usr/sbin/resize2fs", "usr/sbin/e2fsck"}},
		{"busybox-static", []string{"usr/bin/busybox"}},
		{"ca-certificates", nil}, // becomes one bundle, see rootTree
		{"libc6", nil},
		{"libblkid1", nil},
		{"libcom-err2", nil},
		{"libext2fs2t64", nil},
		{"libip4tc2", nil},
		{"libip6tc2", nil},
		{"libmnl0", nil},
		{"libnetfilter-conntrack3", nil},
		{"libnfnetlink0", nil},
		{"libnftnl11", nil},
		{"libseccomp2", nil},
		{"libsystemd0", nil},
		{"libcap2", nil},
		{"libuuid1", nil},
		{"libxtables12", nil},
	}
}

// renamed gives files of packages the names that dockerd looks for.
var renamed = map[string]string{
	"usr/bin/tini-static": "usr/bin/docker-init",
}

// links returns the symbolic links of the image: a path below usr, and its target.
func links() map[string]string {
	out := map[string]string{
		"usr/sbin/docker-proxy": "../bin/slipway-agent",
		"usr/sbin/mkfs.ext4":    "mke2fs",
	}
	for _, family := range []string{"iptables", "ip6tables"} {
		for _, tool := range []string{"", "-save", "-restore"} {
			out["usr/sbin/"+family+tool] = "xtables-nft-multi"
			out["usr/sbin/"+family+"-nft"+tool] = "xtables-nft-multi"
			out["usr/sbin/"+family+"-legacy"+tool] = "xtables-legacy-multi"
		}
	}
	for _, applet := range []string{
		// What the kernel (modprobe), dockerd (ps, for `docker top`; xz, for images)
		// and a person with a shell in the machine need.
		"modprobe", "ps", "xz", "sh", "cat", "cp", "date", "dd", "df", "dmesg", "du", "env", "find", "free",
		"grep", "head", "hexdump", "hostname", "id", "ip", "kill", "ln", "ls", "lsmod", "mkdir", "more", "mount",
		"mv", "nc", "netstat", "nslookup", "od", "ping", "pwd", "readlink", "rm", "rmdir", "sed", "sleep", "sort",
		"stat", "sync", "tail", "tar", "test", "top", "touch", "traceroute", "umount", "uname", "vi", "wc", "wget",
	} {
		out["usr/bin/"+applet] = "busybox"
	}
	delete(out, "usr/bin/modprobe")
	out["usr/sbin/modprobe"] = "../bin/busybox" // the kernel runs /sbin/modprobe
	return out
}

// Modules of the kernel, by the moment they are needed. Each list is completed with
// what its modules depend on, in an order that can be loaded one by one.
//
// rootModules are in the initramfs, and bring up the disk that the rest is on.
// Modules that a kernel has built in are left out, so one list serves every
// architecture.
var rootModules = []string{"virtio_mmio", "virtio_blk", "crc32c_generic", "erofs"}

// moduleGroups are on the root image; PID 1 loads group "boot" always, "share" when a
// folder is shared, "vsock" when the channel to the host is a virtio socket, and "late"
// once Docker answers.
var moduleGroups = map[string][]string{
	"boot":  {"crc32c_generic", "ext4", "virtio_net", "overlay", "bridge", "nf_tables"},
	"share": {"9pnet_virtio", "9p"},
	"vsock": {"vmw_vsock_virtio_transport"},
	"late": {
		"veth", "virtio_balloon", "virtio_rng",
		"nft_compat", "nft_chain_nat", "xt_nat", "xt_tcpudp", "xt_conntrack", "xt_addrtype", // Docker's DNS in a container's network
	},
}

// spareModules are on the root image for modprobe, which the kernel calls when a
// container, a network driver or a filter rule asks for one of them.
var spareModules = []string{
	"tun", "loop", "dummy", "macvlan", "ipvlan", "vxlan", "8021q",
	"xt_MASQUERADE", "xt_mark", "xt_multiport", "xt_set", "xt_REDIRECT", "xt_LOG", "xt_limit", "xt_u32",
	"xt_bpf", "xt_ipvs", "xt_connmark", "xt_state", "xt_statistic", "xt_string", "xt_time", "xt_TCPMSS", "xt_cgroup",
	"xt_owner", "xt_physdev", "xt_policy", "xt_recent", "xt_TPROXY", "xt_socket", "xt_CT", "xt_length", "xt_mac",
	"xt_iprange", "xt_hashlimit", "xt_connlimit", "xt_pkttype", "xt_NFLOG", "xt_CHECKSUM", "xt_DSCP", "xt_dscp",
	"ipt_REJECT", "ip6t_REJECT", "iptable_nat", "iptable_filter", "iptable_mangle", "iptable_raw",
	"ip6table_nat", "ip6table_filter", "ip6table_mangle", "ip6table_raw", "nf_conntrack_netlink",
	"nft_ct", "nft_nat", "nft_masq", "nft_redir", "nft_fib_inet", "nft_limit", "nft_log", "nft_reject_inet", "nft_tproxy",
	"nft_socket", "nft_hash", "nft_quota", "nft_numgen", "nft_queue", "nft_connlimit", "nf_flow_table",
	"ip_set_hash_ip", "ip_set_hash_net", "ip_set_hash_ipport", "ip_set_bitmap_port", "ip_set_list_set",
	"ip_vs", "ip_vs_rr", "ip_vs_wrr", "ip_vs_sh", "xfrm_user", "esp4", "esp6", "sch_ingress", "sch_htb", "sch_netem",
	"sch_tbf", "sch_fq", "sch_fq_codel", "cls_u32", "cls_bpf", "cls_fw", "act_mirred", "act_police", "wireguard",
	"sit", "ip_gre", "ipip", "nbd", "tcp_bbr", "binfmt_misc", "xt_nfacct", "inet_diag", "tcp_diag", "udp_diag",
	"unix_diag", "netlink_diag", "af_packet_diag", "squashfs", "isofs", "vfat", "nls_ascii", "nls_utf8",
}

// An arch is what differs between processors.
type arch struct {
	name    string // Debian's and Go's name for it
	triplet string // directory of shared libraries
	kernel  string // meta package of the kernel
}

func archByName(name string) (arch, error) {
	switch name {
	case "amd64":
		return arch{name, "x86_64-linux-gnu", "linux-image-amd64"}, nil
	case "arm64":
		return arch{name, "aarch64-linux-gnu", "linux-image-arm64"}, nil
	}
	return arch{}, fmt.Errorf("no image for %q: want amd64 or arm64", name)
}

// kernelArgs are options that the image wants on its kernel's command line whatever
// the virtual machine; the manifest repeats them for who starts the machine.
func kernelArgs() []string {
	return []string{
		"quiet",      // each line costs milliseconds on an emulated serial port
		"apparmor=0", // no profiles in the image
		"cryptomgr.notests",
		"rcupdate.rcu_expedited=1", // network devices and mounts come and go quickly
		"random.trust_cpu=on",
	}
}
