package redact

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"encoding/xml"
	"html"
	"net/url"
	"strconv"
	"strings"
)

// shortestInner is the length of the shortest part of a base64 form that is searched
// for.
const shortestInner = 6

// XML may write quotes as a number, as a name or, in the text of an element, unchanged.
var (
	quotesByName    = strings.NewReplacer("&#34;", "&quot;", "&#39;", "&apos;")
	quotesAsTheyAre = strings.NewReplacer("&#34;", `"`, "&#39;", "'")
)

// forms returns the forms in which a secret may be written down.
func forms(s string) []string {
	hexed := hex.EncodeToString([]byte(s))
	out := []string{s, strings.TrimSpace(s), url.QueryEscape(s), url.PathEscape(s), lowerPercent(url.QueryEscape(s)), lowerPercent(url.PathEscape(s)),
		hexed, strings.ToUpper(hexed),
		base64.StdEncoding.EncodeToString([]byte(s)), base64.RawStdEncoding.EncodeToString([]byte(s)), base64.URLEncoding.EncodeToString([]byte(s)),
		unquoted(strconv.Quote(s)), unquoted(strconv.QuoteToASCII(s)), html.EscapeString(s), strings.ReplaceAll(s, `'`, `'\''`)}
	out = append(out, inner(s)...)
	for _, escaped := range []bool{true, false} { // whether < > & are written as \u003c and so on
		var b bytes.Buffer
		e := json.NewEncoder(&b)
		e.SetEscapeHTML(escaped)
		if e.Encode(s) == nil {
			in := unquoted(strings.TrimSuffix(b.String(), "\n"))
			out = append(out, in, strings.ReplaceAll(in, "/", `\/`))
		}
	}
	var x strings.Builder
	if xml.EscapeText(&x, []byte(s)) == nil {
		out = append(out, x.String(), quotesByName.Replace(x.String()), quotesAsTheyAre.Replace(x.String()))
	}
	return out
}

func unquoted(s string) string { return strings.TrimSuffix(strings.TrimPrefix(s, `"`), `"`) }

// lowerPercent writes the %2F of a URL as %2f.
func lowerPercent(s string) string {
	b := []byte(s)
	for i := 0; i+2 < len(b); i++ {
		if b[i] == '%' {
			copy(b[i+1:i+3], bytes.ToLower(b[i+1:i+3]))
		}
	}
	return string(b)
}

// inner returns the base64 forms of a secret behind other bytes, as in an Authorization
// header: the parts that do not depend on what stands before and after.
func inner(s string) []string {
	var out []string
	for before := range 3 {
		padded := make([]byte, before, before+len(s))
		whole := (before + len(s)) / 3 * 3
		if from := (before*4 + 2) / 3; whole/3*4-from >= shortestInner {
			padded = append(padded, s...)[:whole]
			out = append(out, base64.StdEncoding.EncodeToString(padded)[from:], base64.URLEncoding.EncodeToString(padded)[from:])
		}
	}
	return out
}

// lines returns the lines of a secret with several lines, such as a private key.
func lines(s string) []string {
	if !strings.Contains(s, "\n") {
		return nil
	}
	var out []string
	for l := range strings.SplitSeq(s, "\n") {
		if l = strings.TrimSpace(l); len(l) >= 16 && !strings.HasPrefix(l, "-----") {
			out = append(out, l)
		}
	}
	return out
}
