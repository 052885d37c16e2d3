// Package webhook posts a script's context to a URL, as the JSON that every
// script gets or as a template formats it.
package webhook

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"
	"text/template"
	"time"

	"github.com/dprun/dprun/sdk"
	"github.com/dprun/dprun/sdk/schema"
	"github.com/dprun/dprun/sdk/script"
)

// Config is the configuration of a script "webhook".
type Config struct {
	URL           string            `dprun:"url" doc:"Where it is posted to; https, or http within this host or with insecure_http."`
	SecretURL     string            `dprun:"secret_url,sensitive" doc:"The same, for a URL that lets in whoever knows it."`
	Template      string            `dprun:"template" doc:"A text/template of Go over what a script is told (script.Context of the SDK), such as {\"text\": {{json .Headline}}}. json writes a value as JSON. Default: all of it as JSON."`
	ContentType   string            `dprun:"content_type" default:"application/json" doc:"What the body is. One that says that it is JSON must be."`
	Headers       map[string]string `dprun:"headers" doc:"More headers."`
	SecretHeaders map[string]string `dprun:"secret_headers,sensitive" doc:"More headers, such as Authorization."`
	SigningKey    string            `dprun:"signing_key,sensitive" doc:"Signs the request as Standard Webhooks has it: webhook-signature is HMAC-SHA256 over webhook-id, webhook-timestamp and the body. A key that begins with whsec_ is base64 after that, any other is used as it is."`
	Idempotent    bool              `dprun:"idempotent" default:"false" doc:"The receiver takes each webhook-id (also sent as Idempotency-Key) once. Then what may have arrived is sent again, too. false: only what has surely not been taken is."`
	InsecureHTTP  bool              `dprun:"insecure_http" default:"false" doc:"Let everybody on the way read what is posted."`
	CAFile        string            `dprun:"ca_file" format:"certificates" doc:"File of trusted roots in PEM form. Default: those of the system."`
	ServerName    string            `dprun:"server_name" doc:"Name that the server's certificate must have. Default: the URL's host."`
	Timeout       time.Duration     `dprun:"timeout" format:"duration" min:"1s" default:"15s" doc:"How long one request may take."`
}

// SchemaConstraints implements the rules in the documentation of url and secret_url.
func (Config) SchemaConstraints() schema.Constraints {
	return schema.Constraints{ExactlyOne: [][]string{{"url", "secret_url"}}}
}

// Plugin offers the script type "webhook".
func Plugin() sdk.Plugin {
	return sdk.Plugin{
		Name:    "webhook",
		Version: "1.0.0",
		Doc:     "Posts to a URL as a script of a plan, for its notify blocks above all.",
		Hooks: []sdk.HookType{sdk.NewHook(
			schema.HookType{Name: "webhook", Doc: "A POST of JSON, or of what a template makes, signed on request. An answer of 2xx is success. A redirect is not followed."},
			configure, validate)},
	}
}

func configure(_ context.Context, c Config, _ sdk.Env) (sdk.Hook, error) { return newHook(c) }

func validate(c Config, known func(...string) bool) []schema.Diagnostic {
	var ds []schema.Diagnostic
	bad := schema.Reporter(&ds)
	if known("url") && known("insecure_http") && c.URL != "" {
		if u, err := address(c.URL, c.InsecureHTTP); err != nil {
			bad([]string{"url"}, "Not a usable URL", "%v.", err)
		} else if u.User != nil {
			bad([]string{"url"}, "Password in the clear", "A URL with a user's password belongs in \"secret_url\", or the password in \"secret_headers\".")
		}
	}
	if known("template") && c.Template != "" {
		if _, err := parse(c.Template); err != nil {
			bad([]string{"template"}, "Invalid template", "%v.", err)
		}
	}
	for name := range c.Headers {
		switch h := http.CanonicalHeaderKey(name); {
		case h == "Content-Type":
			bad([]string{"headers", name}, "Set elsewhere", "Use \"content_type\".")
		case h == "Authorization" || h == "Proxy-Authorization" || h == "Cookie":
			bad([]string{"headers", name}, "Secret in the clear", "The header %s is a secret: put it in \"secret_headers\".", h)
		case strings.HasPrefix(h, "Webhook-") || h == "Idempotency-Key" || h == "Host" || h == "Content-Length":
			bad([]string{"headers", name}, "Set by dprun", "The header %s is set by dprun.", h)
		}
	}
	return ds
}

// address parses a URL and checks that it can be posted to. Its error does not contain the URL.
func address(text string, insecure bool) (*url.URL, error) {
	u, err := url.Parse(text)
	switch {
	case err != nil || u.Host == "":
		return nil, fmt.Errorf("this is not a URL; write it like https://example.com/hooks/dprun")
	case u.Scheme == "https":
		return u, nil
	case u.Scheme != "http":
		return nil, fmt.Errorf("the scheme is neither https nor http")
	case insecure || u.Hostname() == "localhost" || net.ParseIP(u.Hostname()).IsLoopback():
		return u, nil
	}
	return nil, fmt.Errorf("with http everybody on the way can read it; use https, or set insecure_http = true")
}

// parse parses a template, and tries it on a sample of a script's context.
func parse(text string) (*template.Template, error) {
	t, err := template.New("template").Option("missingkey=error").Funcs(template.FuncMap{"json": asJSON}).Parse(text)
	if err != nil {
		return nil, err
	}
	return t, t.Execute(&bytes.Buffer{}, sample())
}

func asJSON(v any) (string, error) {
	b, err := json.Marshal(v)
	return string(b), err
}

// sample returns a notification with every field set.
func sample() script.Context {
	zero := 0
	return script.Context{Version: 1, Hook: "notify", Run: "R", Plan: "p", Tasks: []script.Task{{}},
		Notice: &script.Notice{Event: script.Failed, ExitCode: &zero, Counts: &script.Counts{}, Causes: []script.Cause{{}}, Owed: []script.Owed{{}}}}
}
