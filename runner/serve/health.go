package serve

import (
	"bytes"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"sync"
	"time"
)

// late is after how long without a beat the scheduler counts as hanging.
const late = time.Minute

// Health is how a server is, for whoever asks by HTTP. It tells words and
// counts, and no name: nobody has to say who he is to read it.
type Health struct {
	mu        sync.Mutex
	beat      time.Time // of this machine's own clock
	loaded    bool
	broken    int
	recovered bool
	journal   bool
	stopping  bool
}

func (h *Health) set(change func(*Health)) {
	h.mu.Lock()
	defer h.mu.Unlock()
	change(h)
}

// Metrics answers /metrics to whoever has a token.
type Metrics struct {
	// Tokens is a file with the SHA-256 of a token in each line, in hexadecimal
	// digits; empty: nobody has one. It is read for every request, so that one
	// can be taken back.
	Tokens string
	Write  func(io.Writer) error
}

// allows reports whether a request brings one of the tokens. A file that cannot
// be read allows nobody.
func (m Metrics) allows(r *http.Request) bool {
	token, is := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	text, err := os.ReadFile(m.Tokens)
	if !is || err != nil {
		return false
	}
	sum := sha256.Sum256([]byte(token))
	allowed := false
	for _, line := range strings.Fields(string(text)) {
		known, err := hex.DecodeString(line)
		if err == nil && subtle.ConstantTimeCompare(known, sum[:]) == 1 {
			allowed = true
		}
	}
	return allowed
}

func (m Metrics) answer(w http.ResponseWriter, r *http.Request) {
	if !m.allows(r) {
		w.Header().Set("WWW-Authenticate", "Bearer")
		answer(w, http.StatusUnauthorized, "a token is needed\n")
		return
	}
	var text bytes.Buffer
	if err := m.Write(&text); err != nil && text.Len() == 0 {
		answer(w, http.StatusInternalServerError, "the metrics cannot be read\n")
		return
	}
	answer(w, http.StatusOK, text.String())
}

// Handler answers /healthz and /readyz, and /metrics where there are tokens.
func (h *Health) Handler(m Metrics) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) {
		h.mu.Lock()
		beats := time.Since(h.beat) < late
		h.mu.Unlock()
		if !beats {
			answer(w, http.StatusServiceUnavailable, "the scheduler does not answer\n")
			return
		}
		answer(w, http.StatusOK, "ok\n")
	})
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, _ *http.Request) {
		text, ready := h.ready()
		code := http.StatusOK
		if !ready {
			code = http.StatusServiceUnavailable
		}
		answer(w, code, text)
	})
	if m.Tokens != "" {
		mux.HandleFunc("GET /metrics", m.answer)
	}
	return mux
}

func answer(w http.ResponseWriter, code int, text string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(code)
	_, _ = io.WriteString(w, text)
}

// ready says of each part whether it works. Files that do not validate keep the
// server from nothing, and are told.
func (h *Health) ready() (text string, ready bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	ready = true
	part := func(name string, ok bool, otherwise string) {
		if !ok {
			text, ready = text+name+": "+otherwise+"\n", false
			return
		}
		text += name + ": ok\n"
	}
	part("scheduler", time.Since(h.beat) < late, "does not answer")
	part("journal", h.journal, "cannot be written")
	part("recovery", h.recovered, "under way")
	part("plans", h.loaded, "not read yet")
	if h.broken > 0 {
		text += fmt.Sprintf("plan files that do not validate: %d\n", h.broken)
	}
	if h.stopping {
		text, ready = text+"stopping\n", false
	}
	return text, ready
}
