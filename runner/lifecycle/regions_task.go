package lifecycle

// The regions of a task. Each has its states, its events and its table.

// phaseEvent is what takes a task to another phase.
type phaseEvent string

const (
	phaseValidates  phaseEvent = "the device is asked before the plan gate"
	phaseReady      phaseEvent = "all validation passed"
	phaseDispatched phaseEvent = "dispatched"
	phaseStarts     phaseEvent = "started"
	phaseChecked    phaseEvent = "pre-checks passed"
	phaseLocked     phaseEvent = "device locked and checked"
	phasePrepared   phaseEvent = "pre-script done"
	phaseCaptures   phaseEvent = "quiesced, or nothing to quiesce"
	phaseUndoes     phaseEvent = "forward work on the device ends"
	phaseStores     phaseEvent = "undone, and the set is whole"
	phaseEnding     phaseEvent = "nothing more to do or to store"
	phaseEnds       phaseEvent = "ended"
)

var phases = newTable("phase", "The step of a task. A task only goes forward.", []row[Phase, phaseEvent]{
	{PhaseQueue, phaseValidates, PhaseValidate, ""},
	{PhaseQueue, phaseReady, PhaseReady, ""},
	{PhaseValidate, phaseReady, PhaseReady, ""},
	{PhaseReady, phaseDispatched, PhaseDispatch, ""},
	{PhaseDispatch, phaseStarts, PhasePreChecks, ""},
	{PhasePreChecks, phaseChecked, PhaseLock, ""},
	{PhaseLock, phaseLocked, PhasePreScript, ""},
	{PhasePreScript, phasePrepared, PhaseQuiesce, ""},
	{PhaseQuiesce, phaseCaptures, PhaseCapture, ""},
	{PhaseLock, phaseUndoes, PhaseUnquiesce, ""},
	{PhasePreScript, phaseUndoes, PhaseUnquiesce, ""},
	{PhaseQuiesce, phaseUndoes, PhaseUnquiesce, ""},
	{PhaseCapture, phaseUndoes, PhaseUnquiesce, ""},
	{PhaseUnquiesce, phaseStores, PhaseStore, ""},
	{PhasePreChecks, phaseEnding, PhasePostScript, ""},
	{PhaseUnquiesce, phaseEnding, PhasePostScript, ""},
	{PhaseStore, phaseEnding, PhasePostScript, ""},
	{PhaseQueue, phaseEnds, PhaseFinal, ""},
	{PhaseValidate, phaseEnds, PhaseFinal, ""},
	{PhaseReady, phaseEnds, PhaseFinal, ""},
	{PhasePostScript, phaseEnds, PhaseFinal, ""},
})

// course is whether forward work goes on.
type course string

const (
	courseGoing     course = ""
	courseOverrun   course = "overrun"   // the long-running limit ended it; what is captured is stored
	courseAbandoned course = "abandoned" // cancelled, faulted or interrupted; nothing more is begun
)

type courseEvent string

const (
	courseLimit    courseEvent = "long-running limit"
	courseAbandons courseEvent = "cancelled, faulted or interrupted"
)

var courses = newTable("course", "Whether the forward work of a task goes on.", []row[course, courseEvent]{
	{courseGoing, courseLimit, courseOverrun, ""},
	{courseGoing, courseAbandons, courseAbandoned, ""},
	{courseOverrun, courseAbandons, courseAbandoned, ""},
	{courseAbandoned, courseAbandons, courseAbandoned, ""},
})

// callState is where a repeatable request stands.
type callState string

const (
	callIdle     callState = ""
	callAsking   callState = "asking" // under way, or waits to be repeated
	callAnswered callState = "answered"
	callFailed   callState = "failed"
)

type callEvent string

const (
	callBegins  callEvent = "begun"
	callAgain   callEvent = "failed in a way that may pass"
	callAnswers callEvent = "answered"
	callFails   callEvent = "failed"
	callPolls   callEvent = "asked anew while the device is busy"
)

