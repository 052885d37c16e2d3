package appliance

import (
	"fmt"
	"slices"
	"sort"
	"strings"
	"time"
)

// Fault is something that goes wrong on purpose. Without operation or domain
// it meets what its kind is about, everywhere.
type Fault struct {
	Kind string `hcl:"kind,label" json:"kind"`
	// Device is used by the fleet; a gateway's own faults leave it empty.
	Device string `hcl:"device,optional" json:"device,omitempty"`
	Domain string `hcl:"domain,optional" json:"domain,omitempty"`
	// Operation is "do-export", "get-status", "get-status/DomainStatus",
	// "do-action/SecureBackup" …; a prefix up to a slash covers all below.
	Operation string `hcl:"operation,optional" json:"operation,omitempty"`
	Count     int    `hcl:"count,optional" json:"count,omitempty"` // how often; 0: until cleared
	Skip      int    `hcl:"skip,optional" json:"skip,omitempty"`   // how many matches pass before
	// Duration is the kind's time, in simulated time, except latency and
	// stall, which are wall time.
	Duration string `hcl:"duration,optional" json:"duration,omitempty"`
	Rate     string `hcl:"rate,optional" json:"rate,omitempty"` // bytes a second, of slow
	After    string `hcl:"after,optional" json:"after,omitempty"`
	Text     string `hcl:"text,optional" json:"text,omitempty"` // the kind's own text
	File     string `hcl:"file,optional" json:"file,omitempty"` // of a secure backup; of an import: a file, a class or CLASS/NAME
	Hold     bool   `hcl:"hold,optional" json:"hold,omitempty"` // quiesce_late answers when the quiesce begins

	after     time.Duration
	rate      int64
	afterSize int64
	passed    int
	used      int
}

// Where in a request a kind of fault acts, and which operations it meets if
// none is named.
type faultKind struct {
	stage      string
	operations []string
}

const (
	stageReply   = "reply"   // instead of, or in, the answer to a request
	stageState   = "state"   // in what an action does
	stageConnect = "connect" // before any request is read
)

var (
	fileOperations     = []string{"do-export", "do-backup"}
	quiesceOperations  = []string{"do-action/DomainQuiesce", "do-action/QuiesceDP"}
	restoreOperations  = []string{"do-action/DomainUnquiesce", "do-action/UnquiesceDP"}
	secureBackupAction = []string{"do-action/SecureBackup"}
	domainStatus       = []string{"get-status/DomainStatus"}
	failoverClasses    = []string{"get-status/StandbyStatus2", "get-status/SelfBalancedStatus2", "get-status/QuotaEnforcementStatus", "get-status/GatewayPeeringStatus", "get-status/GatewayPeeringClusterStatus"}
	importing          = []string{"do-import"}
	reads              = []string{"get-status", "get-config"}
)

