package lifecycle

import (
	"testing"

	"github.com/dprun/dprun/sdk"
	"github.com/dprun/dprun/sdk/failure"
)

func TestEveryReasonAndKindOfEveryCallHasACode(t *testing.T) {
	t.Parallel()
	mappings := map[string]struct {
		call failure.Call
		code func(*failure.Error) Code
	}{
		"inspect":               {failure.CallInspect, inspectCode},
		"probe":                 {failure.CallQuiesceState, deviceCode},
		"check":                 {failure.CallCheck, checkCode},
		"nfs destination":       {failure.CallCheckDestination, func(f *failure.Error) Code { return destinationCode("nfs", f) }},
		"other destination":     {failure.CallCheckDestination, func(f *failure.Error) Code { return destinationCode("", f) }},
		"capture persisted":     {failure.CallCapture, func(f *failure.Error) Code { return captureCode(sdk.VariantPersisted, f) }},
		"capture running":       {failure.CallCapture, func(f *failure.Error) Code { return captureCode(sdk.VariantRunning, f) }},
		"capture secure backup": {failure.CallCapture, func(f *failure.Error) Code { return captureCode(sdk.VariantSecureBackup, f) }},
		"store":                 {failure.CallStore, storeCode},
	}
	for name, m := range mappings {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, k := range failure.Kinds() {
				for _, r := range failure.Reasons(m.call) {
					c := m.code(&failure.Error{Kind: k, Reason: r})
					if e, ok := Lookup(c); !ok || !e.Final() {
						t.Errorf("%s, %s, %s: %s is not a code that a task can end in", m.call, k, r, c)
					}
				}
			}
		})
	}
}

// TestEveryFailedCaptureHasItsCode says for each variant, kind and reason which
// code it is.
func TestEveryFailedCaptureHasItsCode(t *testing.T) {
	t.Parallel()
	internal := FailedWithInternalException
	for variant, codes := range map[string]struct {
		save, other Code
		byReason    map[failure.Reason]Code
	}{
		sdk.VariantPersisted: {ExportPersistedSaveFileException, ExportPersistedSOMAError, map[failure.Reason]Code{failure.EmptyFile: ExportPersistedEmptyFile, failure.EmptyArchive: ExportPersistedEmptyFile}},
		sdk.VariantRunning:   {ExportNonPersistedSaveFile, ExportNonPersistedSOMAError, map[failure.Reason]Code{failure.EmptyFile: ExportNonPersistedEmptyFile, failure.EmptyArchive: ExportNonPersistedEmptyFile}},
		sdk.VariantSecureBackup: {SecureBackupSaveFileException, SecureBackupUnsuccessful, map[failure.Reason]Code{failure.EmptyFile: SecureBackupEmptyFile, failure.EmptyArchive: SecureBackupEmptyFile,
			failure.WrongHash: SecureBackupWrongFileHash, failure.WrongSize: SecureBackupWrongFileSize, failure.MissingFile: SecureBackupMissingFile}},
	} {
		for _, k := range failure.Kinds() {
			for _, r := range failure.Reasons(failure.CallCapture) {
				want, known := codes.byReason[r]
				switch {
				case r == failure.StagingIO:
					want = codes.save
				case r == failure.Crashed, r == failure.Protocol, k == failure.Internal:
					want = internal
				case known:
				case k == failure.NoSpace && r != failure.DeviceSpace:
					want = codes.save
				default:
					want = codes.other
				}
				if got := captureCode(variant, &failure.Error{Kind: k, Reason: r}); got != want {
					t.Errorf("%s, %s, %q: %s, want %s", variant, k, r, got, want)
				}
			}
		}
	}
}