var calls = newTable("call", "A request that may be repeated: the checks of a device or a destination, an inspection, the preparation.", []row[callState, callEvent]{
	{callIdle, callBegins, callAsking, ""},
	{callAsking, callAgain, callAsking, ""},
	{callAsking, callAnswers, callAnswered, ""},
	{callAsking, callFails, callFailed, ""},
	{callAnswered, callPolls, callAsking, ""},
})

// lockState is where the device's lock stands.
type lockState string

const (
	lockIdle     lockState = ""
	lockAsking   lockState = "asking"
	lockWaiting  lockState = "waiting" // somebody else holds it; the long-running clock stands still
	lockHeld     lockState = "held"
	lockRefused  lockState = "refused"
	lockReleased lockState = "released"
	lockWithout  lockState = "without" // whoever finishes an interrupted run holds none
)

type lockEvent string

const (
	lockAsks        lockEvent = "asked for"
	lockWaits       lockEvent = "somebody holds it"
	lockGranted     lockEvent = "granted"
	lockRefuses     lockEvent = "refused"
	lockReleases    lockEvent = "work on the device ends"
	lockInterrupted lockEvent = "interrupted"
)

var locks = newTable("lock", "A task's lock on its device.", []row[lockState, lockEvent]{
	{lockIdle, lockAsks, lockAsking, ""},
	{lockAsking, lockWaits, lockWaiting, ""},
	{lockAsking, lockGranted, lockHeld, ""},
	{lockWaiting, lockGranted, lockHeld, ""},
	{lockAsking, lockRefuses, lockRefused, ""},
	{lockWaiting, lockRefuses, lockRefused, ""},
	{lockAsking, lockReleases, lockReleased, ""},
	{lockWaiting, lockReleases, lockReleased, ""},
	{lockHeld, lockReleases, lockReleased, ""},
	{lockRefused, lockReleases, lockReleased, ""},
	{lockIdle, lockInterrupted, lockWithout, ""},
	{lockAsking, lockInterrupted, lockWithout, ""},
	{lockWaiting, lockInterrupted, lockWithout, ""},
	{lockHeld, lockInterrupted, lockWithout, ""},
	{lockReleased, lockInterrupted, lockWithout, ""},
	{lockWithout, lockInterrupted, lockWithout, ""},
})

// scriptState is where a hook stands.
type scriptState string

const (
	scriptIdle    scriptState = ""
	scriptAsked   scriptState = "asked"   // to be run
	scriptRunning scriptState = "running" // its start is written down
	scriptWorked  scriptState = "worked"
	scriptFailed  scriptState = "failed"
	scriptUnknown scriptState = "unknown" // it was started, and nobody knows how it ended
	scriptDropped scriptState = "dropped" // not started, and not to be by this run
)

type scriptEvent string

const (
	scriptDue         scriptEvent = "due"
	scriptStarted     scriptEvent = "started"
	scriptTakenBack   scriptEvent = "start taken back"
	scriptWorks       scriptEvent = "returned 0"
	scriptFails       scriptEvent = "failed"
	scriptInterrupted scriptEvent = "interrupted"
	scriptRedone      scriptEvent = "interrupted, and run until it has worked"
	scriptDrops       scriptEvent = "given up"
)

var scripts = newTable("script", "A hook of a task or a run. Its start is written down before it is run.", []row[scriptState, scriptEvent]{
	{scriptIdle, scriptDue, scriptAsked, ""},
	{scriptAsked, scriptStarted, scriptRunning, ""},
	{scriptRunning, scriptTakenBack, scriptAsked, ""},
	{scriptRunning, scriptWorks, scriptWorked, ""},
	{scriptRunning, scriptFails, scriptFailed, ""},
	{scriptAsked, scriptFails, scriptDropped, ""},
	{scriptAsked, scriptWorks, scriptWorked, "the engine writes down that a script starts before it does"},
	{scriptRunning, scriptInterrupted, scriptUnknown, ""},
	{scriptRunning, scriptRedone, scriptAsked, ""},
	{scriptIdle, scriptDrops, scriptDropped, ""},
	{scriptAsked, scriptDrops, scriptDropped, ""},
})