func faultKinds() map[string]faultKind {
	return map[string]faultKind{
		"tls_hang":          {stageConnect, nil},
		"close_on_connect":  {stageConnect, nil},
		"empty_file":        {stageReply, fileOperations},
		"error_file":        {stageReply, fileOperations},
		"error_result":      {stageReply, fileOperations},
		"not_base64":        {stageReply, fileOperations},
		"truncated_base64":  {stageReply, fileOperations},
		"wrong_zip":         {stageReply, fileOperations},
		"corrupt_archive":   {stageReply, fileOperations},
		"disk_full":         {stageReply, fileOperations},
		"endless_file":      {stageReply, fileOperations},
		"no_rows":           {stageReply, domainStatus},
		"big_status":        {stageReply, domainStatus},
		"wrong_part":        {stageReply, nil},
		"garbage":           {stageReply, nil},
		"http_error":        {stageReply, nil},
		"error_log":         {stageReply, nil},
		"auth_failure":      {stageReply, nil},
		"refused":           {stageReply, nil},
		"hang":              {stageReply, nil},
		"hang_headers":      {stageReply, nil},
		"hang_body":         {stageReply, nil},
		"close":             {stageReply, nil},
		"close_body":        {stageReply, nil},
		"latency":           {stageReply, nil},
		"slow":              {stageReply, nil},
		"stall":             {stageReply, nil},
		"reboot":            {stageReply, nil},
		"go_down":           {stageReply, nil},
		"domain_vanishes":   {stageReply, nil},
		"no_reply_but_done": {stageReply, nil},

		"busy":                   {stageState, domainStatus},
		"row_missing":            {stageState, domainStatus},
		"no_quiesce_state":       {stageState, domainStatus},
		"quiesce_state_word":     {stageState, domainStatus},
		"role_word":              {stageState, failoverClasses},
		"another_device":         {stageState, reads},
		"quiesce_stuck":          {stageState, quiesceOperations},
		"quiesce_error":          {stageState, quiesceOperations},
		"quiesce_late":           {stageState, quiesceOperations},
		"quiesce_refused":        {stageState, quiesceOperations},
		"second_quiesce_refused": {stageState, quiesceOperations},
		"unquiesce_stuck":        {stageState, restoreOperations},
		"unquiesce_error":        {stageState, restoreOperations},
		"unquiesce_refused":      {stageState, restoreOperations},
		"unquiesce_ignored":      {stageState, restoreOperations},
		"objects_down":           {stageState, restoreOperations},

		"wrong_hash":           {stageState, []string{"do-export"}},
		"archive_other_domain": {stageState, fileOperations},
		"archive_other_serial": {stageState, fileOperations},
		"archive_lacks_domain": {stageState, []string{"do-backup"}},
		"archive_no_entries":   {stageState, fileOperations},
		"archive_empty_root":   {stageState, fileOperations},
		"archive_no_details":   {stageState, fileOperations},
		"archive_no_files":     {stageState, fileOperations},
		"archive_trailing":     {stageState, fileOperations},

		"import_refused":         {stageState, importing}, // as a whole
		"import_disk_full":       {stageState, importing},
		"import_object_fails":    {stageState, importing},
		"import_object_skipped":  {stageState, importing}, // without a word
		"import_file_fails":      {stageState, importing},
		"import_file_skipped":    {stageState, importing},
		"import_detected_errors": {stageState, importing},
		"import_word":            {stageState, importing}, // of every status
		"import_no_logs":         {stageState, importing},
		"import_no_domain":       {stageState, importing},
		"import_order":           {stageState, importing},
		"import_empty":           {stageState, importing},
		"import_dry_run_ignored": {stageState, importing},
		"import_policy_ignored":  {stageState, importing},
		"port_in_use":            {stageState, importing},

		"checkpoint_never_saved": {stageState, []string{"do-action/SaveCheckpoint"}},
		"rollback_fails":         {stageState, []string{"do-action/RollbackCheckpoint"}},
		"domain_delete_refused":  {stageState, []string{"del-config"}},
		"domain_delete_slow":     {stageState, []string{"del-config"}},
		"domain_create_slow":     {stageState, []string{"set-config"}},

		"secure_backup_fails":      {stageState, secureBackupAction},
		"secure_backup_wrong_hash": {stageState, secureBackupAction},
		"secure_backup_short_file": {stageState, secureBackupAction},
		"secure_backup_empty_file": {stageState, secureBackupAction},
		"secure_backup_disk_full":  {stageState, secureBackupAction},
		"manifest_late":            {stageState, secureBackupAction},
		"manifest_missing":         {stageState, secureBackupAction},
		"manifest_no_checksum":     {stageState, secureBackupAction},
		"manifest_self_listed":     {stageState, secureBackupAction},
		"manifest_missing_file":    {stageState, secureBackupAction},
	}
}

// FaultKinds lists every kind of fault.
func FaultKinds() []string {
	var names []string
	for name := range faultKinds() {
		names = append(names, name)
	}
	sort.Strings(names)
	return names
}

// AfterBytes is how much of a body goes out before it is cut; 0 if unset.
func (f *Fault) AfterBytes() int64 { return f.afterSize }

