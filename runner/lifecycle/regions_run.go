package lifecycle

// The regions of a run.

// stage is where a run stands.
type stage int

const (
	stageNew stage = iota
	stageDestinations
	stageInspect
	stageValidate
	stagePreScript
	stageTasks
	stagePostScript
	stageDone
)

var stageNames = [...]string{"new", "destinations", "inspect", "validate", "pre-script", "tasks", "post-script", "done"}

func (s stage) String() string { return stageNames[s] }

type stageEvent string

const (
	stageNext  stageEvent = "done"
	stageStops stageEvent = "stopped, or nothing is left to do"
	stageBack  stageEvent = "tasks are still under way"
	stageEnds  stageEvent = "ended"
)

var stages = newTable("stage", "The step of a run.", []row[stage, stageEvent]{
	{stageNew, stageNext, stageDestinations, ""},
	{stageDestinations, stageNext, stageInspect, ""},
	{stageInspect, stageNext, stageValidate, ""},
	{stageValidate, stageNext, stagePreScript, ""},
	{stagePreScript, stageNext, stageTasks, ""},
	{stageTasks, stageNext, stagePostScript, ""},
	{stageNew, stageStops, stagePostScript, "a run that died before its first event was written"},
	{stageDestinations, stageStops, stagePostScript, ""},
	{stageInspect, stageStops, stagePostScript, ""},
	{stageValidate, stageStops, stagePostScript, ""},
	{stagePreScript, stageStops, stagePostScript, ""},
	{stagePostScript, stageBack, stageTasks, "no task is dispatched before the stage of the tasks"},
	{stageNew, stageEnds, stageDone, ""},
	{stageDestinations, stageEnds, stageDone, ""},
	{stagePostScript, stageEnds, stageDone, ""},
})

// stop is why no more tasks begin. The gravest reason counts.
type stop string

const (
	stopNot       stop = ""
	stopHalted    stop = "halted" // by the error policy
	stopCancelled stop = "cancelled"
	stopFaulted   stop = "faulted" // an internal error of the run itself, or its journal
)

type stopEvent string

const (
	stopHalts   stopEvent = "a task failed under the policy halt"
	stopCancels stopEvent = "cancelled"
	stopFaults  stopEvent = "internal error"
)

var stops = newTable("stop", "Why a run begins no more tasks. The gravest reason counts.", []row[stop, stopEvent]{
	{stopNot, stopHalts, stopHalted, ""},
	{stopNot, stopCancels, stopCancelled, ""},
	{stopNot, stopFaults, stopFaulted, ""},
	{stopHalted, stopHalts, stopHalted, ""},
	{stopHalted, stopCancels, stopCancelled, ""},
	{stopHalted, stopFaults, stopFaulted, ""},
	{stopCancelled, stopHalts, stopCancelled, ""},
	{stopCancelled, stopCancels, stopCancelled, ""},
	{stopCancelled, stopFaults, stopFaulted, ""},
	{stopFaulted, stopHalts, stopFaulted, ""},
	{stopFaulted, stopCancels, stopFaulted, ""},
	{stopFaulted, stopFaults, stopFaulted, ""},
})

// door is whether stores may begin at a destination.
type door string

const (
	doorOpen   door = ""
	doorAway   door = "away"   // it did not answer; the next store waits for its time
	doorTrying door = "trying" // one store tries it, the others wait
	doorShut   door = "shut"   // it refused the login: nobody tries again in this run
)

type doorEvent string

const (
	doorFails       doorEvent = "no answer"
	doorTries       doorEvent = "one is let try"
	doorLeaves      doorEvent = "that one has gone"
	doorAnswers     doorEvent = "answered"
	doorRefuses     doorEvent = "login refused"
	doorInterrupted doorEvent = "interrupted"
)

var doors = newTable("door", "Whether stores may begin at a destination, of all tasks of a run.", []row[door, doorEvent]{
	{doorOpen, doorFails, doorAway, ""},
	{doorAway, doorTries, doorTrying, ""},
	{doorTrying, doorFails, doorAway, ""},
	{doorTrying, doorLeaves, doorAway, ""},
	{doorOpen, doorAnswers, doorOpen, ""},
	{doorAway, doorAnswers, doorOpen, ""},
	{doorTrying, doorAnswers, doorOpen, ""},
	{doorOpen, doorRefuses, doorShut, ""},
	{doorAway, doorRefuses, doorShut, ""},
	{doorTrying, doorRefuses, doorShut, ""},
	{doorOpen, doorInterrupted, doorOpen, ""},
	{doorAway, doorInterrupted, doorOpen, ""},
	{doorTrying, doorInterrupted, doorOpen, ""},
	{doorShut, doorInterrupted, doorOpen, ""},
})