// quiesceState is where the way down stands. The way back is [Debt].
type quiesceState string

const (
	quiesceIdle     quiesceState = ""
	quiesceChecking quiesceState = "checking" // window, script and state once more, right before
	quiesceSending  quiesceState = "sending"
	quiesceWaiting  quiesceState = "waiting" // the request came back, accepted or of unknown outcome
	quiesceReached  quiesceState = "reached"
	quiesceRefused  quiesceState = "refused"
	quiesceTimedOut quiesceState = "timed out"
	quiesceFailed   quiesceState = "failed" // the target reports an error
)

type quiesceEvent string

const (
	quiesceTurn     quiesceEvent = "its turn"
	quiesceSends    quiesceEvent = "checked"
	quiesceAnswered quiesceEvent = "accepted, or the answer is lost"
	quiesceRefuses  quiesceEvent = "refused"
	quiesceReads    quiesceEvent = "read: not yet, or not readable"
	quiesceReaches  quiesceEvent = "read: quiesced"
	quiesceErrs     quiesceEvent = "read: error"
	quiesceTimesOut quiesceEvent = "time-out"
)

var quiesces = newTable("quiesce", "The way down of a target.", []row[quiesceState, quiesceEvent]{
	{quiesceIdle, quiesceTurn, quiesceChecking, ""},
	{quiesceChecking, quiesceSends, quiesceSending, ""},
	{quiesceSending, quiesceAnswered, quiesceWaiting, ""},
	{quiesceSending, quiesceRefuses, quiesceRefused, ""},
	{quiesceSending, quiesceTimesOut, quiesceTimedOut, ""},
	{quiesceWaiting, quiesceReads, quiesceWaiting, ""},
	{quiesceWaiting, quiesceReaches, quiesceReached, ""},
	{quiesceWaiting, quiesceErrs, quiesceFailed, ""},
	{quiesceWaiting, quiesceTimesOut, quiesceTimedOut, ""},
})

// captureState is where the capture of one variant stands.
type captureState string

const (
	captureIdle   captureState = ""
	captureAsking captureState = "asking"
	captureLeft   captureState = "device done" // the device need not stay down for the rest
	captureDone   captureState = "captured"
	captureFailed captureState = "failed"
)

type captureEvent string

const (
	captureBegins captureEvent = "begun"
	captureAgain  captureEvent = "failed in a way that may pass"
	captureLeaves captureEvent = "the device has done its part"
	captureEnds   captureEvent = "staged"
	captureFails  captureEvent = "failed"
)

var captures = newTable("capture", "The capture of one variant.", []row[captureState, captureEvent]{
	{captureIdle, captureBegins, captureAsking, ""},
	{captureAsking, captureAgain, captureAsking, ""},
	{captureLeft, captureAgain, captureLeft, "only a secure backup tells that the device is done, and none is made twice"},
	{captureAsking, captureLeaves, captureLeft, ""},
	{captureLeft, captureLeaves, captureLeft, ""},
	{captureAsking, captureEnds, captureDone, ""},
	{captureLeft, captureEnds, captureDone, ""},
	{captureAsking, captureFails, captureFailed, ""},
	{captureLeft, captureFails, captureFailed, ""},
})

// depositState is where the files stand that a capture leaves on the device.
type depositState string

const (
	depositNone     depositState = ""
	depositOwed     depositState = "owed"
	depositRemoving depositState = "removing"
	depositRemoved  depositState = "removed"
	depositStays    depositState = "stays" // it could not be removed, and is still owed
)

type depositEvent string

const (
	depositMade      depositEvent = "may be on the device"
	depositTakenBack depositEvent = "start taken back"
	depositBegins    depositEvent = "its turn"
	depositAgain     depositEvent = "failed in a way that may pass"
	depositRemoves   depositEvent = "removed"
	depositFails     depositEvent = "failed"
)

