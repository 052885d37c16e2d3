package main

import (
	"context"
	"fmt"
	"os"
	"testing"
)

// fixture stands for the test that a real server's harness expects. What
// would fail a test becomes a panic with a [fatalError], which ends the part.
type fixture struct {
	testing.TB // never called: all that the harnesses use is below
	ctx        context.Context
	dir        string
	cleanups   []func()
}

// fatalError is the message of a fixture's failure.
type fatalError string

func (e fatalError) Error() string { return string(e) }

func (f *fixture) Context() context.Context { return f.ctx }
func (f *fixture) Helper()                  {}
func (f *fixture) Cleanup(c func())         { f.cleanups = append(f.cleanups, c) }
func (f *fixture) Fatal(args ...any)        { panic(fatalError(fmt.Sprint(args...))) }
func (f *fixture) Fatalf(format string, args ...any) {
	panic(fatalError(fmt.Sprintf(format, args...)))
}
func (f *fixture) Error(args ...any)                 { fmt.Fprintln(os.Stderr, args...) }
func (f *fixture) Errorf(format string, args ...any) { fmt.Fprintf(os.Stderr, format+"\n", args...) }
func (f *fixture) Logf(format string, args ...any)   { fmt.Fprintf(os.Stderr, format+"\n", args...) }

// TempDir is removed by cleanup.
func (f *fixture) TempDir() string {
	dir, err := os.MkdirTemp(f.dir, "fixture-")
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() { _ = os.RemoveAll(dir) })
	return dir
}

func (f *fixture) cleanup() {
	for len(f.cleanups) > 0 {
		last := f.cleanups[len(f.cleanups)-1]
		f.cleanups = f.cleanups[:len(f.cleanups)-1]
		last()
	}
}
