package web

import (
	"bytes"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"io"
	"net/http"
	"os"
	"strings"
)

// metrics answers /metrics to whoever has a token.
type metrics struct {
	// tokens is a file with the SHA-256 of a token in each line, in hexadecimal
	// digits; empty: nobody has one. It is read for every request, so that one
	// can be taken back.
	tokens string
	write  func(io.Writer) error
}

// allows reports whether a request brings one of the tokens. A file that cannot
// be read allows nobody.
func (m metrics) allows(r *http.Request) bool {
	token, is := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	text, err := os.ReadFile(m.tokens)
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

func (m metrics) answer(w http.ResponseWriter, r *http.Request) {
	if !m.allows(r) {
		w.Header().Set("WWW-Authenticate", "Bearer")
		answer(w, http.StatusUnauthorized, "a token is needed\n")
		return
	}
	var text bytes.Buffer
	if err := m.write(&text); err != nil && text.Len() == 0 {
		answer(w, http.StatusInternalServerError, "the metrics cannot be read\n")
		return
	}
	answer(w, http.StatusOK, text.String())
}
