package packet

import (
	"bytes"
	"encoding/binary"
	"encoding/xml"
	"fmt"
	"os/exec"
	"regexp"
	"strings"
	"testing"
)

// TestAgainstTshark compares the fields of every fixture with Wireshark's: each
// field that has a name must exist there, cover the same bytes, and, where both
// show a plain number or an address, say the same.
func TestAgainstTshark(t *testing.T) {
	tshark, err := exec.LookPath("tshark")
	if err != nil {
		t.Skip("tshark is not installed: field names, offsets and values are not compared with Wireshark's")
	}
	cmd := exec.Command(tshark, "-r", "-", "-n", "-T", "pdml",
		"-o", "tcp.relative_sequence_numbers:FALSE", "-o", "tcp.desegment_tcp_streams:FALSE", "-o", "ip.defragment:FALSE", "-o", "ipv6.defragment:FALSE")
	cmd.Stdin = bytes.NewReader(pcapOf(fixtures))
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("tshark: %v: %s", err, stderr.Bytes())
	}
	var doc struct {
		Packets []struct {
			Protos []pdmlField `xml:"proto"`
		} `xml:"packet"`
	}
	if err := xml.Unmarshal(out, &doc); err != nil {
		t.Fatal(err)
	}
	if len(doc.Packets) != len(fixtures) {
		t.Fatalf("tshark shows %d packets of %d", len(doc.Packets), len(fixtures))
	}
	compared := 0
	for i, x := range fixtures {
		theirs := map[string][]pdmlField{}
		for _, p := range doc.Packets[i].Protos {
			p.collect(theirs)
		}
		for _, l := range decode(x.frame).Layers() {
			compared += compareFields(t, x.name, l.Fields, theirs)
		}
	}
	if compared < 400 {
		t.Errorf("only %d fields were compared", compared)
	}
}

type pdmlField struct {
	Name   string      `xml:"name,attr"`
	Show   string      `xml:"show,attr"`
	Pos    int         `xml:"pos,attr"`
	Size   int         `xml:"size,attr"`
	Fields []pdmlField `xml:"field"`
	Protos []pdmlField `xml:"proto"`
}

func (f pdmlField) collect(into map[string][]pdmlField) {
	into[f.Name] = append(into[f.Name], f)
	for _, g := range append(f.Fields, f.Protos...) {
		g.collect(into)
	}
}

// ours are fields that Wireshark does not have by that name and place, or whose
// values it shows in another way.
var ours = map[string]bool{
	"data.data":                    true, // Wireshark dissects some of what is data here
	"tls.handshake.extension.data": true,
	"dhcp.cookie":                  true, // shown as an address there
}

func compareFields(t *testing.T, fixture string, fields []Field, theirs map[string][]pdmlField) (n int) {
	t.Helper()
	for _, f := range fields {
		n += compareFields(t, fixture, f.Fields, theirs)
		if f.Name == "" || ours[f.Name] {
			continue
		}
		n++
		var there []string
		found := false
		for _, g := range theirs[f.Name] {
			if g.Pos == f.Start && g.Size == f.End-f.Start && sameValue(f.Value, g.Show) {
				found = true
			}
			there = append(there, fmt.Sprintf("%d+%d %q", g.Pos, g.Size, g.Show))
		}
		if !found {
			t.Errorf("%s: %s is %d+%d %q here, in Wireshark %v", fixture, f.Name, f.Start, f.End-f.Start, f.Value, there)
		}
	}
	return n
}

var inBrackets = regexp.MustCompile(`\(([^)]*)\)$`)

// sameValue compares where both are plain: numbers, addresses, names.
func sameValue(ours, theirs string) bool {
	if m := inBrackets.FindStringSubmatch(ours); m != nil {
		ours = m[1]
	}
	switch ours {
	case "Set":
		return theirs == "1"
	case "Not set":
		return theirs == "0"
	case "":
		return true
	case ".":
		return theirs == "<Root>"
	}
	if theirs == "" || strings.Contains(ours, " ") {
		return true // a group, or a value with its unit
	}
	ours, theirs = strings.ReplaceAll(ours, ":", ""), strings.ReplaceAll(theirs, ":", "")
	if strings.HasPrefix(ours, "0x") && strings.HasPrefix(theirs, "0x") {
		return strings.TrimLeft(ours[2:], "0") == strings.TrimLeft(theirs[2:], "0")
	}
	return ours == theirs
}

// pcapOf is a classic pcap file of the frames.
func pcapOf[T ~[]struct {
	name  string
	frame []byte
	set   Set
	proto string
	info  string
}](frames T) []byte {
	b := binary.LittleEndian.AppendUint32(nil, 0xa1b2c3d4)
	b = append(b, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0)
	b = binary.LittleEndian.AppendUint32(b, 1<<18)
	b = binary.LittleEndian.AppendUint32(b, 1)
	for i, x := range frames {
		for _, v := range []int{i, 0, len(x.frame), len(x.frame)} {
			b = binary.LittleEndian.AppendUint32(b, uint32(v))
		}
		b = append(b, x.frame...)
	}
	return b
}
