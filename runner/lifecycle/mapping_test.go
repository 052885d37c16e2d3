package lifecycle

import (
	"testing"

	"github.com/dprun/dprun/runner/status"
	"github.com/dprun/dprun/sdk"
	"github.com/dprun/dprun/sdk/failure"
)

func TestEveryReasonAndKindOfEveryCallHasACode(t *testing.T) {
	t.Parallel()
	mappings := map[string]struct {
		call failure.Call
		code func(*failure.Error) status.Code
	}{
		"inspect":               {failure.CallInspect, inspectCode},
		"probe":                 {failure.CallQuiesceState, deviceCode},
		"check":                 {failure.CallCheck, checkCode},
		"nfs destination":       {failure.CallCheckDestination, func(f *failure.Error) status.Code { return destinationCode("nfs", f) }},
		"other destination":     {failure.CallCheckDestination, func(f *failure.Error) status.Code { return destinationCode("", f) }},
		"capture persisted":     {failure.CallCapture, func(f *failure.Error) status.Code { return captureCode(sdk.VariantPersisted, f) }},
		"capture running":       {failure.CallCapture, func(f *failure.Error) status.Code { return captureCode(sdk.VariantRunning, f) }},
		"capture secure backup": {failure.CallCapture, func(f *failure.Error) status.Code { return captureCode(sdk.VariantSecureBackup, f) }},
		"store":                 {failure.CallStore, storeCode},
	}
	for name, m := range mappings {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, k := range failure.Kinds() {
				for _, r := range failure.Reasons(m.call) {
					c := m.code(&failure.Error{Kind: k, Reason: r})
					if e, ok := status.Lookup(c); !ok || !e.Final() {
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
	internal := status.FailedWithInternalException
	for variant, codes := range map[string]struct {
		save, other status.Code
		byReason    map[failure.Reason]status.Code
	}{
		sdk.VariantPersisted: {status.ExportPersistedSaveFileException, status.ExportPersistedSOMAError, map[failure.Reason]status.Code{failure.EmptyFile: status.ExportPersistedEmptyFile, failure.EmptyArchive: status.ExportPersistedEmptyFile}},
		sdk.VariantRunning:   {status.ExportNonPersistedSaveFile, status.ExportNonPersistedSOMAError, map[failure.Reason]status.Code{failure.EmptyFile: status.ExportNonPersistedEmptyFile, failure.EmptyArchive: status.ExportNonPersistedEmptyFile}},
		sdk.VariantSecureBackup: {status.SecureBackupSaveFileException, status.SecureBackupUnsuccessful, map[failure.Reason]status.Code{failure.EmptyFile: status.SecureBackupEmptyFile, failure.EmptyArchive: status.SecureBackupEmptyFile,
			failure.WrongHash: status.SecureBackupWrongFileHash, failure.WrongSize: status.SecureBackupWrongFileSize, failure.MissingFile: status.SecureBackupMissingFile}},
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
		got, want status.Code
	}{
		{captureCode(sdk.VariantPersisted, failure.New(failure.Corrupt, failure.EmptyFile, "x")), status.ExportPersistedEmptyFile},
		{captureCode(sdk.VariantRunning, failure.New(failure.Corrupt, failure.BadArchive, "x")), status.ExportNonPersistedSOMAError},
		{captureCode(sdk.VariantPersisted, failure.New(failure.NoSpace, failure.StagingIO, "x")), status.ExportPersistedSaveFileException},
		{captureCode(sdk.VariantPersisted, failure.New(failure.NoSpace, failure.DeviceSpace, "x")), status.ExportPersistedSOMAError},
		{captureCode(sdk.VariantSecureBackup, failure.New(failure.Corrupt, failure.WrongHash, "x")), status.SecureBackupWrongFileHash},
		{captureCode(sdk.VariantPersisted, failure.New(failure.Unavailable, failure.Crashed, "x")), status.FailedWithInternalException},
		{captureCode(sdk.VariantRunning, failure.New(failure.Corrupt, failure.Protocol, "x")), status.FailedWithInternalException},
		{captureCode(sdk.VariantSecureBackup, failure.New(failure.Internal, failure.WrongHash, "x")), status.FailedWithInternalException},
		{captureCode(sdk.VariantPersisted, failure.New(failure.Internal, failure.WrongSize, "x")), status.FailedWithInternalException},
		{captureCode(sdk.VariantPersisted, failure.New(failure.Internal, failure.EmptyFile, "x")), status.FailedWithInternalException},
		{captureCode(sdk.VariantPersisted, failure.New(failure.Internal, failure.StagingIO, "x")), status.ExportPersistedSaveFileException},
		{deviceCode(failure.New(failure.Unavailable, failure.Crashed, "x")), status.FailedWithInternalException},
		{destinationCode("nfs", failure.New(failure.NotFound, failure.NoDirectory, "x")), status.PreChecksNFSDirectoryNotFound},
		{destinationCode("nfs", failure.New(failure.Unavailable, failure.Unreachable, "x")), status.PreChecksDestinationNotReachable},
		{destinationCode("nfs", failure.New(failure.Denied, failure.NoAccess, "x")), status.PreChecksNFSDirectoryNotFound},
		{destinationCode("", failure.New(failure.NotFound, failure.NoDirectory, "x")), status.PreChecksDestinationNotFound},
		{destinationCode("", failure.New(failure.Precondition, failure.NotMounted, "x")), status.PreChecksDestinationNotFound},
		{destinationCode("", failure.New(failure.Timeout, failure.Unreachable, "x")), status.PreChecksDestinationNotReachable},
		{destinationCode("", failure.New(failure.Timeout, failure.Stalled, "x")), status.PreChecksDestinationNotReachable},
		{destinationCode("", failure.New(failure.Timeout, "", "x")), status.PreChecksDestinationNotReachable},
		{destinationCode("", failure.New(failure.Denied, failure.BadCredentials, "x")), status.PreChecksDestinationLoginRefused},
		{destinationCode("", failure.New(failure.Denied, failure.HostKey, "x")), status.PreChecksDestinationIdentity},
		{destinationCode("", failure.New(failure.Denied, failure.ReadOnly, "x")), status.PreChecksDestinationNotWritable},
		{destinationCode("", failure.New(failure.Denied, failure.NoAccess, "x")), status.PreChecksDestinationNotWritable},
		{destinationCode("", failure.New(failure.Precondition, failure.ModeNotKept, "x")), status.PreChecksDestinationNotUsable},
		{destinationCode("", failure.New(failure.Precondition, failure.Unsupported, "x")), status.PreChecksDestinationNotUsable},
		{destinationCode("", failure.New(failure.Precondition, failure.BadConfig, "x")), status.PreChecksDestinationNotUsable},
		{destinationCode("", failure.New(failure.Unavailable, failure.Crashed, "x")), status.PreChecksDestinationNotUsable},
		{destinationCode("", failure.New(failure.NoSpace, failure.OutOfSpace, "x")), status.PreChecksDestinationOutOfSpace},
		{deviceCode(failure.New(failure.Denied, failure.BadCertificate, "x")), status.PreChecksDeviceNotAvailable},
		{deviceCode(failure.New(failure.Denied, failure.BadCredentials, "x")), status.PreChecksCredentialRefused},
		{storeCode(failure.New(failure.Corrupt, failure.Mismatch, "x")), status.StoreVerificationError},
	} {
		if c.got != c.want {
			t.Errorf("got %s, want %s", c.got, c.want)
		}
	}
}
