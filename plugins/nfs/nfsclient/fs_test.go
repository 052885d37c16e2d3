package nfsclient

import (
	"bytes"
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/dprun/dprun/testfixtures/need"
)

func someContent(n int64) []byte {
	b, err := io.ReadAll(io.LimitReader(rand.NewChaCha8([32]byte{9}), n))
	if err != nil {
		panic(err) // a generator does not fail
	}
	return b
}

// on misbehaves at the n-th call of a procedure.
func on(proc uint32, n int, m misbehaviour) func(fakeCall) *misbehaviour {
	return func(c fakeCall) *misbehaviour {
		if c.proc == proc && c.n == n {
			return &m
		}
		return nil
	}
}

// store is what a caller does with one file.
func store(ctx context.Context, f *FS, content []byte) error {
	file, err := f.Create(ctx, "x")
	if err != nil {
		return err
	}
	n, err := file.WriteFrom(ctx, bytes.NewReader(content))
	if err != nil {
		return err
	}
	if n != int64(len(content)) {
		return errors.New("short count without an error")
	}
	return file.Commit(ctx)
}

func TestWritingSurvivesWhatAServerMayDo(t *testing.T) {
	t.Parallel()
	tests := map[string]func(fakeCall) *misbehaviour{
		"nothing special":            nil,
		"short write":                on(procWrite, 3, misbehaviour{shorten: 1000}),
		"try later, pipelined":       on(procWrite, 2, misbehaviour{status: ErrJukebox}),
		"try later, commit":          on(procCommit, 1, misbehaviour{status: ErrJukebox}),
		"connection lost, write":     on(procWrite, 5, misbehaviour{hangUp: true}),
		"connection lost, commit":    on(procCommit, 1, misbehaviour{hangUp: true}),
		"connection lost, get attrs": on(procGetAttr, 1, misbehaviour{hangUp: true}),
		"short read":                 on(procRead, 3, misbehaviour{shorten: 777}),
		"try later, read":            on(procRead, 2, misbehaviour{status: ErrJukebox}),
		"connection lost, read":      on(procRead, 4, misbehaviour{hangUp: true}),
	}
	for name, script := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newFakeServer(t, script)
			f := s.mount(t, nil)
			content := someContent(100_001)
			need.Done(t, store(t.Context(), f, content))
			if !bytes.Equal(s.data, content) {
				t.Error("the server holds something else than was written")
			}
			file := need.Value(f.Open(t.Context(), "x"))(t)
			var got bytes.Buffer
			need.Value(file.WriteTo(t.Context(), &got))(t)
			if !bytes.Equal(got.Bytes(), content) {
				t.Error("what was read is not what the server holds")
			}
		})
	}
}

func TestServerErrorsReachTheCallerTyped(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		script func(fakeCall) *misbehaviour
		want   error
	}{
		"no space":           {on(procWrite, 3, misbehaviour{status: ErrNoSpc}), ErrNoSpc},
		"quota":              {on(procWrite, 1, misbehaviour{status: ErrDQuot}), ErrDQuot},
		"read only":          {on(procCreate, 1, misbehaviour{status: ErrROFS}), ErrROFS},
		"stale handle":       {on(procWrite, 2, misbehaviour{status: ErrStale}), ErrStale},
		"commit fails":       {on(procCommit, 1, misbehaviour{status: ErrIO}), ErrIO},
		"restart in writing": {on(procWrite, 4, misbehaviour{newVerf: true}), ErrVerifierChanged},
		"restart in commit":  {on(procCommit, 1, misbehaviour{newVerf: true}), ErrVerifierChanged},
		"writes nothing":     {on(procWrite, 2, misbehaviour{shorten: 4096}), ErrNoProgress},
		"create is not sent twice": {
			on(procCreate, 1, misbehaviour{hangUp: true}), ErrDisconnected,
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newFakeServer(t, test.script)
			err := store(t.Context(), s.mount(t, nil), someContent(50_000))
			var op *OpError
			if !errors.Is(err, test.want) || !errors.As(err, &op) {
				t.Errorf("got %v, want %v in an OpError", err, test.want)
			}
			if n := s.count(procCreate); n != 1 {
				t.Errorf("CREATE was sent %d times", n)
			}
		})
	}
}

