package registry

import (
	"encoding/json"
	"time"
)

// State is where a run stands. A run moves through the states in this order and can be resumed in any of them.
type State string

const (
	Collect   State = "collect"
	Build     State = "build-pairs"
	RefitRM   State = "refit-rm"
	Choose    State = "choose-method"
	Reference State = "reference"
	Train     State = "train"
	Evaluate  State = "evaluate"
	GateState State = "gate"
	Write     State = "write"
	Publish   State = "publish"
	Canary    State = "canary"
	Live      State = "live"
	Passed    State = "passed" // the gate let it pass, and it was not to be published
	Rejected  State = "rejected"
	Failed    State = "failed"
)

// Run is the manifest of one offline run: everything needed to understand it, to resume it and to make it again. Every
// artefact (rm file, adapter, merged GGUF) names the run that made it.
type Run struct {
	ID       string             `json:"id"` // "run-" + ULID
	Alias    string             `json:"alias"`
	Parent   string             `json:"parent,omitempty"` // the run that was live when this one began
	State    State              `json:"state"`
	Created  time.Time          `json:"created"`
	Updated  time.Time          `json:"updated"`
	Base     Release            `json:"base"`      // what is trained
	DataRoot string             `json:"data_root"` // Merkle hash over the row ids
	Rows     map[string]int     `json:"rows"`      // rows by kind: pairs, unpaired, demonstrations, held_out
	Dropped  map[string]int     `json:"dropped"`   // records that became no row, by reason
	Users    []string           `json:"users,omitempty"`
	Method   string             `json:"method"`
	Reason   string             `json:"reason,omitempty"` // why this method
	Until    time.Time          `json:"until,omitzero"`   // the newest feedback that it read was given by then
	Config   json.RawMessage    `json:"config"`
	Seed     int64              `json:"seed"`
	Code     string             `json:"code"` // version of the program
	Metrics  map[string]float64 `json:"metrics,omitempty"`
	Gate     json.RawMessage    `json:"gate,omitempty"` // the gate's report
	Decision string             `json:"decision,omitempty"`
	Result   Release            `json:"result"`
	Weights  string             `json:"weights,omitempty"` // hash over the trained tensors alone
	Error    string             `json:"error,omitempty"`
	Tainted  []string           `json:"tainted,omitempty"` // users erased since
}