func TestReasonsDecideBeforeKinds(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		got, want Code
	}{
		{captureCode(sdk.VariantPersisted, failure.New(failure.Corrupt, failure.EmptyFile, "x")), ExportPersistedEmptyFile},
		{captureCode(sdk.VariantRunning, failure.New(failure.Corrupt, failure.BadArchive, "x")), ExportNonPersistedSOMAError},
		{captureCode(sdk.VariantPersisted, failure.New(failure.NoSpace, failure.StagingIO, "x")), ExportPersistedSaveFileException},
		{captureCode(sdk.VariantPersisted, failure.New(failure.NoSpace, failure.DeviceSpace, "x")), ExportPersistedSOMAError},
		{captureCode(sdk.VariantSecureBackup, failure.New(failure.Corrupt, failure.WrongHash, "x")), SecureBackupWrongFileHash},
		{captureCode(sdk.VariantPersisted, failure.New(failure.Unavailable, failure.Crashed, "x")), FailedWithInternalException},
		{captureCode(sdk.VariantRunning, failure.New(failure.Corrupt, failure.Protocol, "x")), FailedWithInternalException},
		{captureCode(sdk.VariantSecureBackup, failure.New(failure.Internal, failure.WrongHash, "x")), FailedWithInternalException},
		{captureCode(sdk.VariantPersisted, failure.New(failure.Internal, failure.WrongSize, "x")), FailedWithInternalException},
		{captureCode(sdk.VariantPersisted, failure.New(failure.Internal, failure.EmptyFile, "x")), FailedWithInternalException},
		{captureCode(sdk.VariantPersisted, failure.New(failure.Internal, failure.StagingIO, "x")), ExportPersistedSaveFileException},
		{deviceCode(failure.New(failure.Unavailable, failure.Crashed, "x")), FailedWithInternalException},
		{destinationCode("nfs", failure.New(failure.NotFound, failure.NoDirectory, "x")), PreChecksNFSDirectoryNotFound},
		{destinationCode("nfs", failure.New(failure.Unavailable, failure.Unreachable, "x")), PreChecksDestinationNotReachable},
		{destinationCode("nfs", failure.New(failure.Denied, failure.NoAccess, "x")), PreChecksNFSDirectoryNotFound},
		{destinationCode("", failure.New(failure.NotFound, failure.NoDirectory, "x")), PreChecksDestinationNotFound},
		{destinationCode("", failure.New(failure.Precondition, failure.NotMounted, "x")), PreChecksDestinationNotFound},
		{destinationCode("", failure.New(failure.Timeout, failure.Unreachable, "x")), PreChecksDestinationNotReachable},
		{destinationCode("", failure.New(failure.Timeout, failure.Stalled, "x")), PreChecksDestinationNotReachable},
		{destinationCode("", failure.New(failure.Timeout, "", "x")), PreChecksDestinationNotReachable},
		{destinationCode("", failure.New(failure.Denied, failure.BadCredentials, "x")), PreChecksDestinationLoginRefused},
		{destinationCode("", failure.New(failure.Denied, failure.HostKey, "x")), PreChecksDestinationIdentity},
		{destinationCode("", failure.New(failure.Denied, failure.ReadOnly, "x")), PreChecksDestinationNotWritable},
		{destinationCode("", failure.New(failure.Denied, failure.NoAccess, "x")), PreChecksDestinationNotWritable},
		{destinationCode("", failure.New(failure.Precondition, failure.ModeNotKept, "x")), PreChecksDestinationNotUsable},
		{destinationCode("", failure.New(failure.Precondition, failure.Unsupported, "x")), PreChecksDestinationNotUsable},
		{destinationCode("", failure.New(failure.Precondition, failure.BadConfig, "x")), PreChecksDestinationNotUsable},
		{destinationCode("", failure.New(failure.Unavailable, failure.Crashed, "x")), PreChecksDestinationNotUsable},
		{destinationCode("", failure.New(failure.NoSpace, failure.OutOfSpace, "x")), PreChecksDestinationOutOfSpace},
		{deviceCode(failure.New(failure.Denied, failure.BadCertificate, "x")), PreChecksDeviceNotAvailable},
		{deviceCode(failure.New(failure.Denied, failure.BadCredentials, "x")), PreChecksCredentialRefused},
		{storeCode(failure.New(failure.Corrupt, failure.Mismatch, "x")), StoreVerificationError},
	} {
		if c.got != c.want {
			t.Errorf("got %s, want %s", c.got, c.want)
		}
	}
}
