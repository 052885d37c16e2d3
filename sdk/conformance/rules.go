package conformance

import (
	_ "embed"

	"github.com/dprun/dprun/sdk/prose"
	"github.com/dprun/dprun/sdk/schema"
)

// ruleTexts hold of each rule what must hold, why, and the remedy.
//
//go:embed rules.txt
var ruleTexts string

// rules lists all rules in the order in which they are asked.
func rules() []rule {
	texts := map[string]prose.Section{}
	for s := range prose.Sections(ruleTexts) {
		texts[s.Name] = s
	}
	all := []rule{
		{Rule{ID: "describe/pure", ReadOnly: true}, describePure},
		{Rule{ID: "describe/complete", ReadOnly: true}, describeComplete},
		{Rule{ID: "config/valid", ReadOnly: true}, configValid},
		{Rule{ID: "config/required", ReadOnly: true}, configRequired},
		{Rule{ID: "config/values", ReadOnly: true}, configValues},
		{Rule{ID: "config/unknown", ReadOnly: true}, configUnknown},
		{Rule{ID: "config/refused", ReadOnly: true}, configRefused},
		{Rule{ID: "lifecycle/instances"}, instancesAreIndependent},
		{Rule{ID: "lifecycle/closed", ReadOnly: true}, closedIsClosed},
		{Rule{ID: "lifecycle/orphan", Where: OwnProcess, ReadOnly: true}, orphanEnds},
		{Rule{ID: "check/report", Kind: schema.KindDestination}, checkReport},
		{Rule{ID: "check/clean", Kind: schema.KindDestination, Ability: schema.AbilityList}, checkLeavesNothing},
		{Rule{ID: "store/kept", Kind: schema.KindDestination}, storedComesBack},
		{Rule{ID: "store/empty", Kind: schema.KindDestination}, emptyFile},
		{Rule{ID: "store/verify", Kind: schema.KindDestination}, verifyModes},
		{Rule{ID: "store/progress", Kind: schema.KindDestination}, progressGrows},
		{Rule{ID: "store/location", Kind: schema.KindDestination}, storeLocation},
		{Rule{ID: "store/same", Kind: schema.KindDestination}, sameContent},
		{Rule{ID: "store/overwrite", Kind: schema.KindDestination}, otherContent},
		{Rule{ID: "store/below", Kind: schema.KindDestination}, belowAFile},
		{Rule{ID: "store/hash", Kind: schema.KindDestination}, wrongHash},
		{Rule{ID: "store/source", Kind: schema.KindDestination}, incompleteSource},
		{Rule{ID: "store/temporary", Kind: schema.KindDestination, Ability: schema.AbilitySweep}, failedStoresLeaveNothing},
		{Rule{ID: "store/cancelled", Kind: schema.KindDestination}, cancelledStore},
		{Rule{ID: "store/paths", Kind: schema.KindDestination}, badPaths},
		{Rule{ID: "store/names", Kind: schema.KindDestination, Ability: schema.AbilityList}, namesAreKept},
		{Rule{ID: "store/unicode", Kind: schema.KindDestination, Ability: schema.AbilityList}, unicodeNames},
		{Rule{ID: "store/long", Kind: schema.KindDestination, Ability: schema.AbilityList}, longNames},
		{Rule{ID: "store/parallel", Kind: schema.KindDestination}, concurrentStores},
		{Rule{ID: "store/race", Kind: schema.KindDestination}, racingStores},
		{Rule{ID: "fetch/missing", Kind: schema.KindDestination, Ability: schema.AbilityRead, ReadOnly: true}, notFetched},
		{Rule{ID: "fetch/overwrite", Kind: schema.KindDestination, Ability: schema.AbilityRead}, fetchNeverOverwrites},
		{Rule{ID: "fetch/cancelled", Kind: schema.KindDestination, Ability: schema.AbilityRead}, cancelledFetch},
		{Rule{ID: "sum/now", Kind: schema.KindDestination, Ability: schema.AbilitySum}, sumIsOfNow},
		{Rule{ID: "sum/missing", Kind: schema.KindDestination, Ability: schema.AbilitySum, ReadOnly: true}, nothingHasNoSum},
		{Rule{ID: "list/sorted", Kind: schema.KindDestination, Ability: schema.AbilityList}, listIsSorted},
		{Rule{ID: "list/prefix", Kind: schema.KindDestination, Ability: schema.AbilityList}, listKeepsToPrefix},
		{Rule{ID: "list/missing", Kind: schema.KindDestination, Ability: schema.AbilityList, ReadOnly: true}, missingIsEmpty},
		{Rule{ID: "delete/gone", Kind: schema.KindDestination, Ability: schema.AbilityDelete}, deletedIsGone},
		{Rule{ID: "delete/again", Kind: schema.KindDestination, Ability: schema.AbilityDelete}, deletedAgain},
		{Rule{ID: "sweep/final", Kind: schema.KindDestination, Ability: schema.AbilitySweep}, sweepKeepsFinalNames},
		{Rule{ID: "crash/unpublished", Kind: schema.KindDestination, Where: OwnProcess}, killedDuring},
		{Rule{ID: "crash/published", Kind: schema.KindDestination, Where: OwnProcess}, killedAfter},
		{Rule{ID: "sweep/own", Kind: schema.KindDestination, Ability: schema.AbilitySweep, Where: OwnProcess}, sweepRemovesOwn},
		{Rule{ID: "leftovers/listed", Kind: schema.KindDestination, Ability: schema.AbilityLeftovers, Where: OwnProcess}, leftoversAreListed},
		{Rule{ID: "sweep/owner", Kind: schema.KindDestination, Ability: schema.AbilitySweep, Where: OwnProcess}, sweepKeepsOthers},
		{Rule{ID: "sweep/age", Kind: schema.KindDestination, Ability: schema.AbilitySweep, Where: OwnProcess}, sweepKeepsYoung},
		{Rule{ID: "hook/success", Kind: schema.KindHook}, hookSucceeds},
		{Rule{ID: "hook/output", Kind: schema.KindHook}, hookOutput},
		{Rule{ID: "hook/failure", Kind: schema.KindHook}, hookFails},
		{Rule{ID: "hook/cancelled", Kind: schema.KindHook}, hookCancelled},
		{Rule{ID: "hook/deadline", Kind: schema.KindHook}, hookDeadline},
		{Rule{ID: "hook/parallel", Kind: schema.KindHook}, hookConcurrent},
		{Rule{ID: "hook/ended", Kind: schema.KindHook, Where: OwnProcess}, hookEnded},
		{Rule{ID: "source/identity", Kind: schema.KindSource, ReadOnly: true}, sameIdentity},
		{Rule{ID: "source/domains", Kind: schema.KindSource, ReadOnly: true}, domainsOnce},
		{Rule{ID: "source/variants", Kind: schema.KindSource, ReadOnly: true}, withWork(variantsNamed)},
		{Rule{ID: "source/absent", Kind: schema.KindSource, ReadOnly: true}, withWork(absentDomain)},
		{Rule{ID: "source/state", Kind: schema.KindSource, ReadOnly: true}, absentState},
		{Rule{ID: "source/capture", Kind: schema.KindSource}, withWork(capturesWhatItNames)},
		{Rule{ID: "source/budget", Kind: schema.KindSource}, withWork(capturesWithinBudget)},
		{Rule{ID: "source/again", Kind: schema.KindSource}, withWork(cancelledCapture)},
		{Rule{ID: "source/quiesce", Kind: schema.KindSource}, quiescing(quiesces)},
		{Rule{ID: "source/unquiesce", Kind: schema.KindSource}, quiescing(unquiesceTwice)},
		{Rule{ID: "rehearse/own", Kind: schema.KindSource, Ability: schema.AbilityRehearse}, withWork(rehearsesOwn)},
		{Rule{ID: "rehearse/damaged", Kind: schema.KindSource, Ability: schema.AbilityRehearse}, withWork(rehearsesDamaged)},
		{Rule{ID: "rehearse/absent", Kind: schema.KindSource, Ability: schema.AbilityRehearse}, withWork(rehearsesAbsent)},
		{Rule{ID: "restore/own", Kind: schema.KindSource, Ability: schema.AbilityRestore}, onRestorer(restoresOwn)},
		{Rule{ID: "restore/refused", Kind: schema.KindSource, Ability: schema.AbilityRestore}, onRestorer(restoreRefuses)},
		{Rule{ID: "restore/domains", Kind: schema.KindSource, Ability: schema.AbilityRestore}, onRestorer(restoreDomains)},
		{Rule{ID: "leaks/goroutines", Where: SameAsTest}, leavesNoGoroutine},
		{Rule{ID: "leaks/descriptors", Where: OwnProcess}, leavesNoDescriptor},
		{Rule{ID: "leaks/directory"}, leavesNoFile},
		{Rule{ID: "leaks/processes", Where: OwnProcess}, leavesNoProcess},
		{Rule{ID: "secrets/answers"}, secretsInAnswers},
		{Rule{ID: "secrets/logs"}, secretsInLogs},
		{Rule{ID: "secrets/processes", Where: OwnProcess}, secretsInProcesses},
	}
	for i := range all {
		r := &all[i].Rule
		t := texts[r.ID]
		r.Holds, r.Why, r.Remedy = t.Field("holds"), t.Field("why"), t.Field("remedy")
	}
	return all
}
