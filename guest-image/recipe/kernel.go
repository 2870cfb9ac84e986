package main

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"errors"
	"fmt"
	"os/exec"
)

// Fields of the real-mode header of a bzImage: Documentation/arch/x86/boot.rst.
const (
	bzSetupSects    = 0x1f1
	bzMagic         = 0x202 // "HdrS"
	bzVersion       = 0x206
	bzPayloadOffset = 0x248
	bzPayloadLength = 0x24c
)

// kernelFile is the kernel's name in the image: the uncompressed one, as QEMU's
// microvm (by PVH, 0.7 s sooner than a bzImage), its arm64 virt machine and Apple's
// Virtualization framework take it.
const kernelFile = "vmlinux"

// extractELF returns the ELF kernel inside a bzImage, as PVH boot needs it.
func extractELF(bz []byte) ([]byte, error) {
	payload, err := bzPayload(bz)
	if err != nil {
		return nil, err
	}
	var tool string
	switch {
	case bytes.HasPrefix(payload, []byte{0x28, 0xb5, 0x2f, 0xfd}):
		tool = "zstd"
	case bytes.HasPrefix(payload, []byte("\xfd7zXZ\x00")):
		tool = "xz"
	case bytes.HasPrefix(payload, []byte{0x1f, 0x8b}):
		tool = "gzip"
	default:
		return nil, fmt.Errorf("kernel payload is of an unknown compression (% x)", payload[:min(6, len(payload))])
	}
	kernel, err := decompress(tool, payload)
	if err != nil {
		return nil, err
	}
	f, err := elf.NewFile(bytes.NewReader(kernel))
	if err != nil {
		return nil, fmt.Errorf("kernel payload: %w", err)
	}
	for _, p := range f.Progs {
		if p.Type == elf.PT_NOTE {
			return kernel, nil // Debian's only note segment carries the PVH entry
		}
	}
	return nil, errors.New("kernel has no note segment, so no PVH entry")
}

func bzPayload(bz []byte) ([]byte, error) {
	if len(bz) < bzPayloadLength+4 || string(bz[bzMagic:bzMagic+4]) != "HdrS" {
		return nil, errors.New("kernel is not a bzImage")
	}
	if v := binary.LittleEndian.Uint16(bz[bzVersion:]); v < 0x208 {
		return nil, fmt.Errorf("kernel has boot protocol %#x, older than 2.08", v)
	}
	start := (int64(bz[bzSetupSects])+1)*512 + int64(binary.LittleEndian.Uint32(bz[bzPayloadOffset:]))
	end := start + int64(binary.LittleEndian.Uint32(bz[bzPayloadLength:]))
	if end > int64(len(bz)) || start >= end {
		return nil, errors.New("kernel payload lies outside the file")
	}
	return bz[start:end], nil
}

// decompress runs one of the usual tools, which all take -dc. The kernel's build
// appends the unpacked length to the payload; tools call that trailing garbage, so
// only an empty result is an error.
func decompress(tool string, data []byte) ([]byte, error) {
	cmd := exec.Command(tool, "-dcq")
	cmd.Stdin = bytes.NewReader(data)
	var out, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &stderr
	if err := cmd.Run(); err != nil && out.Len() == 0 {
		return nil, fmt.Errorf("decompress with %s: %w: %s", tool, err, bytes.TrimSpace(stderr.Bytes()))
	}
	return out.Bytes(), nil
}

// extractImage returns the uncompressed arm64 kernel: Debian ships it as it is or, in
// later releases, gzipped.
func extractImage(image []byte) ([]byte, error) {
	if bytes.HasPrefix(image, []byte{0x1f, 0x8b}) {
		var err error
		if image, err = decompress("gzip", image); err != nil {
			return nil, err
		}
	}
	// Documentation/arch/arm64/booting.rst: the magic number at byte 56.
	if len(image) < 64 || string(image[56:60]) != "ARM\x64" {
		return nil, errors.New("kernel is not an arm64 Image")
	}
	return image, nil
}

// erofsOptions choose the compression of the root image, see the README's table.
func erofsOptions() []string {
	return []string{"-zlz4hc"}
}
