package staging

import (
	"github.com/dprun/dprun/testfixtures/need"

	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"github.com/dprun/dprun/sdk"
	"github.com/dprun/dprun/sdk/failure"
)

func open(t testing.TB) *Staging {
	t.Helper()
	s := need.Value(Open(t.TempDir()))(t)
	t.Cleanup(func() { s.Close() })
	return s
}

func capture(t testing.TB, s *Staging, run, task, variant string) *Dir {
	t.Helper()
	d := need.Value(s.Capture(run, task, variant))(t)
	t.Cleanup(func() { d.follower.end() })
	return d
}

// put writes a file as a plugin would, and returns what it would claim.
func put(t testing.TB, d *Dir, name, content string) sdk.Artifact {
	t.Helper()
	file := filepath.Join(d.Path(), filepath.FromSlash(name))
	need.Done(t, os.MkdirAll(filepath.Dir(file), 0o755))
	need.Done(t, os.WriteFile(file, []byte(content), 0o644))
	return claim(name, []byte(content))
}

func claim(name string, content []byte) sdk.Artifact {
	sum := sha256.Sum256(content)
	return sdk.Artifact{Name: name, Size: int64(len(content)), SHA256: hex.EncodeToString(sum[:])}
}

func TestSealTakesOverWhatWasClaimed(t *testing.T) {
	t.Parallel()
	s := open(t)
	d := capture(t, s, "01RUN", "export_domain.nightly/fra-1/orders", "persisted")
	if info, err := os.Stat(d.Path()); err != nil || info.Mode() != fs.ModeDir|0o700 {
		t.Fatalf("the directory: %v, %v", info, err)
	}
	claims := []sdk.Artifact{put(t, d, "b/c/manifest.xml", "<m/>"), put(t, d, "a.zip", "PK"), put(t, d, "empty", "")}
	got := need.Value(d.Seal(t.Context(), claims))(t)
	var want []Sealed
	for _, c := range claims {
		want = append(want, Sealed{Name: c.Name, Path: d.rel + "/" + c.Name, Size: c.Size, SHA256: c.SHA256})
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
	for _, f := range got {
		file := need.Value(s.Path(f.Path))(t)
		info, err := os.Lstat(file)
		if err != nil || info.Mode() != 0o400 || info.Size() != f.Size {
			t.Errorf("%s: %v, %v; want a read-only file of %d bytes", f.Name, info.Mode(), err, f.Size)
		}
	}
	if err := s.Verify(t.Context(), got); err != nil {
		t.Errorf("Verify: %v", err)
	}
}

func TestSealRefusesWhatWasNotAgreed(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		spoil func(t *testing.T, d *Dir, claims []sdk.Artifact) []sdk.Artifact
		kind  failure.Kind
		want  failure.Reason
	}{
		"a symbolic link claimed": {func(t *testing.T, d *Dir, c []sdk.Artifact) []sdk.Artifact {
			need.Done(t, os.Symlink("a.zip", filepath.Join(d.Path(), "link")))
			return append(c, sdk.Artifact{Name: "link", Size: 2, SHA256: c[0].SHA256})
		}, failure.Internal, failure.Protocol},
		"a symbolic link to outside": {func(t *testing.T, d *Dir, c []sdk.Artifact) []sdk.Artifact {
			need.Done(t, os.Symlink("/etc", filepath.Join(d.Path(), "etc")))
			return append(c, sdk.Artifact{Name: "etc/passwd", Size: 2, SHA256: c[0].SHA256})
		}, failure.Internal, failure.Protocol},
		"a pipe": {func(t *testing.T, d *Dir, c []sdk.Artifact) []sdk.Artifact {
			need.Done(t, unix.Mkfifo(filepath.Join(d.Path(), "pipe"), 0o600))
			return append(c, sdk.Artifact{Name: "pipe", Size: 1})
		}, failure.Internal, failure.Protocol},
		"a socket": {func(t *testing.T, d *Dir, c []sdk.Artifact) []sdk.Artifact {
			need.Done(t, unix.Mknod(filepath.Join(d.Path(), "s"), unix.S_IFSOCK|0o600, 0))
			return c
		}, failure.Internal, failure.Protocol},
		"a second name within": {func(t *testing.T, d *Dir, c []sdk.Artifact) []sdk.Artifact {
			need.Done(t, os.Link(filepath.Join(d.Path(), "a.zip"), filepath.Join(d.Path(), "b.zip")))
			return append(c, sdk.Artifact{Name: "b.zip", Size: c[0].Size, SHA256: c[0].SHA256})
		}, failure.Internal, failure.Protocol},
		"a second name outside": {func(t *testing.T, d *Dir, c []sdk.Artifact) []sdk.Artifact {
			need.Done(t, os.Link(filepath.Join(d.Path(), "a.zip"), filepath.Join(t.TempDir(), "kept")))
			return c
		}, failure.Internal, failure.Protocol},
		"a file not named": {func(t *testing.T, d *Dir, c []sdk.Artifact) []sdk.Artifact {
			put(t, d, "sub/extra", "x")
			return c
		}, failure.Internal, failure.Protocol},
		"a name out of the directory": {func(_ *testing.T, _ *Dir, c []sdk.Artifact) []sdk.Artifact {
			return append(c, sdk.Artifact{Name: "../task.json", Size: 1})
		}, failure.Internal, failure.Protocol},
		"an absolute name": {func(_ *testing.T, _ *Dir, c []sdk.Artifact) []sdk.Artifact {
			return append(c, sdk.Artifact{Name: "/etc/passwd", Size: 1})
		}, failure.Internal, failure.Protocol},
		"named twice": {func(_ *testing.T, _ *Dir, c []sdk.Artifact) []sdk.Artifact {
			return append(c, c[0])
		}, failure.Internal, failure.Protocol},
		"a missing file": {func(_ *testing.T, _ *Dir, c []sdk.Artifact) []sdk.Artifact {
			return append(c, sdk.Artifact{Name: "gone.zip", Size: 1})
		}, failure.Internal, failure.MissingFile},
		"nothing at all": {func(t *testing.T, d *Dir, _ []sdk.Artifact) []sdk.Artifact {
			return nil
		}, failure.Internal, failure.MissingFile},
		"only empty files": {func(t *testing.T, d *Dir, _ []sdk.Artifact) []sdk.Artifact {
			return []sdk.Artifact{put(t, d, "a.zip", "")}
		}, failure.Corrupt, failure.EmptyFile},
		"another size": {func(_ *testing.T, _ *Dir, c []sdk.Artifact) []sdk.Artifact {
			c[0].Size++
			return c
		}, failure.Internal, failure.WrongSize},
		"another hash": {func(_ *testing.T, _ *Dir, c []sdk.Artifact) []sdk.Artifact {
			c[0].SHA256 = strings.Repeat("0", 64)
			return c
		}, failure.Internal, failure.WrongHash},
		"no hash": {func(_ *testing.T, _ *Dir, c []sdk.Artifact) []sdk.Artifact {
			c[0].SHA256 = ""
			return c
		}, failure.Internal, failure.WrongHash},
		"too deep": {func(t *testing.T, d *Dir, c []sdk.Artifact) []sdk.Artifact {
			return append(c, put(t, d, strings.Repeat("d/", maxDepth+1)+"f", "x"))
		}, failure.Internal, failure.Protocol},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := open(t)
			d := capture(t, s, "R", "task", "persisted")
			claims := tc.spoil(t, d, []sdk.Artifact{put(t, d, "a.zip", "PK")})
			got, err := d.Seal(t.Context(), claims)
			if err == nil {
				t.Fatalf("Seal took %v", got)
			}
			if f := failure.From(err); f.Kind != tc.kind || f.Reason != tc.want {
				t.Errorf("Seal = %s/%s (%v), want %s/%s", f.Kind, f.Reason, err, tc.kind, tc.want)
			}
			need.Done(t, d.Discard())
			if _, err := os.Lstat(d.Path()); !os.IsNotExist(err) {
				t.Errorf("after Discard: %v", err)
			}
		})
	}
}

