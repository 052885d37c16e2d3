package execute

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"

	"github.com/dprun/dprun/plan/recipient"
	"github.com/dprun/dprun/runner/backups"
	"github.com/dprun/dprun/runner/cipher"
	"github.com/dprun/dprun/runner/engine"
	"github.com/dprun/dprun/runner/event"
	"github.com/dprun/dprun/runner/staging"
	"github.com/dprun/dprun/sdk"
	"github.com/dprun/dprun/sdk/failure"
)

// Encryption is random: encrypting a file again gives other bytes, which would
// collide at the destination with those of an earlier attempt. So each file is
// encrypted once for each set of recipients. Before any of it is stored, the
// result is made durable in staging, with an index. Every destination with these
// recipients sends these bytes, and so does every later attempt, also of a
// process that recovers the run.

// indexName is the index of a directory of encrypted files. It is durable when they are.
const indexName = "index.json"

// encrypted is a file that is staged encrypted.
type encrypted struct {
	Plain  backups.File `json:"plain"`  // as it was captured
	Sealed backups.File `json:"sealed"` // as it is stored
	Staged string       `json:"-"`      // relative to the staging directory
}

// artifacts are the files of a variant as they are stored at the action's destination.
func (x *Executor) artifacts(ctx context.Context, j engine.Job, c event.Captured) ([]event.Artifact, error) {
	if len(recipientsOf(j)) == 0 {
		return c.Artifacts, nil
	}
	plain := false // for every set of recipients, so that the plain files can go
	var files []encrypted
	for _, d := range j.Task.Destinations {
		if len(d.Recipients) == 0 {
			plain = true
			continue
		}
		some, err := x.encryptedFor(ctx, j, c, d.Recipients, true)
		if err != nil {
			return nil, err
		}
		if d.Name == j.Action.Destination {
			files = some
		}
	}
	if !plain {
		var staged []string
		for _, a := range c.Artifacts {
			staged = append(staged, a.Staged)
		}
		if err := x.Staging.Drop(staged...); err != nil {
			return nil, stagingFailure(err)
		}
	}
	out := make([]event.Artifact, len(files))
	for i, f := range files {
		out[i] = event.Artifact{Name: c.Artifacts[i].Name, Staged: f.Staged, File: f.Sealed.File, Size: f.Sealed.Size, SHA256: f.Sealed.SHA256}
	}
	return out, nil
}

// listed are the files of a variant as the manifest at the action's destination lists them.
func (x *Executor) listed(ctx context.Context, j engine.Job, c event.Captured) (out []backups.File, err error) {
	if len(recipientsOf(j)) == 0 {
		for _, a := range c.Artifacts {
			out = append(out, backups.File{File: a.File, Variant: c.Variant, Size: a.Size, SHA256: a.SHA256})
		}
		return out, nil
	}
	files, err := x.encryptedFor(ctx, j, c, recipientsOf(j), false)
	for _, f := range files {
		out = append(out, f.Sealed)
	}
	return out, err
}

// recipientsOf returns the recipients of the action's destination; nil: files
// are stored in plain.
func recipientsOf(j engine.Job) []string {
	for _, d := range j.Task.Destinations {
		if d.Name == j.Action.Destination {
			return d.Recipients
		}
	}
	return nil
}

// encryptedFor returns the encrypted files of a variant. It encrypts them if
// they were not encrypted before and if it may.
func (x *Executor) encryptedFor(ctx context.Context, j engine.Job, c event.Captured, recipients []string, may bool) ([]encrypted, error) {
	set, err := recipient.ParseSet(recipients)
	if err != nil {
		return nil, failure.New(failure.Precondition, failure.BadConfig, "destination %s: %w", j.Action.Destination, err)
	}
	variant := "age-" + set.Key() + "-" + c.Variant
	i, err := once(ctx, &x.mu, x.encrypted, j.Task.ID+"\x00"+variant, func(i *instance[[]encrypted]) error {
		found, err := x.encryptedBefore(ctx, j, c, variant)
		if err == nil && found == nil && may {
			found, err = x.encrypt(ctx, j, c, set, variant)
		}
		if err == nil && found == nil {
			err = failure.New(failure.NotFound, failure.SourceIO, "what was encrypted of %s is not in staging any more", c.Variant)
		}
		i.value = found
		return err
	})
	if err != nil {
		return nil, err
	}
	return i.value, nil
}

// encryptedBefore finds what an earlier process has encrypted and made durable.
// An incomplete result was not stored anywhere.
func (x *Executor) encryptedBefore(ctx context.Context, j engine.Job, c event.Captured, variant string) ([]encrypted, error) {
	dirs, err := x.Staging.Attempts(x.Run, j.Task.ID, variant)
	if err != nil {
		return nil, stagingFailure(err)
	}
	for _, dir := range dirs {
		name, err := x.Staging.Path(path.Join(dir, indexName))
		if err != nil {
			return nil, stagingFailure(err)
		}
		var files []encrypted
		body, err := os.ReadFile(name)
		if err != nil || json.Unmarshal(body, &files) != nil || !encrypts(files, c) {
			continue
		}
		var sealed []staging.Sealed
		for i := range files {
			files[i].Staged = path.Join(dir, strconv.Itoa(i)+backups.AgeSuffix)
			sealed = append(sealed, staging.Sealed{Path: files[i].Staged, Size: files[i].Sealed.Size, SHA256: files[i].Sealed.SHA256})
		}
		err = x.Staging.Verify(ctx, sealed)
		if ctx.Err() != nil {
			return nil, failure.From(ctx.Err())
		}
		if err == nil {
			return files, nil
		}
	}
	return nil, nil
}

