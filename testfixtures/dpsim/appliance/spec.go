package appliance

// Spec describes a gateway as a scenario file or a test writes it. Sizes are
// texts such as "64KB", "2MB" (powers of ten) or "2MiB" (powers of two);
// times are Go durations. Everything but the name may be left out.
type Spec struct {
	Name string `hcl:"name,label"`
	// Count makes that many gateways, named NAME-1, NAME-2, …
	Count    int    `hcl:"count,optional"`
	Firmware string `hcl:"firmware,optional"` // a profile: XI50.6, IDG.7.5, IDG.2018.4.1, IDG.10.0.1 (default), IDG.10.5
	Platform string `hcl:"platform,optional"` // hardware (default), virtual, software (container)
	Serial   string `hcl:"serial,optional"`
	// SystemName is what the gateway calls itself, where that is not its name
	// here; it may hold blanks, slashes, colons and apostrophes.
	SystemName string `hcl:"system_name,optional"`
	Username   string `hcl:"username,optional"` // default "admin"
	Password   string `hcl:"password,optional"` // default "dpsim-NAME"
	// Access is the account's access profile, a line each, such as
	// "*/*/status/domain-status?Access=r". None: the account may do everything.
	Access []string `hcl:"access,optional"`
	// ClockAhead is how far the gateway's clock is ahead of the simulated time.
	ClockAhead string `hcl:"clock_ahead,optional"`
	// BackupMode is "secure" (default) or "normal".
	BackupMode string `hcl:"backup_mode,optional"`
	// Timezone is the numeric offset of the gateway's time stamps; default "-05:00".
	Timezone string `hcl:"timezone,optional"`
	// LegacyWhitespace pads OK results whatever the firmware.
	LegacyWhitespace bool `hcl:"legacy_whitespace,optional"`
	// TLS is valid (default), ending (within ten days), expired, wrong_host or
	// untrusted (another authority than the published one).
	TLS  string `hcl:"tls,optional"`
	Down bool   `hcl:"down,optional"` // starts with its listener closed
	// Address is the gateway's own address in its failover groups; the fleet
	// gives every gateway one.
	Address string `hcl:"address,optional"`
	// HostAliases are names for addresses.
	HostAliases map[string]string `hcl:"host_aliases,optional"`

	// AppDomains makes that many application domains, app01 …
	AppDomains int    `hcl:"domains,optional"`
	ExportSize string `hcl:"export_size,optional"` // of every domain's archive; default "64KB"

	TotalTemporary string `hcl:"total_temporary,optional"` // default "4000MB"
	FreeTemporary  string `hcl:"free_temporary,optional"`  // before anything is written; default 3/4 of it
	TotalInternal  string `hcl:"total_internal,optional"`
	FreeInternal   string `hcl:"free_internal,optional"`
	TotalEncrypted string `hcl:"total_encrypted,optional"`
	FreeEncrypted  string `hcl:"free_encrypted,optional"`

	CPUPercent    int `hcl:"cpu_percent,optional"`
	LoadPercent   int `hcl:"load_percent,optional"`
	MemoryPercent int `hcl:"memory_percent,optional"` // used; default 34

	// TempFSThrottle is the gateway's own limit: with less of temporary: free, in
	// percent, it turns traffic away and restarts after a while. 0: no limit.
	TempFSThrottle int  `hcl:"temp_fs_throttle,optional"`
	RAID           bool `hcl:"raid,optional"` // it has a RAID volume
	// Users are logged in, beside the account of the management interface.
	Users []UserSpec `hcl:"user,block"`

	Timings      *Timings          `hcl:"timings,block"`
	SecureBackup *SecureBackupSpec `hcl:"secure_backup,block"`
	Domains      []DomainSpec      `hcl:"domain,block"`
	Certificates []CertificateSpec `hcl:"certificate,block"`
	Peerings     []PeeringSpec     `hcl:"peering,block"`
	Standbys     []StandbySpec     `hcl:"standby,block"`
	Quota        *QuotaSpec        `hcl:"quota,block"`
	Faults       []Fault           `hcl:"fault,block"`
	// Unlicensed classes are in the model and cannot be used: an import skips them.
	Unlicensed []string `hcl:"unlicensed,optional"`
}

// UserSpec is somebody, or something, that is logged in.
type UserSpec struct {
	Name       string `hcl:"name,label" json:"name"`
	Connection string `hcl:"connection,optional" json:"connection"` // default secure-shell
	Address    string `hcl:"address,optional" json:"address"`
}

// Timings are durations in simulated time.
type Timings struct {
	Quiesce       string `hcl:"quiesce,optional"`        // of an idle domain; default 3s
	Unquiesce     string `hcl:"unquiesce,optional"`      // default 2s
	Export        string `hcl:"export,optional"`         // before the first byte; default 0
	SecureBackup  string `hcl:"secure_backup,optional"`  // default 5s
	ManifestDelay string `hcl:"manifest_delay,optional"` // default 0
	Boot          string `hcl:"boot,optional"`           // a reboot's outage; default 60s
	Checkpoint    string `hcl:"checkpoint,optional"`     // until it is listed, or rolled back; default 0s
}

// SecureBackupSpec says which files a secure backup writes. Size is shared out
// over the usual ones; File blocks name them one by one.
type SecureBackupSpec struct {
	Size  string           `hcl:"size,optional"` // default 2MB in total
	Files []BackupFileSpec `hcl:"file,block"`
}

// BackupFileSpec is one file of a secure backup.
type BackupFileSpec struct {
	Name string `hcl:"name,label"`
	Size string `hcl:"size"`
}

// DomainSpec describes an application domain, or default.
type DomainSpec struct {
	Name           string       `hcl:"name,label"`
	Archive        string       `hcl:"archive,optional"` // path of an archive to serve as it is
	ExportSize     string       `hcl:"export_size,optional"`
	SaveNeeded     bool         `hcl:"save_needed,optional"`
	APIC           bool         `hcl:"apic,optional"`
	Busy           bool         `hcl:"busy,optional"` // quiesce lasts until the gateway's own timeout, then is forced
	QuiesceState   string       `hcl:"quiesce_state,optional"`
	CurrentCommand string       `hcl:"current_command,optional"`
	FailsafeMode   string       `hcl:"failsafe_mode,optional"` // none (default), management, console
	Checkpoints    int          `hcl:"checkpoints,optional"`   // how many there are from the start
	MissingFiles   int          `hcl:"missing_files,optional"`
	PrivateKeys    int          `hcl:"private_keys,optional"`
	Objects        []ObjectSpec `hcl:"object,block"`
}

// ObjectSpec is a configuration object that ObjectStatus shows.
type ObjectSpec struct {
	Class string `hcl:"class,label" json:"class"`
	Name  string `hcl:"name,label" json:"name"`
	// State is up (default), down, disabled or quiesced (by hand).
	State string `hcl:"state,optional" json:"state"`
	// Hidden objects are shown to an account that may do everything alone.
	Hidden bool `hcl:"hidden,optional" json:"hidden,omitempty"`
}

// CertificateSpec is a CryptoCertificate object of the default domain.
type CertificateSpec struct {
	Name  string `hcl:"name,label" json:"name"`
	State string `hcl:"state,optional" json:"state"` // up (default), down, expired
	Key   string `hcl:"key,optional" json:"key"`     // rsa (default) or ecdsa
	// Fingerprint is the SHA-1 of the certificate, in hexadecimal.
	Fingerprint string `hcl:"fingerprint,optional" json:"fingerprint"`
	Left        string `hcl:"left,optional" json:"left"` // until it expires; default five years
}