func TestSealEndsWithItsContext(t *testing.T) {
	t.Parallel()
	d := capture(t, open(t), "R", "task", "persisted")
	claims := []sdk.Artifact{put(t, d, "a.zip", "PK")}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := d.Seal(ctx, claims); failure.From(err).Kind != failure.Cancelled {
		t.Errorf("Seal = %v, want cancelled", err)
	}
}

// TestFollowedFilesAreHashedRight writes large files in the ways that plugins
// may, slowly enough to be followed, and expects the true hash every time.
func TestFollowedFilesAreHashedRight(t *testing.T) {
	t.Parallel()
	content := make([]byte, 3*followFrom+12345)
	rand.Read(content)
	third := len(content) / 3
	for name, write := range map[string]func(t *testing.T, f *os.File, followed func()) error{
		"in order": func(_ *testing.T, f *os.File, followed func()) error {
			for i := 0; i < len(content); i += third {
				if _, err := f.Write(content[i:min(i+third, len(content))]); err != nil {
					return err
				}
				followed()
			}
			return nil
		},
		"the beginning last": func(_ *testing.T, f *os.File, followed func()) error {
			if _, err := f.WriteAt(content[third:], int64(third)); err != nil {
				return err
			}
			followed()
			_, err := f.WriteAt(content[:third], 0)
			return err
		},
		"over longer rubbish": func(_ *testing.T, f *os.File, followed func()) error {
			if _, err := f.Write(bytes.Repeat([]byte("rubbish "), len(content)/4)); err != nil {
				return err
			}
			followed()
			if err := f.Truncate(0); err != nil {
				return err
			}
			_, err := f.WriteAt(content, 0)
			return err
		},
		"under another name": func(t *testing.T, f *os.File, followed func()) error {
			if _, err := f.Write(content); err != nil {
				return err
			}
			followed()
			return os.Rename(f.Name(), filepath.Join(filepath.Dir(f.Name()), "a.zip"))
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := open(t)
			d := capture(t, s, "R", "task", "persisted")
			file := "a.zip"
			if name == "under another name" {
				file = ".a.zip.tmp"
			}
			f, err := os.Create(filepath.Join(d.Path(), file))
			need.Done(t, err)
			need.Done(t, write(t, f, func() { time.Sleep(4 * followEvery) }))
			need.Done(t, f.Close())
			got, err := d.Seal(t.Context(), []sdk.Artifact{claim("a.zip", content)})
			if err != nil {
				t.Fatal(err)
			}
			need.Done(t, s.Verify(t.Context(), got))
		})
	}
}

func TestAFollowedFileCannotHideAWrongClaim(t *testing.T) {
	t.Parallel()
	content := make([]byte, followFrom)
	d := capture(t, open(t), "R", "task", "persisted")
	c := put(t, d, "a.zip", string(content))
	time.Sleep(4 * followEvery)
	c.SHA256 = strings.Repeat("ab", 32)
	if _, err := d.Seal(t.Context(), []sdk.Artifact{c}); failure.From(err).Reason != failure.WrongHash {
		t.Errorf("Seal = %v, want wrong_hash", err)
	}
}

func TestAFileIsFollowedWhileItIsWritten(t *testing.T) {
	t.Parallel()
	d := capture(t, open(t), "R", "task", "persisted")
	put(t, d, "sub/a.zip", strings.Repeat("x", followFrom))
	put(t, d, "small", "x")
	time.Sleep(10 * followEvery)
	files := d.follower.end()
	defer closeAll(files)
	if len(files) != 1 || files[0].at != followFrom {
		t.Errorf("follows %d files, want the large one up to its end", len(files))
	}
}
