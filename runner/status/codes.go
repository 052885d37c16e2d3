package status

// Code is a status code: an entry of the [Catalogue].
type Code string

// The 53 codes of the reference product's table, by their exact names.
const (
	WaitingForPreValidation          Code = "WAITING_FOR_PRE_VALIDATION"
	SkippedAPICDomain                Code = "SKIPPED_APIC_DOMAIN"
	SkippedDeviceNotAvailable        Code = "SKIPPED_DEVICE_NOT_AVAILABLE"
	SkippedNoDevicesMatchingPattern  Code = "SKIPPED_NO_DEVICES_MATCHING_PATTERN"
	DeviceNotInDRMode                Code = "DEVICE_NOT_IN_DR_MODE"
	NotEnoughFreeSpaceOnDevice       Code = "NOT_ENOUGH_FREE_SPACE_ON_DEVICE"
	CertDoesntExistOnDevice          Code = "CERT_DOESNT_EXIST_ON_DEVICE"
	SkippedBecauseErrorPolicy        Code = "SKIPPED_BECAUSE_ERROR_POLICY"
	CanceledBecauseErrorPolicy       Code = "EXECUTION_CANCELED_BECAUSE_ERROR_POLICY"
	PlanFailedPreScript              Code = "PLAN_FAILED_PRE_SCRIPT"
	CanceledBecauseADayPassed        Code = "EXECUTION_CANCELED_BECAUSE_A_DAY_PASSED"
	CanceledBecauseMaintenanceWindow Code = "EXECUTION_CANCELED_BECAUSE_MAINTENANCE_WINDOW"
	ReadyForExecution                Code = "READY_FOR_EXECUTION"
	SentToMDB                        Code = "SENT_TO_MDB"
	ExecutionStarted                 Code = "EXECUTION_STARTED"
	PreChecksStarted                 Code = "EXECUTION_PRE_CHECKS_STARTED"
	PreChecksFoundQuiescedDomain     Code = "EXECUTION_PRE_CHECKS_FOUND_QUIESCED_DOMAIN_IN_DEVICE"
	PreChecksDomainIsAlreadyQuiesced Code = "EXECUTION_PRE_CHECKS_DOMAIN_IS_ALREADY_QUIESCED"
	PreChecksNFSOutOfSpace           Code = "EXECUTION_PRE_CHECKS_NFS_OUT_OF_SPACE"
	PreChecksNFSDirectoryNotFound    Code = "EXECUTION_PRE_CHECKS_NFS_DIRECTORY_NOT_FOUND"
	PreChecksDeviceNotAvailable      Code = "EXECUTION_PRE_CHECKS_DEVICE_NOT_AVAILABLE"
	CheckManifestWaiting             Code = "EXECUTION_CHECK_MANIFEST_WAITING_FOR_ANOTHER_BACKUP"
	CheckManifestAnotherSecureBackup Code = "EXECUTION_CHECK_MANIFEST_ANOTHER_SECURE_BACKUP_IS_RUNNING_CHECK_DEVICE"
	WaitingForPreScript              Code = "EXECUTION_WAITING_FOR_PRE_SCRIPT"
	PreScriptError                   Code = "EXECUTION_PRE_SCRIPT_ERROR"
	QuiesceStarted                   Code = "EXECUTION_QUIESCE_STARTED"
	QuiesceWaiting                   Code = "EXECUTION_QUIESCE_WAITING_FOR_QUIESCE"
	QuiesceTimeoutOccurred           Code = "EXECUTION_QUIESCE_TIMEOUT_OCCURRED"
	ExportPersistedStarted           Code = "EXECUTION_EXPORT_DOMAIN_PERSISTED_STARTED"
	ExportNonPersistedStarted        Code = "EXECUTION_EXPORT_DOMAIN_NON_PERSISTED_STARTED"
	ExportPersistedSOMAError         Code = "EXECUTION_EXPORT_DOMAIN_PERSISTED_SOMA_ERROR"
	ExportNonPersistedSOMAError      Code = "EXECUTION_EXPORT_DOMAIN_NON_PERSISTED_SOMA_ERROR"
	ExportPersistedEmptyFile         Code = "EXECUTION_EXPORT_DOMAIN_PERSISTED_EMPTY_FILE"
	ExportNonPersistedEmptyFile      Code = "EXECUTION_EXPORT_DOMAIN_NON_PERSISTED_EMPTY_FILE"
	ExportPersistedSaveFileException Code = "EXECUTION_EXPORT_DOMAIN_PERSISTED_SAVEFILE_EXCEPTION"
	ExportNonPersistedSaveFile       Code = "EXECUTION_EXPORT_DOMAIN_NON_PERSISTED_SAVEFILE_EXCEPTION"
	ExportPersistedDone              Code = "EXECUTION_EXPORT_DOMAIN_PERSISTED_DONE"
	ExportNonPersistedDone           Code = "EXECUTION_EXPORT_DOMAIN_NON_PERSISTED_DONE"
	SecureBackupStarted              Code = "EXECUTION_SECURE_BACKUP_STARTED"
	SecureBackupUnsuccessful         Code = "EXECUTION_SECURE_BACKUP_UNSUCCESSFUL"
	SecureBackupWrongFileHash        Code = "EXECUTION_SECURE_BACKUP_WRONG_FILE_HASH"
	SecureBackupWrongFileSize        Code = "EXECUTION_SECURE_BACKUP_WRONG_FILE_SIZE"
	SecureBackupEmptyFile            Code = "EXECUTION_SECURE_BACKUP_EMPTY_FILE"
	UnquiesceStarted                 Code = "EXECUTION_UNQUIESCE_STARTED"
	UnquiesceOnErrorStarted          Code = "EXECUTION_UNQUIESCE_ON_ERROR_STARTED"
	UnquiesceWaiting                 Code = "EXECUTION_UNQUIESCE_WAITING_FOR_UNQUIESCE"
	UnquiesceOnErrorWaiting          Code = "EXECUTION_UNQUIESCE_ON_ERROR_WAITING_FOR_UNQUIESCE"
	UnquiesceTimeoutOccurred         Code = "EXECUTION_UNQUIESCE_TIMEOUT_OCCURRED"
	UnquiesceOnErrorTimeoutOccurred  Code = "EXECUTION_UNQUIESCE_ON_ERROR_TIMEOUT_OCCURRED"
	FailedWithInternalException      Code = "EXECUTION_FAILED_WITH_INTERNAL_EXCEPTION"
	FailedLongRunning                Code = "EXECUTION_FAILED_LONG_RUNNING"
	FailedNoFilesDownloaded          Code = "FAILED_NO_FILES_DOWNLOADED"
	Success                          Code = "SUCCESS"
)

