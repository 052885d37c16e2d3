package lifecycle

import (
	"github.com/dprun/dprun/sdk"
	"github.com/dprun/dprun/sdk/failure"
)

// familyNFS is the destination family to which the …_NFS_… codes belong.
const familyNFS = "nfs"

// deviceCode maps a failure to reach a device before its lock.
func deviceCode(f *failure.Error) Code {
	switch {
	case credentialRefused(f):
		return PreChecksCredentialRefused
	case f.Reason == failure.UnknownDomain:
		return DomainVanished
	case f.Reason == failure.NotPermitted:
		return PermissionMissingOnDevice
	case pluginFault(f):
		return FailedWithInternalException
	}
	return PreChecksDeviceNotAvailable
}

// checkCode maps a failed device check.
func checkCode(f *failure.Error) Code {
	switch f.Reason {
	case failure.NotDRMode, failure.Unsupported:
		return DeviceNotInDRMode
	case failure.NoCertificate:
		return CertDoesntExistOnDevice
	case failure.CertificateDown:
		return CertNotUsableOnDevice
	case failure.DeviceSpace:
		return NotEnoughFreeSpaceOnDevice
	case failure.ForeignBackup:
		return CheckManifestAnotherSecureBackup
	case failure.AlreadyQuiesced:
		return PreChecksDomainIsAlreadyQuiesced
	case failure.UnsavedChanges, failure.DeviceBusy:
		return PreChecksDeviceCheckFailed
	}
	return deviceCode(f)
}

// destinationCode maps a failed destination pre-check.
func destinationCode(family string, f *failure.Error) Code {
	space := f.Reason == failure.OutOfSpace || f.Kind == failure.NoSpace
	missing := f.Reason == failure.NoDirectory || f.Reason == failure.NotMounted || f.Kind == failure.NotFound
	switch {
	case family == familyNFS && space:
		return PreChecksNFSOutOfSpace
	case space:
		return PreChecksDestinationOutOfSpace
	case f.Reason == failure.BadCredentials:
		return PreChecksDestinationLoginRefused
	case f.Reason == failure.HostKey:
		return PreChecksDestinationIdentity
	case family == familyNFS && (missing || f.Reason == failure.NoAccess): // an export that is not there is refused like one that is not for this client
		return PreChecksNFSDirectoryNotFound
	case missing:
		return PreChecksDestinationNotFound
	case f.Reason == failure.ReadOnly, f.Reason == failure.NoAccess:
		return PreChecksDestinationNotWritable
	case f.Reason == failure.Unreachable, f.Reason == failure.Stalled, f.Kind == failure.Timeout,
		f.Kind == failure.Unavailable && f.Reason == "":
		return PreChecksDestinationNotReachable
	}
	return PreChecksDestinationNotUsable
}

// captureCode maps a failed capture of a variant. What the device delivered
// has codes of its own where the table knows them: an export that is damaged is
// an error of its management interface, a file of a secure backup is told by
// what is wrong with it. A plugin that is wrong about its own files (it named
// one that is not there, or another size or hash than is measured) breaks the
// protocol, whatever was captured: no table's code says that of a device.
func captureCode(variant string, f *failure.Error) Code {
	type codes struct{ empty, save, other Code }
	c := codes{ExportPersistedEmptyFile, ExportPersistedSaveFileException, ExportPersistedSOMAError}
	switch variant {
	case sdk.VariantRunning:
		c = codes{ExportNonPersistedEmptyFile, ExportNonPersistedSaveFile, ExportNonPersistedSOMAError}
	case sdk.VariantSecureBackup:
		c = codes{SecureBackupEmptyFile, SecureBackupSaveFileException, SecureBackupUnsuccessful}
	}
	switch {
	case f.Reason == failure.StagingIO: // of the kind internal too
		return c.save
	case pluginFault(f):
		return FailedWithInternalException
	case f.Reason == failure.EmptyFile, f.Reason == failure.EmptyArchive:
		return c.empty
	case variant == sdk.VariantSecureBackup && f.Reason == failure.WrongHash:
		return SecureBackupWrongFileHash
	case variant == sdk.VariantSecureBackup && f.Reason == failure.WrongSize:
		return SecureBackupWrongFileSize
	case variant == sdk.VariantSecureBackup && f.Reason == failure.MissingFile:
		return SecureBackupMissingFile
	case f.Kind == failure.NoSpace && f.Reason != failure.DeviceSpace:
		return c.save
	}
	return c.other
}

// pluginFault tells a fault of a plugin or the host (a process that died, a
// broken protocol) from one of the device.
func pluginFault(f *failure.Error) bool {
	return f.Kind == failure.Internal || f.Reason == failure.Crashed || f.Reason == failure.Protocol
}

// storeCode maps a failed store.
func storeCode(f *failure.Error) Code {
	switch {
	case f.Reason == failure.OutOfSpace, f.Kind == failure.NoSpace:
		return StoreOutOfSpace
	case f.Reason == failure.Mismatch, f.Kind == failure.Corrupt:
		return StoreVerificationError
	}
	return StoreError
}

// inspectCode maps a failed inspection: the device's tasks do not execute.
func inspectCode(f *failure.Error) Code {
	switch {
	case credentialRefused(f):
		return SkippedCredentialRefused
	case f.Reason == failure.NotPermitted:
		return PermissionMissingOnDevice
	}
	return SkippedDeviceNotAvailable
}

// unreadCode maps why a fact that a quiesce depends on could not be read.
func unreadCode(f *failure.Error) Code {
	if f.Reason == failure.NotPermitted {
		return PermissionMissingOnDevice
	}
	return RoleUnknownOnDevice
}

// credentialRefused tells a refused login from a refused certificate or operation.
func credentialRefused(f *failure.Error) bool {
	return f.Reason == failure.BadCredentials || f.Kind == failure.Denied && f.Reason == ""
}
