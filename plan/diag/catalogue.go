package diag

// Code names a kind of diagnostic. Codes are stable: they are never renamed or
// reused.
type Code string

// Entry explains a code.
type Entry struct {
	Code     Code     `json:"code"`
	Severity Severity `json:"severity"`
	Summary  string   `json:"summary"`
	Meaning  string   `json:"meaning"`
	Cause    string   `json:"cause"`
	Fix      string   `json:"fix"`
}

// The codes.
const (
	FileUnreadable         Code = "file-unreadable"
	FileMissing            Code = "file-missing"
	NoPlanFile             Code = "no-plan-file"
	Syntax                 Code = "syntax-error"
	NewerVersion           Code = "version-not-met"
	InvalidVersion         Code = "invalid-version-constraint"
	UnknownBlock           Code = "unknown-block"
	DuplicateBlock         Code = "duplicate-block"
	MissingBlock           Code = "missing-block"
	WrongLabels            Code = "wrong-labels"
	InvalidName            Code = "invalid-name"
	UnknownArgument        Code = "unknown-argument"
	DuplicateArgument      Code = "duplicate-argument"
	MissingArgument        Code = "missing-argument"
	ConflictingArguments   Code = "conflicting-arguments"
	WrongType              Code = "wrong-type"
	InvalidValue           Code = "invalid-value"
	Deprecated             Code = "deprecated"
	RejectedByPlugin       Code = "rejected-by-plugin"
	PluginAdvice           Code = "plugin-advice"
	UnknownType            Code = "unknown-type"
	UnknownReference       Code = "unknown-reference"
	WrongReference         Code = "wrong-reference"
	NotInScope             Code = "not-in-scope"
	UnknownFunction        Code = "unknown-function"
	FunctionCall           Code = "function-call"
	InvalidExpression      Code = "invalid-expression"
	InvalidForEach         Code = "invalid-for-each"
	ReferenceCycle         Code = "reference-cycle"
	DependencyCycle        Code = "dependency-cycle"
	DuplicateDefinition    Code = "duplicate-definition"
	DuplicateDevice        Code = "duplicate-device-name"
	MissingVariable        Code = "missing-variable"
	UndeclaredVariable     Code = "undeclared-variable"
	UnusedVariableValue    Code = "unused-variable-value"
	InvalidVariable        Code = "invalid-variable-value"
	InvalidInventory       Code = "invalid-inventory"
	EmptyInventory         Code = "empty-inventory"
	NothingToBackUp        Code = "nothing-to-back-up"
	SecretShown            Code = "secret-shown"
	SecretLiteral          Code = "secret-literal"
	SecretUnreadable       Code = "secret-unreadable"
	SecretFileOpen         Code = "secret-file-open"
	SecretByValue          Code = "secret-by-value"
	NoMatch                Code = "pattern-without-match"
	SharedEndpoint         Code = "shared-endpoint"
	InvalidWindow          Code = "invalid-window"
	WindowNeverOpens       Code = "window-never-opens"
	WindowSkipped          Code = "window-skipped"
	RetentionKeepsNothing  Code = "retention-keeps-nothing"
	InvalidSchedule        Code = "invalid-schedule"
	ScheduleOutsideWindow  Code = "schedule-outside-window"
	QuiesceImpossible      Code = "quiesce-impossible"
	QuiesceTimeoutTooShort Code = "quiesce-timeout-too-short"
	DevicesWithoutGroup    Code = "devices-without-group"
	DrillDevice            Code = "drill-device"
	UnexpectedDomains      Code = "unexpected-domains"
	LabelsOfDomains        Code = "labels-of-domains"
	UnknownLabel           Code = "unknown-label"
	NeverRuns              Code = "never-runs"
	NoPlan                 Code = "no-plan"
	PathLeavesDestination  Code = "path-leaves-destination"
	InvalidPath            Code = "invalid-path"
	PathCollision          Code = "path-collision"
	InvalidRequiredPlugin  Code = "invalid-required-plugin"
	InvalidLock            Code = "invalid-lock-file"
	PluginNotLocked        Code = "plugin-not-locked"
)

