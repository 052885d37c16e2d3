package status

// runCodes are the codes of runs: those that the reference product documents for
// its plans, and ours.
var runCodes = []Entry{
	{
		Code: RunOutOfMaintenanceWindow, Origin: OriginReference, Level: LevelRun, Phases: []int{0}, Class: ClassCancelled,
		Meaning: "The run did not start: the time is outside the plan's maintenance window.",
		Cause:   "The schedule and the window do not agree, the time zone is not the one that was meant, the date is denied, or somebody started the plan by hand.",
		Action:  "No device was contacted. `dprun plan` prints when the window opens; correct the timer or the window.",
	},
	{
		Code: RunStoreIsNotMounted, Origin: OriginReference, Level: LevelRun, Phases: []int{1}, Class: ClassFailed,
		Meaning: "The run did not go on: no destination of the plan can be used.",
		Cause:   "A mount was lost, for example after a restart of the dprun host, a server cannot be reached or refuses access, or a directory is missing.",
		Action:  "Mount or mend what the message names and run the plan again. No device was contacted.",
	},
	{
		Code: RunStoreOutOfSpace, Origin: OriginReference, Level: LevelRun, Phases: []int{1}, Class: ClassFailed,
		Meaning: "The run did not go on: no destination has the free space that the plan requires.",
		Cause:   "The destinations are full or under their `min_free`.",
		Action:  "Free some space or lower `min_free`, then run the plan again. No device was contacted.",
	},
	{
		Code: RunADayPassed, Origin: OriginReference, Level: LevelRun, Phases: []int{3}, Class: ClassCancelled,
		Meaning: "The run ended without running a task, because it waited longer than the queue limit.",
		Cause:   "A backup of another run held the devices, or the first tasks hung, for the whole time.",
		Action:  "Look with `dprun runs list` at what ran during that time and with `dprun owed` at what is outstanding; then run the plan again.",
	},
	{
		Code: RunStarted, Origin: OriginOwn, Level: LevelRun, Phases: []int{3}, Class: ClassInterim,
		Meaning: "The plan's own checks and its pre-script passed, and its tasks are being run.",
		Cause:   "At least one task is ready.",
		Action:  "Nothing.",
	},
	{
		Code: RunWaitingForPreScript, Origin: OriginOwn, Level: LevelRun, Phases: []int{2}, Class: ClassInterim,
		Meaning: "The run waits for the plan's pre-script to end.",
		Cause:   "The plan has a pre-script, and at least one task is waiting.",
		Action:  "Nothing. If it stays here for long, the script hangs; its own time-out ends it.",
	},
	{
		Code: RunWaitingForPostScript, Origin: OriginOwn, Level: LevelRun, Phases: []int{12}, Class: ClassInterim,
		Meaning: "All tasks ended, and the run waits for the plan's post-script to end.",
		Cause:   "The plan has a post-script that applies to this outcome.",
		Action:  "Nothing. If it stays here for long, the script hangs; its own time-out ends it.",
	},
	{
		Code: RunPostScriptError, Origin: OriginOwn, Level: LevelRun, Phases: []int{12}, Class: ClassFailed,
		Meaning: "The plan's post-script returned a code greater than 0; the tasks themselves ended before it.",
		Cause:   "The script could not reach what it needs, is missing or not executable, or ran into its time-out.",
		Action:  "Read what it printed with `dprun runs logs RUN`, and do by hand what it should have done. The backups are as the tasks say.",
	},
	{
		Code: RunAllTasksSkipped, Origin: OriginOwn, Level: LevelRun, Phases: []int{1}, Class: ClassSkipped,
		Meaning: "The run ended because every task was skipped.",
		Cause:   "No pattern matched, or no device could be reached.",
		Action:  "`dprun runs show RUN` gives the reason per task. If all devices were unreachable at once, suspect the network or the dprun host.",
	},
	{
		Code: RunFailed, Origin: OriginOwn, Level: LevelRun, Phases: []int{13}, Class: ClassFailed,
		Meaning: "The run ended, and no task succeeded.",
		Cause:   "Often one common cause: a destination, the network, a credential or a script.",
		Action:  "`dprun runs show RUN` gives the failures with their last log lines. Mend the common cause and run the plan again.",
	},
	{
		Code: RunPartlyFailed, Origin: OriginOwn, Level: LevelRun, Phases: []int{13}, Class: ClassFailed,
		Meaning: "The run ended; some tasks succeeded and some did not.",
		Cause:   "Single devices, domains or destinations had a problem.",
		Action:  "`dprun runs show RUN` gives the failures with their last log lines. `dprun apply PLAN --only device=NAME,domain=NAME` repeats what did not succeed.",
	},
	{
		Code: RunCanceledByUser, Origin: OriginOwn, Level: LevelRun, Phases: []int{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12}, Class: ClassCancelled,
		Meaning: "The run was cancelled by a person or by a signal, and cleaned up after itself.",
		Cause:   "Ctrl-C, a SIGTERM of the service manager, or a host that is shutting down.",
		Action:  "Run `dprun owed`; it should list nothing. `dprun runs show RUN` tells what was backed up; run the plan again when it suits.",
	},
	{
		Code: RunInterrupted, Origin: OriginOwn, Level: LevelRun, Phases: []int{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13}, Class: ClassFailed,
		Meaning: "The run died before its end and was closed by recovery.",
		Cause:   "dprun was killed, or its host crashed or lost power.",
		Action:  "Run `dprun owed`: what is listed there is still outstanding. `dprun runs show RUN` gives the end of every task; run the plan again, narrowed with `--only` to what is missing.",
	},
	{
		Code: RunDeviceStillQuiesced, Origin: OriginOwn, Level: LevelRun, Phases: []int{10, 13}, Class: ClassCritical,
		Meaning: "The run ended, and a device or domain that it quiesced may still be out of service, or is in service and not healthy.",
		Cause:   "An unquiesce ran into its time-out or could not be sent, or a service or handler did not come up again.",
		Action:  "Run `dprun owed` now: it names the device and prints the appliance commands to bring it back by hand. Then `dprun recover` until `dprun owed` lists nothing.",
	},
	{
		Code: RunTrafficLedAway, Origin: OriginOwn, Level: LevelRun, Phases: []int{10, 13}, Class: ClassCritical,
		Meaning: "The run ended, every gateway is back in service, and an after_unquiesce script has not done its work: traffic may still be led around a gateway.",
		Cause:   "The script failed, could not be run or was cut off. The load balancer or whatever it talks to refused or did not answer.",
		Action:  "Run `dprun owed`: it names the script and the gateway. Mend what the script needs, then `dprun recover`, which runs it again until it works. If you have let traffic in by hand, `dprun recover --ack DEVICE` says so.",
	},
}