// Our own task codes, in the table's style.
const (
	SkippedNoDomainsMatchingPattern  Code = "SKIPPED_NO_DOMAINS_MATCHING_PATTERN"
	SkippedCredentialRefused         Code = "SKIPPED_BECAUSE_CREDENTIAL_WAS_REFUSED"
	SkippedOtherDevice               Code = "SKIPPED_BECAUSE_IT_IS_ANOTHER_DEVICE"
	SkippedDeviceStillOwes           Code = "SKIPPED_BECAUSE_DEVICE_STILL_OWES"
	DomainVanished                   Code = "DOMAIN_DOESNT_EXIST_ON_DEVICE"
	PermissionMissingOnDevice        Code = "PERMISSION_IS_MISSING_ON_DEVICE"
	RoleUnknownOnDevice              Code = "ROLE_IS_UNKNOWN_ON_DEVICE"
	CertNotUsableOnDevice            Code = "CERT_IS_NOT_USABLE_ON_DEVICE"
	PlanFailedPreValidation          Code = "PLAN_FAILED_PRE_VALIDATION"
	CanceledByUser                   Code = "EXECUTION_CANCELED_BY_USER"
	CanceledDeviceDidNotReturn       Code = "EXECUTION_CANCELED_BECAUSE_A_DEVICE_DID_NOT_RETURN"
	CanceledQuiesceOnHold            Code = "EXECUTION_CANCELED_BECAUSE_QUIESCE_IS_ON_HOLD"
	CanceledJournalFailed            Code = "EXECUTION_CANCELED_BECAUSE_JOURNAL_FAILED"
	PreChecksCredentialRefused       Code = "EXECUTION_PRE_CHECKS_CREDENTIAL_WAS_REFUSED"
	PreChecksDeviceCheckFailed       Code = "EXECUTION_PRE_CHECKS_DEVICE_CHECK_FAILED"
	PreChecksDestinationOutOfSpace   Code = "EXECUTION_PRE_CHECKS_DESTINATION_OUT_OF_SPACE"
	PreChecksDestinationNotFound     Code = "EXECUTION_PRE_CHECKS_DESTINATION_DIRECTORY_NOT_FOUND"
	PreChecksDestinationNotReachable Code = "EXECUTION_PRE_CHECKS_DESTINATION_NOT_REACHABLE"
	PreChecksDestinationLoginRefused Code = "EXECUTION_PRE_CHECKS_DESTINATION_LOGIN_REFUSED"
	PreChecksDestinationIdentity     Code = "EXECUTION_PRE_CHECKS_DESTINATION_IDENTITY_NOT_TRUSTED"
	PreChecksDestinationNotWritable  Code = "EXECUTION_PRE_CHECKS_DESTINATION_NOT_WRITABLE"
	PreChecksDestinationNotUsable    Code = "EXECUTION_PRE_CHECKS_DESTINATION_NOT_USABLE"
	PreChecksInvalidPath             Code = "EXECUTION_PRE_CHECKS_DESTINATION_PATH_INVALID"
	WaitingForPermit                 Code = "EXECUTION_WAITING_FOR_QUIESCE_GUARD"
	PreChecksPeerNotInService        Code = "EXECUTION_PRE_CHECKS_PEER_IS_NOT_IN_SERVICE"
	PreChecksDeviceIsActive          Code = "EXECUTION_PRE_CHECKS_DEVICE_IS_ACTIVE_MEMBER"
	PreChecksAPIConnect              Code = "EXECUTION_PRE_CHECKS_DEVICE_HAS_API_CONNECT"
	WaitingForBeforeQuiesceScript    Code = "EXECUTION_WAITING_FOR_BEFORE_QUIESCE_SCRIPT"
	BeforeQuiesceScriptError         Code = "EXECUTION_BEFORE_QUIESCE_SCRIPT_ERROR"
	WaitingForAfterUnquiesceScript   Code = "EXECUTION_WAITING_FOR_AFTER_UNQUIESCE_SCRIPT"
	AfterUnquiesceScriptError        Code = "EXECUTION_AFTER_UNQUIESCE_SCRIPT_ERROR"
	PreChecksFoundQuiescedObject     Code = "EXECUTION_PRE_CHECKS_FOUND_QUIESCED_OBJECT"
	QuiesceError                     Code = "EXECUTION_QUIESCE_ERROR"
	SecureBackupMissingFile          Code = "EXECUTION_SECURE_BACKUP_MISSING_FILE"
	SecureBackupSaveFileException    Code = "EXECUTION_SECURE_BACKUP_SAVEFILE_EXCEPTION"
	SecureBackupDone                 Code = "EXECUTION_SECURE_BACKUP_DONE"
	UnquiesceWaitingForHealthy       Code = "EXECUTION_UNQUIESCE_WAITING_FOR_HEALTHY"
	UnquiesceNotHealthy              Code = "EXECUTION_UNQUIESCE_NOT_HEALTHY"
	UnquiesceDone                    Code = "EXECUTION_UNQUIESCE_DONE"
	StoreStarted                     Code = "EXECUTION_STORE_STARTED"
	StoreWaiting                     Code = "EXECUTION_STORE_WAITING_FOR_DESTINATION"
	StoreDone                        Code = "EXECUTION_STORE_DONE"
	StoreOutOfSpace                  Code = "EXECUTION_STORE_OUT_OF_SPACE"
	StoreVerificationError           Code = "EXECUTION_STORE_VERIFICATION_ERROR"
	StoreTimeoutOccurred             Code = "EXECUTION_STORE_TIMEOUT_OCCURRED"
	StoreError                       Code = "EXECUTION_STORE_ERROR"
	WaitingForPostScript             Code = "EXECUTION_WAITING_FOR_POST_SCRIPT"
	PostScriptError                  Code = "EXECUTION_POST_SCRIPT_ERROR"
	RecoveredNeverStarted            Code = "RECOVERED_TASK_NEVER_STARTED"
	RecoveredObligationsPaid         Code = "RECOVERED_OBLIGATIONS_PAID"
)