func TestAFileIsWrittenAgainAfterALostVerifier(t *testing.T) {
	t.Parallel()
	s := newFakeServer(t, on(procCommit, 1, misbehaviour{newVerf: true}))
	f := s.mount(t, nil)
	content := someContent(20_000)
	file := need.Value(f.Create(t.Context(), "x"))(t)
	for round, want := range []error{ErrVerifierChanged, nil} {
		need.Value(file.WriteFrom(t.Context(), bytes.NewReader(content)))(t)
		if err := file.Commit(t.Context()); !errors.Is(err, want) {
			t.Fatalf("round %d: %v, want %v", round, err, want)
		}
		file.Rewind()
	}
}

func TestGarbageIsRefused(t *testing.T) {
	t.Parallel()
	protocol := func(err error) bool { var e *ProtocolError; return errors.As(err, &e) }
	denied := func(err error) bool { var e *RPCError; return errors.As(err, &e) }
	tests := map[string]struct {
		m  misbehaviour
		is func(error) bool
	}{
		"a huge length":       {misbehaviour{raw: []byte{0xff, 0xff, 0xff, 0xff}}, protocol},
		"no transaction id":   {misbehaviour{raw: []byte{0x80, 0, 0, 2, 1, 2}}, protocol},
		"endless fragments":   {misbehaviour{raw: bytes.Repeat([]byte{0, 0, 0, 0}, maxFragments)}, protocol},
		"credentials refused": {misbehaviour{rpcDenied: true}, denied},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newFakeServer(t, on(procGetAttr, 1, test.m))
			if _, err := s.mount(t, nil).Stat(t.Context(), ""); !test.is(err) {
				t.Errorf("got %v", err)
			}
		})
	}
}

func TestASilentServerDoesNotHoldTheCaller(t *testing.T) {
	t.Parallel()
	silent := misbehaviour{silent: true}
	t.Run("cancelled", func(t *testing.T) {
		t.Parallel()
		s := newFakeServer(t, on(procWrite, 2, silent))
		f := s.mount(t, nil)
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(50*time.Millisecond, cancel)
		start := time.Now()
		if err := store(ctx, f, someContent(50_000)); !errors.Is(err, context.Canceled) {
			t.Errorf("got %v", err)
		}
		if took := time.Since(start); took > time.Minute {
			t.Errorf("it took %v", took)
		}
		if _, err := f.Stat(t.Context(), "x"); err != nil {
			t.Errorf("the next call: %v", err)
		}
	})
	t.Run("timed out", func(t *testing.T) {
		t.Parallel()
		s := newFakeServer(t, on(procGetAttr, 1, silent))
		f := s.mount(t, func(o *Options) { o.CallTimeout = 50 * time.Millisecond })
		if _, err := f.Stat(t.Context(), ""); !errors.Is(err, ErrTimeout) {
			t.Errorf("got %v", err)
		}
		if n := s.count(procGetAttr); n != 1 {
			t.Errorf("an unanswered call was sent %d times", n)
		}
	})
	t.Run("closed", func(t *testing.T) {
		t.Parallel()
		s := newFakeServer(t, on(procGetAttr, 1, silent))
		f := s.mount(t, nil)
		time.AfterFunc(50*time.Millisecond, func() { f.Close() })
		if _, err := f.Stat(t.Context(), ""); !errors.Is(err, ErrClosed) {
			t.Errorf("got %v", err)
		}
	})
}