// encrypts reports whether files are those that were captured.
func encrypts(files []encrypted, c event.Captured) bool {
	return slices.EqualFunc(files, c.Artifacts, func(f encrypted, a event.Artifact) bool {
		return f.Plain.File == a.File && f.Plain.Size == a.Size && f.Plain.SHA256 == a.SHA256
	})
}

// encrypt encrypts the files of a variant into staging, where they stay.
func (x *Executor) encrypt(ctx context.Context, j engine.Job, c event.Captured, set recipient.Set, variant string) ([]encrypted, error) {
	var need int64
	for _, a := range c.Artifacts {
		need += cipher.Most(a.Size, len(set))
	}
	budget, err := x.Staging.Budget(0)
	if err != nil {
		return nil, noRoomToEncrypt(err)
	}
	if budget.Most < need {
		return nil, noRoomToEncrypt(failure.New(failure.NoSpace, failure.StagingIO, "%d bytes are needed, and %d may be written: %s", need, budget.Most, budget.Why).
			WithRemedy("make room in the state directory, for example with `dprun runs prune`"))
	}
	dir, err := x.Staging.Capture(x.Run, j.Task.ID, variant)
	if err != nil {
		return nil, noRoomToEncrypt(err)
	}
	bound, end := dir.Bound(ctx, budget)
	files, claims, err := x.encryptInto(bound, dir.Path(), c, set)
	end()
	var sealed []staging.Sealed
	if err == nil {
		sealed, err = dir.Seal(ctx, claims)
	}
	if err != nil {
		_ = dir.Discard()
		return nil, noRoomToEncrypt(err)
	}
	for i := range files {
		files[i].Staged = sealed[i].Path
	}
	return files, nil
}

// noRoomToEncrypt returns why files could not be encrypted. Staging gets room
// when other tasks are done.
func noRoomToEncrypt(err error) error {
	f := *failure.From(err)
	if f.Kind == failure.NoSpace {
		f.Kind = failure.Unavailable
	}
	if f.Reason == failure.StagingIO {
		f.Reason = failure.SourceIO
	}
	f.Message = "encrypt in staging: " + f.Message
	return &f
}

// encryptInto encrypts the files of a variant into a directory, and writes its index.
func (x *Executor) encryptInto(ctx context.Context, dir string, c event.Captured, set recipient.Set) (files []encrypted, claims []sdk.Artifact, err error) {
	for i, a := range c.Artifacts {
		name := strconv.Itoa(i) + backups.AgeSuffix
		sealed, err := x.encryptFile(ctx, filepath.Join(dir, name), a, set)
		if err != nil {
			return nil, nil, err
		}
		files = append(files, encrypted{
			Plain: backups.File{File: a.File, Variant: c.Variant, Size: a.Size, SHA256: a.SHA256},
			Sealed: backups.File{File: a.File + backups.AgeSuffix, Variant: c.Variant, Size: sealed.Size, SHA256: sealed.SHA256,
				Encrypted: &backups.Encrypted{Recipients: set.Fingerprints()}, Plain: &backups.Content{Size: a.Size, SHA256: a.SHA256}},
		})
		claims = append(claims, sdk.Artifact{Name: name, Size: sealed.Size, SHA256: sealed.SHA256})
	}
	body, err := json.Marshal(files)
	if err != nil {
		return nil, nil, err
	}
	if err := os.WriteFile(filepath.Join(dir, indexName), body, 0o600); err != nil {
		return nil, nil, failure.New(failure.Unavailable, failure.SourceIO, "write the index: %w", err)
	}
	return files, append(claims, sdk.Artifact{Name: indexName, Size: int64(len(body)), SHA256: hashOf(body)}), nil
}

func hashOf(body []byte) string {
	sum := sha256.Sum256(body)
	return hex.EncodeToString(sum[:])
}

// encryptFile encrypts one staged file, and makes sure that it is still the one that was captured.
func (x *Executor) encryptFile(ctx context.Context, to string, a event.Artifact, set recipient.Set) (sealed backups.Content, err error) {
	source, err := x.Staging.Path(a.Staged)
	if err != nil {
		return sealed, failure.New(failure.NotFound, failure.SourceIO, "staged file %s: %w", a.Staged, err)
	}
	from, err := os.Open(source)
	if err != nil {
		return sealed, failure.New(failure.NotFound, failure.SourceIO, "staged file %s: %w", a.Staged, err)
	}
	defer from.Close() //nolint:errcheck // it was only read
	out, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return sealed, failure.New(failure.Unavailable, failure.SourceIO, "%w", err)
	}
	plain, sealed, err := cipher.Encrypt(ctx, out, from, set)
	if closed := out.Close(); err == nil {
		err = closed
	}
	switch {
	case context.Cause(ctx) != nil:
		return sealed, failure.From(context.Cause(ctx))
	case err != nil:
		return sealed, failure.New(failure.Unavailable, failure.SourceIO, "staged file %s: %w", a.Staged, err)
	case plain.Size != a.Size || plain.SHA256 != a.SHA256:
		return sealed, failure.New(failure.Corrupt, failure.SourceIO, "staged file %s has %d bytes and SHA-256 %s, and had %d and %s when it was captured", a.Staged, plain.Size, plain.SHA256, a.Size, a.SHA256).
			WithRemedy("look at the disk of the state directory, and run the plan again")
	}
	return sealed, nil
}