// Codes of runs: those that the reference documents for plans, and ours.
const (
	RunOutOfMaintenanceWindow Code = "PRE_VALIDATION_OUT_OF_MAINTENANCE_WINDOW"
	RunStoreIsNotMounted      Code = "PRE_VALIDATION_STORE_IS_NOT_MOUNTED"
	RunStoreOutOfSpace        Code = "PRE_VALIDATION_BACKUP_STORE_OUT_OF_SPACE"
	RunADayPassed             Code = "PREPROCESS_EXECUTION_SKIPPED_BECAUSE_A_DAY_PASSED"
	RunStarted                Code = "PLAN_STARTED"
	RunWaitingForPreScript    Code = "PLAN_WAITING_FOR_PRE_SCRIPT"
	RunWaitingForPostScript   Code = "PLAN_WAITING_FOR_POST_SCRIPT"
	RunPostScriptError        Code = "PLAN_POST_SCRIPT_ERROR"
	RunAllTasksSkipped        Code = "PLAN_ALL_TASKS_SKIPPED"
	RunFailed                 Code = "PLAN_FAILED"
	RunPartlyFailed           Code = "PLAN_PARTLY_FAILED"
	RunCanceledByUser         Code = "PLAN_CANCELED_BY_USER"
	RunInterrupted            Code = "PLAN_INTERRUPTED"
	RunDeviceStillQuiesced    Code = "PLAN_LEFT_A_DEVICE_QUIESCED"
	RunTrafficLedAway         Code = "PLAN_LEFT_TRAFFIC_LED_AWAY"
)

// phaseWords say what a task does in each phase.
var phaseWords = [...]string{
	"queued", "validating", "plan gate", "ready", "starting", "checking", "waiting for the device", "pre-script",
	"quiescing", "capturing", "unquiescing", "storing", "post-script", "finished",
}

// Doing says in words what a task does in the given phases. It ignores numbers that are
// not phases.
func Doing(phases ...int) []string {
	var names []string
	for _, n := range phases {
		if n >= 0 && n < len(phaseWords) {
			names = append(names, phaseWords[n])
		}
	}
	return names
}