var deposits = newTable("deposit", "The files that a capture leaves on the device.", []row[depositState, depositEvent]{
	{depositNone, depositMade, depositOwed, ""},
	{depositOwed, depositTakenBack, depositNone, ""},
	{depositOwed, depositBegins, depositRemoving, ""},
	{depositRemoving, depositAgain, depositRemoving, ""},
	{depositRemoving, depositRemoves, depositRemoved, ""},
	{depositRemoving, depositFails, depositStays, ""},
})

// telling is what the history says of the way back.
type telling string

const (
	toldNothing       telling = ""
	toldReturn        telling = "return"
	toldReturnWaiting telling = "return, waiting"
	toldRescue        telling = "return on error"
	toldRescueWaiting telling = "return on error, waiting"
)

type tellingEvent string

const (
	tellsReturn  tellingEvent = "begun"
	tellsRescue  tellingEvent = "begun after a failure"
	tellsWaiting tellingEvent = "the target is waited for"
)

var tellings = newTable("telling", "What the history of a task says of the way back.", []row[telling, tellingEvent]{
	{toldNothing, tellsReturn, toldReturn, ""},
	{toldNothing, tellsRescue, toldRescue, ""},
	{toldReturn, tellsWaiting, toldReturnWaiting, ""},
	{toldRescue, tellsWaiting, toldRescueWaiting, ""},
})

// copyState is where the copy at one destination stands.
type copyState string

const (
	copyIdle     copyState = ""
	copyLost     copyState = "lost"     // the pre-check found the destination unusable
	copyQueued   copyState = "queued"   // waits for a place; that costs no time-out
	copyAway     copyState = "away"     // waits, and the destination does not answer; the time-out counts
	copyStoring  copyState = "storing"  // one variant after the other, then the manifest
	copyPausing  copyState = "pausing"  // an attempt failed, and the next is not due
	copyAgain    copyState = "again"    // waits for a place for the next attempt
	copyStored   copyState = "stored"   // the manifest stands: the set is whole
	copyFailed   copyState = "failed"   // something may have been left at the destination
	copyUnserved copyState = "unserved" // given up before anything was sent
)

type copyEvent string

const (
	copyLoses    copyEvent = "pre-check failed"
	copyBegins   copyEvent = "its turn"
	copyLeaves   copyEvent = "the destination does not answer"
	copyReturns  copyEvent = "the destination answers again"
	copyAdmitted copyEvent = "admitted"
	copyVariant  copyEvent = "a variant stands"
	copyPauses   copyEvent = "failed in a way that may pass"
	copyResumes  copyEvent = "the pause is over, or was interrupted"
	copyStores   copyEvent = "the manifest stands"
	copyFails    copyEvent = "refused, failed or timed out"
)

var copies = newTable("copy", "The copy of a set at one destination.", []row[copyState, copyEvent]{
	{copyIdle, copyLoses, copyLost, ""},
	{copyIdle, copyBegins, copyQueued, ""},
	{copyQueued, copyLeaves, copyAway, ""},
	{copyAway, copyReturns, copyQueued, ""},
	{copyQueued, copyAdmitted, copyStoring, ""},
	{copyAway, copyAdmitted, copyStoring, ""},
	{copyAgain, copyAdmitted, copyStoring, ""},
	{copyStoring, copyVariant, copyStoring, ""},
	{copyStoring, copyPauses, copyPausing, ""},
	{copyPausing, copyResumes, copyAgain, ""},
	{copyStoring, copyStores, copyStored, ""},
	{copyQueued, copyFails, copyUnserved, ""},
	{copyAway, copyFails, copyUnserved, ""},
	{copyStoring, copyFails, copyFailed, ""},
	{copyPausing, copyFails, copyFailed, ""},
	{copyAgain, copyFails, copyFailed, ""},
})
