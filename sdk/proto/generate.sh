#!/bin/sh
# Generates the Go code of the plugin protocol. Needs protoc, protoc-gen-go and
# protoc-gen-go-grpc; the result is committed.
set -eu
cd "$(dirname "$0")"
PATH="${PROTOC_PLUGINS:-$(go env GOPATH)/bin}:$PATH"
protoc --go_out=. --go_opt=paths=source_relative \
	--go-grpc_out=. --go-grpc_opt=paths=source_relative \
	dprun/plugin/v1/plugin.proto
