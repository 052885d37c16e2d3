package lifecycle

import (
	"github.com/dprun/dprun/runner/status"
	"github.com/dprun/dprun/sdk"
	"github.com/dprun/dprun/sdk/failure"
)

// familyNFS is the destination family to which the …_NFS_… codes belong.
const familyNFS = "nfs"

// deviceCode maps a failure to reach a device before its lock.
func deviceCode(f *failure.Error) status.Code {
	switch {
	case credentialRefused(f):
		return status.PreChecksCredentialRefused
	case f.Reason == failure.UnknownDomain:
		return status.DomainVanished
	case f.Reason == failure.NotPermitted:
		return status.PermissionMissingOnDevice
	case pluginFault(f):
		return status.FailedWithInternalException
	}
	return status.PreChecksDeviceNotAvailable
}

// checkCode maps a failed device check.
func checkCode(f *failure.Error) status.Code {
	switch f.Reason {
	case failure.NotDRMode, failure.Unsupported:
		return status.DeviceNotInDRMode
	case failure.NoCertificate:
		return status.CertDoesntExistOnDevice
	case failure.CertificateDown:
		return status.CertNotUsableOnDevice
	case failure.DeviceSpace:
		return status.NotEnoughFreeSpaceOnDevice
	case failure.ForeignBackup:
		return status.CheckManifestAnotherSecureBackup
	case failure.AlreadyQuiesced:
		return status.PreChecksDomainIsAlreadyQuiesced
	case failure.UnsavedChanges, failure.DeviceBusy:
		return status.PreChecksDeviceCheckFailed
	}
	return deviceCode(f)
}

// destinationCode maps a failed destination pre-check.
func destinationCode(family string, f *failure.Error) status.Code {
	space := f.Reason == failure.OutOfSpace || f.Kind == failure.NoSpace
	missing := f.Reason == failure.NoDirectory || f.Reason == failure.NotMounted || f.Kind == failure.NotFound
	switch {
	case family == familyNFS && space:
		return status.PreChecksNFSOutOfSpace
	case space:
		return status.PreChecksDestinationOutOfSpace
	case f.Reason == failure.BadCredentials:
		return status.PreChecksDestinationLoginRefused
	case f.Reason == failure.HostKey:
		return status.PreChecksDestinationIdentity
	case family == familyNFS && (missing || f.Reason == failure.NoAccess): // an export that is not there is refused like one that is not for this client
		return status.PreChecksNFSDirectoryNotFound
	case missing:
		return status.PreChecksDestinationNotFound
	case f.Reason == failure.ReadOnly, f.Reason == failure.NoAccess:
		return status.PreChecksDestinationNotWritable
	case f.Reason == failure.Unreachable, f.Reason == failure.Stalled, f.Kind == failure.Timeout,
		f.Kind == failure.Unavailable && f.Reason == "":
		return status.PreChecksDestinationNotReachable
	}
	return status.PreChecksDestinationNotUsable
}

// captureCode maps a failed capture of a variant. The table has codes for what
// the device delivered: a damaged export is an error of its management
// interface, and a file of a secure backup has codes for what is wrong with it.
// A plugin that is wrong about its own files (it named one that does not exist,
// or another size or hash than is measured) breaks the protocol. No code of the
// table says that about a device.
func captureCode(variant string, f *failure.Error) status.Code {
	type codes struct{ empty, save, other status.Code }
	c := codes{status.ExportPersistedEmptyFile, status.ExportPersistedSaveFileException, status.ExportPersistedSOMAError}
	switch variant {
	case sdk.VariantRunning:
		c = codes{status.ExportNonPersistedEmptyFile, status.ExportNonPersistedSaveFile, status.ExportNonPersistedSOMAError}
	case sdk.VariantSecureBackup:
		c = codes{status.SecureBackupEmptyFile, status.SecureBackupSaveFileException, status.SecureBackupUnsuccessful}
	}
	switch {
	case f.Reason == failure.StagingIO: // of the kind internal too
		return c.save
	case pluginFault(f):
		return status.FailedWithInternalException
	case f.Reason == failure.EmptyFile, f.Reason == failure.EmptyArchive:
		return c.empty
	case variant == sdk.VariantSecureBackup && f.Reason == failure.WrongHash:
		return status.SecureBackupWrongFileHash
	case variant == sdk.VariantSecureBackup && f.Reason == failure.WrongSize:
		return status.SecureBackupWrongFileSize
	case variant == sdk.VariantSecureBackup && f.Reason == failure.MissingFile:
		return status.SecureBackupMissingFile
	case f.Kind == failure.NoSpace && f.Reason != failure.DeviceSpace:
		return c.save
	}
	return c.other
}

// pluginFault reports whether a failure is the fault of a plugin or the host (a
// process that died, a broken protocol), and not of the device.
func pluginFault(f *failure.Error) bool {
	return f.Kind == failure.Internal || f.Reason == failure.Crashed || f.Reason == failure.Protocol
}

// storeCode maps a failed store.
func storeCode(f *failure.Error) status.Code {
	switch {
	case f.Reason == failure.OutOfSpace, f.Kind == failure.NoSpace:
		return status.StoreOutOfSpace
	case f.Reason == failure.Mismatch, f.Kind == failure.Corrupt:
		return status.StoreVerificationError
	}
	return status.StoreError
}

// inspectCode maps a failed inspection: the device's tasks do not execute.
func inspectCode(f *failure.Error) status.Code {
	switch {
	case credentialRefused(f):
		return status.SkippedCredentialRefused
	case f.Reason == failure.NotPermitted:
		return status.PermissionMissingOnDevice
	case f.Reason == failure.OtherDevice:
		return status.SkippedOtherDevice
	}
	return status.SkippedDeviceNotAvailable
}

// unreadCode maps the failure to read a fact that a quiesce depends on.
func unreadCode(f *failure.Error) status.Code {
	if f.Reason == failure.NotPermitted {
		return status.PermissionMissingOnDevice
	}
	return status.RoleUnknownOnDevice
}

// credentialRefused tells a refused login from a refused certificate or operation.
func credentialRefused(f *failure.Error) bool {
	return f.Reason == failure.BadCredentials || f.Kind == failure.Denied && f.Reason == ""
}