// Lookup returns the entry of a code.
func Lookup(code Code) (Entry, bool) {
	for _, e := range Catalogue() {
		if e.Code == code {
			return e, true
		}
	}
	return Entry{}, false
}

// Catalogue lists every code of the plan language, in the order in which a plan
// is processed.
func Catalogue() []Entry {
	return []Entry{
		{FileUnreadable, Error, "File cannot be read",
			"A plan file or variable file could not be read.",
			"The path is wrong, or permissions do not allow it.",
			"Check the path and the permissions of the file."},
		{FileMissing, Error, "File cannot be used",
			"A file that an argument names is not there, cannot be read, or does not hold what it must, such as certificates.",
			"The path is wrong, the file was not copied to this host or not in PEM form, or dprun runs as a user who may not read it. Relative paths start at the file that holds the argument.",
			"Correct the path, or put the file there. dprun must be able to read it as the user it runs as."},
		{NoPlanFile, Error, "No plan file",
			"The directory given holds no plan file.",
			"Plan files end in .hcl; files whose name begins with a dot and variable files are not plan files.",
			"Give the directory that holds the plan, or the plan file itself."},
		{Syntax, Error, "Syntax error",
			"The file is not valid HCL.",
			"A bracket, quote or equals sign is missing or too much, often on the line before.",
			"Correct the place shown; `dprun fmt` shows how a file is understood."},
		{NewerVersion, Error, "This plan needs another dprun",
			"The plan's required_version does not allow this version of dprun. Nothing else of the plan was read.",
			"The plan was written for another, mostly a newer, version.",
			"Install a version that the constraint allows, or change the constraint."},
		{InvalidVersion, Error, "Invalid version constraint",
			"required_version is not a list of version constraints.",
			"A constraint is an operator (=, !=, >, >=, <, <=, ~>) and a version; several are separated by commas.",
			"Write it like \">= 0.1.0, < 1.0.0\"."},
		{InvalidRequiredPlugin, Error, "Invalid required plugin",
			"An entry of required_plugins cannot be understood.",
			"An entry is the plugin's name, its source and, if you like, version constraints, all as plain texts.",
			"Write it like s3 = { source = \"plugins.example.com/backup/s3\", version = \"~> 1.0\" }."},
		{InvalidLock, Error, "Lock file cannot be used",
			"The file .dprun.lock.hcl beside the plan cannot be read or understood.",
			"It was edited, merged or damaged.",
			"Bring back the one of your repository, or remove it and run `dprun init`."},
		{PluginNotLocked, Error, "Plugin is not the locked one",
			"The plan uses an installed plugin that its lock file does not name, or names with another content or version.",
			"`dprun init` was not run after the plan or the plugin changed, or somebody has changed the plugin.",
			"Find out why it differs. If that is meant, run `dprun init`, with --upgrade for another version, and commit the lock file."},
		{UnknownBlock, Error, "Unknown block",
			"A block of this type may not stand here.",
			"The word is misspelt, or the block belongs into another one.",
			"Correct the word; the plan language's reference lists what each block may hold."},
		{DuplicateBlock, Error, "Duplicate block",
			"A block that may stand once stands twice.",
			"Two blocks of the same type were written or merged.",
			"Remove one of them."},
		{MissingBlock, Error, "Missing block",
			"A block that must be there is not.",
			"It was forgotten, or written into another block.",
			"Add the block."},
		{WrongLabels, Error, "Wrong number of labels",
			"A block has more or fewer labels than its type asks for.",
			"Devices, scripts, destinations and activities have a type and a name; most other blocks a name only.",
			"Write the labels that the message names."},
		{InvalidName, Error, "Invalid name",
			"A name cannot be used because it could not be referenced or would be empty.",
			"Labels are letters, digits, _ and -, and begin with a letter or _. A device's name is free but not empty.",
			"Choose another name; a device may have any `name` beside its label."},
		{UnknownArgument, Error, "Unknown argument",
			"An argument of this name may not stand here.",
			"The word is misspelt, or the argument belongs into another block. Arguments of plugins stand in `config`.",
			"Correct the word or move the argument."},
		{DuplicateArgument, Error, "Duplicate argument",
			"An argument is set twice in one block.",
			"Two lines set the same argument or variable.",
			"Remove one of them."},
		{MissingArgument, Error, "Missing argument",
			"An argument that must be set is not, or is null.",
			"It was forgotten, or its expression gives null for this device.",
			"Set the argument."},
		{ConflictingArguments, Error, "Conflicting arguments",
			"Arguments or blocks that exclude each other are set together.",
			"They are alternatives.",
			"Keep one of them."},
		{WrongType, Error, "Wrong type",
			"A value is of another type than the argument.",
			"For example a string where a list is needed.",
			"Change the expression to give the type that the message names."},
		{InvalidValue, Error, "Invalid value",
			"A value is of the right type but not allowed.",
			"It is not one of the words, formats or bounds that the argument has.",
			"Choose a value as the message says."},
		{Deprecated, Warning, "Deprecated",
			"An argument or block still works but will go away.",
			"The plugin that offers it has something better.",
			"Use what the message names instead."},
		{RejectedByPlugin, Error, "Rejected by the plugin",
			"The plugin's own check refuses the configuration.",
			"Each value is allowed, but not these together.",
			"Change the arguments as the message says."},
		{PluginAdvice, Warning, "Advice of the plugin",
			"The plugin accepts the configuration and has something to say about it.",
			"The configuration works but is probably not what is wanted.",
			"Read the message."},
		{UnknownType, Error, "Unknown type",
			"No plugin offers this type of device, destination, script or activity.",
			"The type is misspelt, or its plugin is not installed.",
			"Correct the type, or install the plugin: a file named dprun-plugin-NAME in the directory `plugins` of the state directory. `dprun plugin list` shows what is there."},
		{UnknownReference, Error, "Unknown reference",
			"A reference names something that is not defined.",
			"The name is misspelt, or what it names has for_each and no such key.",
			"Correct the name, or define it."},
		{WrongReference, Error, "Wrong kind of reference",
			"A reference names something of another kind than is needed here.",
			"For example a pattern where a window is needed.",
			"Refer to something of the kind that the message names."},
		{NotInScope, Error, "Not in scope",
			"A name exists in the language but not at this place.",
			"run, plan, activity, device, domain, stamp and artifact are known only in arguments that are worked out for each task; each only beside for_each.",
			"Move the expression to where the name is known, or use something else."},
		{UnknownFunction, Error, "Unknown function",
			"There is no function of this name.",
			"The name is misspelt.",
			"Correct the name; the plan language's reference lists the functions."},
		{FunctionCall, Error, "Function call",
			"A function cannot be called like this.",
			"The number or the type of its arguments is wrong, or it could not do its work on them.",
			"Change the call as the message says."},
		{InvalidExpression, Error, "Invalid expression",
			"An expression has no value.",
			"An operator is used with operands that it cannot take, or a value has no such element.",
			"Change the expression as the message says."},
		{InvalidForEach, Error, "Invalid for_each",
			"for_each is not something that can be repeated over.",
			"It takes a map, an object, or a list or set of distinct strings, all known when the plan is read.",
			"Change the expression; `toset` and `{ for … }` make what is needed."},
		{ReferenceCycle, Error, "Reference cycle",
			"Local values refer to each other in a circle.",
			"A value cannot be worked out from itself.",
			"Break the circle."},
		{DependencyCycle, Error, "Dependency cycle",
			"Activities depend on each other in a circle.",
			"None of them could ever start.",
			"Remove one of the depends_on."},
		{DuplicateDefinition, Error, "Duplicate definition",
			"Two blocks define the same thing.",
			"Names are unique for each type of block over all files of a plan.",
			"Rename or remove one of them."},
		{DuplicateDevice, Error, "Duplicate device name",
			"Two devices have the same name.",
			"A device's name is `name`, else its for_each key, else its label, and is unique over the whole plan.",
			"Give one of them another `name`."},
		{MissingVariable, Error, "Missing value of a variable",
			"A variable has neither a default nor a value.",
			"Nothing sets it.",
			"Set it with --var, a variable file or the environment variable DPRUN_VAR_name, or give it a default."},
		{UndeclaredVariable, Error, "Undeclared variable",
			"--var sets a variable that the plan does not declare.",
			"The name is misspelt.",
			"Correct the name, or declare the variable."},
		{UnusedVariableValue, Warning, "Unused variable value",
			"A variable file sets a variable that the plan does not declare.",
			"The name is misspelt, or the variable is gone.",
			"Correct or remove the line."},
		{InvalidVariable, Error, "Invalid value of a variable",
			"A variable's value breaks one of its validation rules, or is not of its type.",
			"The value given does not fit the variable's declaration.",
			"Give another value."},
		{InvalidInventory, Error, "Invalid inventory",
			"An inventory file cannot be used.",
			"A line, cell or key does not fit the type that the call of inventory() names.",
			"Correct the file at the place shown."},
		{EmptyInventory, Warning, "Inventory without a record",
			"An inventory file holds no record: only a header, blank lines, or an empty list.",
			"Whatever fills the file did not work, or the file was truncated.",
			"Fill the file, or remove the call of inventory()."},
		{NothingToBackUp, Error, "Nothing to back up",
			"A plan has no device at all, and an inventory of the file holds no record.",
			"The devices of the plan come from an inventory that is empty.",
			"Fill the inventory, or give the plan other devices."},
		{SecretShown, Error, "Secret in a place that is shown",
			"A secret would become visible.",
			"Names, labels, paths, descriptions, patterns, for_each and the like are printed, logged and stored.",
			"Use a value there that is not secret; secrets belong into `config` and `vars`."},
		{SecretLiteral, Error, "Secret written in the plan",
			"An argument that is a secret is given a text that is not known to be one.",
			"The secret stands in the plan, in an inventory or in a file that is read with file(). Whatever these hold is shown, stored and copied.",
			"Write a reference: secret_file, secret_env or secret_command, or a variable that is `sensitive`."},
		{SecretUnreadable, Error, "Secret cannot be read",
			"The place that a secret comes from could not be read.",
			"The variable is not set or empty, the file is not there or empty, or the command failed.",
			"Make the secret available to the user that runs dprun."},
		{SecretFileOpen, Warning, "Secret that others may read",
			"A file that holds a secret can be read, or changed, by other users of the machine.",
			"Its mode lets everybody read it, or its group change it.",
			"Set the mode 0600, and as the owner the user that runs dprun; 0640 is fine where the group may know the secret."},
		{SecretByValue, Warning, "Secret given by value",
			"A device that will be quiesced has a secret that cannot be read again after a crash.",
			"The secret is a variable whose value was given; what is stored for recovery are references, never values.",
			"Use secret_env, secret_file or secret_command for it."},
		{NoMatch, Warning, "Nothing matches",
			"A pattern of an activity matches no device.",
			"The name is misspelt, labels do not fit, or the devices are gone. Case matters.",
			"Correct the pattern, or remove it."},
		{SharedEndpoint, Warning, "Two devices with one endpoint",
			"Two devices lead to the same place.",
			"A line was copied and not changed, or one box has two names.",
			"Correct one of them, or remove it."},
		{InvalidWindow, Error, "Invalid window",
			"A window's zone, day, date or time of day cannot be understood.",
			"Zones are IANA names, days mon to sun, dates as 2026-12-25, times as 21:30.",
			"Correct the text."},
		{WindowNeverOpens, Error, "Window that never opens",
			"There is no instant at which a plan with this window could run.",
			"Everything that is allowed is denied again, or a list of days or dates is empty.",
			"Change the allow and deny blocks."},
		{WindowSkipped, Warning, "Window that a clock change leaves out",
			"On a day within a year an allow block of a window does not open.",
			"The clocks of its zone skip an hour that day, and the whole block lies in that hour.",
			"Let the block begin before that hour or end after it, or use a zone whose clocks are not changed, such as UTC."},
		{RetentionKeepsNothing, Error, "Retention that keeps nothing",
			"By a retention all sets would go but the newest of everything.",
			"No keep_ argument is set, or all are 0.",
			"Set at least one, such as keep_daily = 14. Without any retention all sets are kept."},
		{InvalidSchedule, Error, "Invalid schedule",
			"The times of a schedule cannot be understood, or mean different things to different people.",
			"A schedule has five fields of cron: minute, hour, day of the month, month, day of the week. One of the two days is \"*\".",
			"Write it such as \"30 2 * * *\", every night at half past two, or \"0 22 * * MON-FRI\"."},
		{ScheduleOutsideWindow, Error, "Schedule that never meets the window",
			"No time of a schedule in the next eight years lies within the plan's window, so the plan would never run by it.",
			"The schedule or the window was changed without the other, or their zones differ.",
			"Choose a time within the window. A schedule without a timezone has that of the window."},
		{QuiesceImpossible, Error, "Quiesce is not possible here",
			"The activity cannot be quiesced this way.",
			"An activity on one domain can quiesce the domain, one on a device the device.",
			"Choose one of the words that the message names."},
		{QuiesceTimeoutTooShort, Error, "Quiesce time-out too short",
			"timeouts.quiesce is under 60 seconds.",
			"A gateway itself takes no less than 60 seconds.",
			"Write \"60s\" or more."},
		{DevicesWithoutGroup, Error, "Devices without a group",
			"Several devices may be quiesced at once, and some of them belong to no group.",
			"With max_devices above 1 the groups are what keeps the members of a pair from being down together.",
			"Give each of the devices a group, or leave max_devices at 1."},
		{DrillDevice, Error, "No gateway for drills",
			"The device of a drill is no gateway that backups may be imported to for a trial.",
			"It lacks the label drill = \"yes\", belongs to a group, or is backed up by a plan.",
			"Give the drill a gateway that serves nobody and is in no activity, and label it."},
		{UnexpectedDomains, Error, "Domains of a whole device",
			"An activity that is done on a whole device names domains.",
			"Only activities on single domains have `domains`.",
			"Remove `domains`, or use another activity."},
		{LabelsOfDomains, Error, "Labels of domains",
			"A pattern with labels is used for domains.",
			"Domains have no labels.",
			"Use a pattern without labels."},
		{UnknownLabel, Warning, "Label that no device has",
			"A limit is set for a label that no device of the plan has.",
			"The label's name is misspelt.",
			"Correct the name, or remove the limit."},
		{NeverRuns, Warning, "Never used",
			"Something is written that can never have an effect.",
			"For example a script around a quiesce, on an activity that does not quiesce.",
			"Remove it, or set what it depends on."},
		{NoPlan, Warning, "No plan",
			"The files define no plan, so there is nothing to run.",
			"A `plan` block is missing, or its for_each is empty.",
			"Add a `plan` block."},
		{PathLeavesDestination, Error, "Path that leaves the destination",
			"A destination's path does not stay below the destination's directory.",
			"It is absolute, or one of its parts is \"..\".",
			"Write a relative path."},
		{InvalidPath, Error, "Invalid path",
			"A destination's path cannot be used as a path.",
			"One of its parts is empty or too long, or holds a character that paths cannot hold.",
			"Change the expression so that every part is a name."},
		{PathCollision, Error, "Paths that collide",
			"Two sets of files would be stored under the same path.",
			"The path does not say enough to tell the sets apart.",
			"Add what tells them apart, such as ${device.name} or ${stamp}."},
	}
}
