package packet

// Layer is one protocol of a frame, for the detail view.
type Layer struct {
	Name    string  `json:"name"`    // Wireshark's short name: "eth", "ip", "tcp"
	Summary string  `json:"summary"` // one line
	Start   int     `json:"start"`   // the layer's own bytes are frame[Start:End]
	End     int     `json:"end"`
	Fields  []Field `json:"fields"`
}

// Field is a value in a layer and the bytes it was read from. Fields that have
// Fields are groups; some of those have no Value.
type Field struct {
	Name   string  `json:"name"`  // as in a display filter: "tcp.dstport"; empty for pure groups
	Label  string  `json:"label"` // for people: "Destination port"
	Value  string  `json:"value"`
	Start  int     `json:"start"` // the field's bytes are frame[Start:End]
	End    int     `json:"end"`
	Fields []Field `json:"fields,omitempty"`
}