// Wait is the fault's duration.
func (f *Fault) Wait() time.Duration { return f.after }

// BytesPerSecond is the rate of a slow reply.
func (f *Fault) BytesPerSecond() int64 { return f.rate }

// TextOr is the fault's text, or standard.
func (f *Fault) TextOr(standard string) string { return f.text(standard) }

func (f *Fault) text(standard string) string {
	if f.Text != "" {
		return f.Text
	}
	return standard
}

// AddFault sets a fault.
func (a *Appliance) AddFault(f Fault) error {
	if _, known := faultKinds()[f.Kind]; !known {
		return fmt.Errorf("fault %q is not known; the kinds are %s", f.Kind, strings.Join(FaultKinds(), ", "))
	}
	var p parser
	f.after = p.duration("fault "+f.Kind+": duration", f.Duration, 0)
	f.rate = p.size("fault "+f.Kind+": rate", f.Rate, 1_000_000)
	f.afterSize = p.size("fault "+f.Kind+": after", f.After, 0)
	if p.err != nil {
		return p.err
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.faults = append(a.faults, &f)
	return nil
}

// ClearFaults removes the faults that have the pattern's kind, operation and
// domain, where the pattern names them.
func (a *Appliance) ClearFaults(pattern Fault) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.faults = slices.DeleteFunc(a.faults, func(f *Fault) bool {
		return (pattern.Kind == "" || pattern.Kind == f.Kind) &&
			(pattern.Operation == "" || pattern.Operation == f.Operation) &&
			(pattern.Domain == "" || pattern.Domain == f.Domain)
	})
}

// matches reports whether the fault meets the operation on the domains.
func (f *Fault) matches(op string, domains []string) bool {
	if f.Domain != "" && !slices.Contains(domains, f.Domain) {
		return false
	}
	if f.Operation != "" && f.Operation != "*" {
		return covers(f.Operation, op)
	}
	standard := faultKinds()[f.Kind].operations
	return standard == nil || f.Operation == "*" || slices.ContainsFunc(standard, func(s string) bool { return covers(s, op) })
}

func covers(pattern, op string) bool {
	return pattern == op || strings.HasPrefix(op, pattern+"/")
}

// use takes one occurrence of the fault; false if it is to pass this time.
func (f *Fault) use() bool {
	if f.passed < f.Skip {
		f.passed++
		return false
	}
	if f.Count > 0 && f.used >= f.Count {
		return false
	}
	f.used++
	return true
}

// takeFault finds and uses a fault of one kind; a.mu is held.
func (a *Appliance) takeFault(kind, op string, domains ...string) *Fault {
	for _, f := range a.faults {
		if f.Kind == kind && f.matches(op, domains) && f.use() {
			return f
		}
	}
	return nil
}

// ConnectFault uses the fault that meets a new connection, if there is one.
func (a *Appliance) ConnectFault() *Fault {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, f := range a.faults {
		if faultKinds()[f.Kind].stage == stageConnect && f.use() {
			return f
		}
	}
	return nil
}

// ReplyFaults uses the faults that meet the answer to a request: any number
// of delays, and at most one that changes the answer.
func (a *Appliance) ReplyFaults(op string, domains []string) []*Fault {
	a.mu.Lock()
	defer a.mu.Unlock()
	var out []*Fault
	changed := false
	for _, f := range a.faults {
		if faultKinds()[f.Kind].stage != stageReply || !f.matches(op, domains) {
			continue
		}
		delays := f.Kind == "latency" || f.Kind == "slow" || f.Kind == "stall"
		if !delays && changed || !f.use() {
			continue
		}
		changed = changed || !delays
		out = append(out, f)
	}
	return out
}

// Faults lists the faults that are set.
func (a *Appliance) Faults() []Fault {
	a.mu.Lock()
	defer a.mu.Unlock()
	var out []Fault
	for _, f := range a.faults {
		out = append(out, *f)
	}
	return out
}
