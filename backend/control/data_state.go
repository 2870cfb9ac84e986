package control

// DataState tells that something in the data store changed; what, the query files
// below /data/query say.
type DataState struct {
	Revision     uint64 `json:"revision"` // grows with each change of a branch or of what is open
	Branches     int    `json:"branches"`
	Transactions int    `json:"transactions"` // open
	Watchers     int    `json:"watchers"`
}
