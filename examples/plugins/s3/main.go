// The plugin s3 stores files in S3 and on servers that speak its protocol.
//
//	go build -o PLUGIN_DIRECTORY/dprun-plugin-s3 .
package main

import (
	"context"
	"crypto/x509"
	"net/http"
	"net/url"
	"os"
	"time"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"
	"github.com/minio/minio-go/v7/pkg/s3utils"

	"github.com/dprun/dprun/sdk"
	"github.com/dprun/dprun/sdk/failure"
	"github.com/dprun/dprun/sdk/schema"
	"github.com/dprun/dprun/sdk/store"
)

func main() { sdk.Serve(plugin()) }

func plugin() sdk.Plugin {
	return sdk.Plugin{
		Name:    "s3",
		Version: "0.1.0",
		Doc:     "Stores in buckets of S3 and of servers that speak its protocol.",
		Destinations: []sdk.DestinationType{sdk.NewDestination(
			schema.DestinationType{Name: "s3", Doc: "Objects in a bucket. Nothing is ever replaced: a server that cannot promise that is refused."},
			configure, validate)},
	}
}

// config becomes the schema of the config block.
type config struct {
	Endpoint     string        `dprun:"endpoint,required" doc:"The server, as https://HOST or https://HOST:PORT."`
	Bucket       string        `dprun:"bucket,required" doc:"The bucket. It must be there."`
	Prefix       string        `dprun:"prefix" doc:"A directory in the bucket, below which everything is stored."`
	Region       string        `dprun:"region" default:"us-east-1" doc:"The region that requests are signed for."`
	AccessKey    string        `dprun:"access_key,required" doc:"The name of the key."`
	SecretKey    string        `dprun:"secret_key,required,sensitive" doc:"The key. It signs requests and is never sent."`
	SessionToken string        `dprun:"session_token,sensitive" doc:"Of temporary credentials."`
	PathStyle    bool          `dprun:"path_style" default:"true" doc:"Whether the bucket is named in the path; otherwise in the host name."`
	CAFile       string        `dprun:"ca_file" format:"certificates" doc:"Certificates that the server's one is checked against, instead of the system's."`
	Timeout      time.Duration `dprun:"timeout" format:"duration" default:"2m" min:"1s" doc:"How long the server may take to answer a request that it has all of."`
	Above        int64         `dprun:"multipart_above" format:"size" default:"1GiB" min:"5MiB" max:"5GiB" doc:"Larger files are sent in parts."`
	PartSize     int64         `dprun:"part_size" format:"size" default:"64MiB" min:"5MiB" max:"5GiB" doc:"The size of a part. Files of more than 10,000 such parts get larger ones."`
	Retention    *retention    `dprun:"retention,block" doc:"Locks every object for a time. The bucket must have been made with object lock."`
}

type retention struct {
	Mode   string        `dprun:"mode,required" oneof:"GOVERNANCE|COMPLIANCE" doc:"Whether those with a special right may unlock it, or nobody."`
	Period time.Duration `dprun:"period,required" format:"duration" min:"1m" doc:"How long, from when it is stored."`
}

// validate checks what the schema cannot.
func validate(c config, known func(path ...string) bool) (out []schema.Diagnostic) {
	say := func(s schema.Severity, name, summary, detail string) {
		out = append(out, schema.Diagnostic{Severity: s, Summary: summary, Detail: detail, Path: []string{name}})
	}
	if known("endpoint") {
		u, err := url.Parse(c.Endpoint)
		switch {
		case err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Hostname() == "" || u.Path != "" && u.Path != "/" || u.RawQuery != "" || u.User != nil:
			say(schema.SeverityError, "endpoint", "Unusable endpoint", "endpoint is https://HOST or https://HOST:PORT, and no more. The bucket has an argument of its own.")
		case u.Scheme == "http":
			say(schema.SeverityWarning, "endpoint", "Unprotected connection", "Backups go over the network as they are; use https.")
		}
	}
	if known("bucket") && s3utils.CheckValidBucketName(c.Bucket) != nil {
		say(schema.SeverityError, "bucket", "Unusable name", "A bucket's name has 3 to 63 letters, digits, dots and dashes.")
	}
	if known("prefix") && c.Prefix != "" && sdk.CheckPath(c.Prefix) != nil {
		say(schema.SeverityError, "prefix", "Unusable prefix", "prefix is a directory: no slash at either end, no empty, \".\" or \"..\" component.")
	}
	return out
}

func configure(_ context.Context, c config, env sdk.Env) (*store.Destination, error) {
	u, err := url.Parse(c.Endpoint)
	if err != nil {
		return nil, failure.New(failure.Precondition, failure.BadConfig, "read endpoint: %w", err)
	}
	transport, err := transport(u.Scheme == "https", c)
	if err != nil {
		return nil, err
	}
	lookup := minio.BucketLookupDNS
	if c.PathStyle {
		lookup = minio.BucketLookupPath
	}
	core, err := minio.NewCore(u.Host, &minio.Options{
		Creds: credentials.NewStaticV4(c.AccessKey, c.SecretKey, c.SessionToken), Secure: u.Scheme == "https", Region: c.Region,
		Transport: transport, BucketLookup: lookup,
		MaxRetries: 1, // a repeated conditional request would be refused if the first answer was lost; dprun does the retries
	})
	if err != nil {
		return nil, failure.New(failure.Precondition, failure.BadConfig, "use endpoint %s: %w", c.Endpoint, err)
	}
	return store.NewObjects(store.Options{Log: env.Log, DirectoryRemedy: "make the bucket, or correct `bucket`"}, &bucket{core: core, config: c, idle: transport.CloseIdleConnections}), nil
}

func transport(secure bool, c config) (*http.Transport, error) {
	t, err := minio.DefaultTransport(secure)
	if err != nil {
		return nil, failure.New(failure.Internal, "", "prepare connections: %w", err)
	}
	t.ResponseHeaderTimeout = c.Timeout
	t.WriteBufferSize, t.ReadBufferSize = 256<<10, 256<<10
	if c.CAFile == "" {
		return t, nil
	}
	pem, err := os.ReadFile(c.CAFile)
	pool := x509.NewCertPool()
	if err == nil && !pool.AppendCertsFromPEM(pem) || !secure {
		return nil, failure.New(failure.Precondition, failure.BadConfig, "use ca_file %s: it holds no certificate, or endpoint does not begin with https", c.CAFile)
	}
	if err != nil {
		return nil, failure.New(failure.Precondition, failure.BadConfig, "read ca_file: %w", err)
	}
	t.TLSClientConfig.RootCAs = pool
	return t, nil
}