func TestPathsStayInTheExport(t *testing.T) {
	t.Parallel()
	s := newFakeServer(t, nil)
	f := s.mount(t, nil)
	for _, path := range []string{"../x", "a/../../x", "a\x00b", ""} {
		if _, err := f.Create(t.Context(), path); !errors.Is(err, ErrInval) {
			t.Errorf("creating %q: %v", path, err)
		}
	}
	if n := s.count(procCreate); n != 0 {
		t.Errorf("%d calls were sent", n)
	}
}

func TestMemoryOfATransferIsThatOfItsWindow(t *testing.T) {
	t.Parallel()
	r := newRing(3, 4096)
	first := r.get()
	r.get()
	r.get()
	if again := r.get(); &again[0] != &first[0] {
		t.Error("a fourth buffer was made for a window of two")
	}
}

func TestThePortmapperIsAskedForWhatIsNotGiven(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		mapped  map[uint32]uint32
		given   Options
		want    [2]int // NFS, mount
		refused bool
	}{
		"both":               {map[uint32]uint32{progNFS: 2050, progMount: 20048}, Options{}, [2]int{2050, 20048}, false},
		"one is given":       {map[uint32]uint32{progNFS: 1, progMount: 20048}, Options{NFSPort: 12049}, [2]int{12049, 20048}, false},
		"NFS not registered": {map[uint32]uint32{progMount: 20048}, Options{}, [2]int{2049, 20048}, false},
		"no mount service":   {nil, Options{}, [2]int{}, true},
		"no port":            {map[uint32]uint32{progMount: 70000}, Options{}, [2]int{}, true},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newFakeServer(t, nil)
			s.mapped = test.mapped
			o := test.given
			o.Server = "127.0.0.1"
			o.setDefaults()
			err := findPorts(t.Context(), &o, s.port)
			if (err != nil) != test.refused {
				t.Fatal(err)
			}
			if got := [2]int{o.NFSPort, o.MountPort}; err == nil && got != test.want {
				t.Errorf("ports %v, want %v", got, test.want)
			}
		})
	}
}

func TestTheServersLimitsAreKept(t *testing.T) {
	t.Parallel()
	for _, most := range []uint32{512, 1024, 4096, 65536} {
		s := newFakeServer(t, nil)
		s.most = most
		f := s.mount(t, func(o *Options) { o.WriteSize, o.ReadSize = 256<<10, 256<<10 })
		content := someContent(100_001)
		need.Done(t, store(t.Context(), f, content))
		file := need.Value(f.Open(t.Context(), "x"))(t)
		var got bytes.Buffer
		need.Value(file.WriteTo(t.Context(), &got))(t)
		if !bytes.Equal(got.Bytes(), content) {
			t.Errorf("%d: what was read is not what was written", most)
		}
		if s.tooLarge > 0 {
			t.Errorf("%d calls were larger than the %d bytes that the server allows", s.tooLarge, most)
		}
	}
}

func TestAnExportIsTriedUnlessItAsksForMoreThanAUserNumber(t *testing.T) {
	t.Parallel()
	const krb5, krb5p = 390003, 390005
	for name, test := range map[string]struct {
		flavors []uint32
		refused string
	}{
		"none listed":       {nil, ""},
		"sys":               {[]uint32{authSys}, ""},
		"null":              {[]uint32{authNone}, ""},
		"null and kerberos": {[]uint32{krb5, authNone}, ""},
		"kerberos only":     {[]uint32{krb5, krb5p}, "the export allows sec=krb5, sec=krb5p only"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newFakeServer(t, nil)
			s.flavors = test.flavors
			f, err := Mount(t.Context(), Options{Server: "127.0.0.1", Export: "/e", NFSPort: s.port, MountPort: s.port})
			if err == nil {
				err = store(t.Context(), f, []byte("x"))
				_ = f.Close()
			}
			switch {
			case test.refused == "" && err != nil:
				t.Error(err)
			case test.refused != "" && (err == nil || !strings.Contains(err.Error(), test.refused)):
				t.Errorf("got %v, want %q", err, test.refused)
			}
		})
	}
}
