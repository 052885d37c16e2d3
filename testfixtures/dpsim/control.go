package dpsim

import (
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"time"
)

// serveControl starts the control server on a port of its own.
func (f *Fleet) serveControl() error {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return fmt.Errorf("listen for control: %w", err)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /ready", func(w http.ResponseWriter, _ *http.Request) { answer(w, f.ready) })
	mux.HandleFunc("GET /state", func(w http.ResponseWriter, _ *http.Request) { answer(w, f.State()) })
	mux.HandleFunc("POST /state", f.postState)
	mux.HandleFunc("GET /requests", func(w http.ResponseWriter, _ *http.Request) { answer(w, f.Requests()) })
	mux.HandleFunc("GET /faults", f.getFaults)
	mux.HandleFunc("POST /faults", f.postFaults)
	mux.HandleFunc("GET /clock", func(w http.ResponseWriter, _ *http.Request) { answer(w, f.clockState()) })
	mux.HandleFunc("POST /clock", f.postClock)
	f.control = &http.Server{Handler: mux, ReadHeaderTimeout: 10 * time.Second}
	f.ready.Control = "http://" + l.Addr().String()
	go f.control.Serve(l)
	return nil
}

func answer(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	json.NewEncoder(w).Encode(v)
}

func refuse(w http.ResponseWriter, err error) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(http.StatusBadRequest)
	json.NewEncoder(w).Encode(map[string]string{"error": err.Error()})
}

// decode reads a body strictly: a misspelt field must not pass silently.
func decode(r *http.Request, v any) error {
	d := json.NewDecoder(r.Body)
	d.DisallowUnknownFields()
	return d.Decode(v)
}

func (f *Fleet) getFaults(w http.ResponseWriter, _ *http.Request) {
	out := []Fault{}
	for _, m := range f.members {
		for _, fault := range m.app.Faults() {
			fault.Device = m.app.Name()
			out = append(out, fault)
		}
	}
	answer(w, out)
}

// faultsBody sets one fault (its own fields) or several, and clears those
// that match a pattern; clearing comes first.
type faultsBody struct {
	Fault
	Set   []Fault `json:"set"`
	Clear []Fault `json:"clear"`
}

func (f *Fleet) postFaults(w http.ResponseWriter, r *http.Request) {
	var body faultsBody
	if err := decode(r, &body); err != nil {
		refuse(w, err)
		return
	}
	for _, pattern := range body.Clear {
		if err := f.ClearFaults(pattern); err != nil {
			refuse(w, err)
			return
		}
	}
	if body.Kind != "" {
		body.Set = append(body.Set, body.Fault)
	}
	for _, fault := range body.Set {
		if err := f.AddFault(fault); err != nil {
			refuse(w, err)
			return
		}
	}
	f.getFaults(w, r)
}

type clockState struct {
	Now    time.Time `json:"now"`
	Frozen bool      `json:"frozen"`
}

func (f *Fleet) clockState() clockState {
	return clockState{Now: f.clock.Now(), Frozen: f.clock.Frozen()}
}

type clockBody struct {
	Freeze  *bool      `json:"freeze"`
	Set     *time.Time `json:"set"`
	Advance string     `json:"advance"`
}

func (f *Fleet) postClock(w http.ResponseWriter, r *http.Request) {
	var body clockBody
	if err := decode(r, &body); err != nil {
		refuse(w, err)
		return
	}
	var by time.Duration
	if body.Advance != "" {
		var err error
		if by, err = time.ParseDuration(body.Advance); err != nil {
			refuse(w, err)
			return
		}
	}
	if body.Freeze != nil {
		f.clock.Freeze(*body.Freeze)
	}
	if body.Set != nil {
		f.clock.Set(*body.Set)
	}
	if by != 0 {
		f.clock.Advance(by)
	}
	answer(w, f.clockState())
}

// stateBody is one edit or several.
type stateBody struct {
	Edit
	Edits []Edit `json:"edits"`
}

func (f *Fleet) postState(w http.ResponseWriter, r *http.Request) {
	var body stateBody
	if err := decode(r, &body); err != nil {
		refuse(w, err)
		return
	}
	if len(body.Edits) == 0 {
		body.Edits = []Edit{body.Edit}
	}
	for _, e := range body.Edits {
		if err := f.Edit(e); err != nil {
			refuse(w, err)
			return
		}
	}
	answer(w, f.State())
}
