package status

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/dprun/dprun/testfixtures/need"
)

// table lists the codes of the reference product's table, in its order.
var table = strings.Fields(`
WAITING_FOR_PRE_VALIDATION
SKIPPED_APIC_DOMAIN
SKIPPED_DEVICE_NOT_AVAILABLE
SKIPPED_NO_DEVICES_MATCHING_PATTERN
DEVICE_NOT_IN_DR_MODE
NOT_ENOUGH_FREE_SPACE_ON_DEVICE
CERT_DOESNT_EXIST_ON_DEVICE
SKIPPED_BECAUSE_ERROR_POLICY
EXECUTION_CANCELED_BECAUSE_ERROR_POLICY
PLAN_FAILED_PRE_SCRIPT
EXECUTION_CANCELED_BECAUSE_A_DAY_PASSED
EXECUTION_CANCELED_BECAUSE_MAINTENANCE_WINDOW
READY_FOR_EXECUTION
SENT_TO_MDB
EXECUTION_STARTED
EXECUTION_PRE_CHECKS_STARTED
EXECUTION_PRE_CHECKS_FOUND_QUIESCED_DOMAIN_IN_DEVICE
EXECUTION_PRE_CHECKS_DOMAIN_IS_ALREADY_QUIESCED
EXECUTION_PRE_CHECKS_NFS_OUT_OF_SPACE
EXECUTION_PRE_CHECKS_NFS_DIRECTORY_NOT_FOUND
EXECUTION_PRE_CHECKS_DEVICE_NOT_AVAILABLE
EXECUTION_CHECK_MANIFEST_WAITING_FOR_ANOTHER_BACKUP
EXECUTION_CHECK_MANIFEST_ANOTHER_SECURE_BACKUP_IS_RUNNING_CHECK_DEVICE
EXECUTION_WAITING_FOR_PRE_SCRIPT
EXECUTION_PRE_SCRIPT_ERROR
EXECUTION_QUIESCE_STARTED
EXECUTION_QUIESCE_WAITING_FOR_QUIESCE
EXECUTION_QUIESCE_TIMEOUT_OCCURRED
EXECUTION_EXPORT_DOMAIN_PERSISTED_STARTED
EXECUTION_EXPORT_DOMAIN_NON_PERSISTED_STARTED
EXECUTION_EXPORT_DOMAIN_PERSISTED_SOMA_ERROR
EXECUTION_EXPORT_DOMAIN_NON_PERSISTED_SOMA_ERROR
EXECUTION_EXPORT_DOMAIN_PERSISTED_EMPTY_FILE
EXECUTION_EXPORT_DOMAIN_NON_PERSISTED_EMPTY_FILE
EXECUTION_EXPORT_DOMAIN_PERSISTED_SAVEFILE_EXCEPTION
EXECUTION_EXPORT_DOMAIN_NON_PERSISTED_SAVEFILE_EXCEPTION
EXECUTION_EXPORT_DOMAIN_PERSISTED_DONE
EXECUTION_EXPORT_DOMAIN_NON_PERSISTED_DONE
EXECUTION_SECURE_BACKUP_STARTED
EXECUTION_SECURE_BACKUP_UNSUCCESSFUL
EXECUTION_SECURE_BACKUP_WRONG_FILE_HASH
EXECUTION_SECURE_BACKUP_WRONG_FILE_SIZE
EXECUTION_SECURE_BACKUP_EMPTY_FILE
EXECUTION_UNQUIESCE_STARTED
EXECUTION_UNQUIESCE_ON_ERROR_STARTED
EXECUTION_UNQUIESCE_WAITING_FOR_UNQUIESCE
EXECUTION_UNQUIESCE_ON_ERROR_WAITING_FOR_UNQUIESCE
EXECUTION_UNQUIESCE_TIMEOUT_OCCURRED
EXECUTION_UNQUIESCE_ON_ERROR_TIMEOUT_OCCURRED
EXECUTION_FAILED_WITH_INTERNAL_EXCEPTION
EXECUTION_FAILED_LONG_RUNNING
FAILED_NO_FILES_DOWNLOADED
SUCCESS
`)

func TestReferenceCodesAreThoseOfTheTable(t *testing.T) {
	t.Parallel()
	if len(table) != 53 {
		t.Fatalf("the table holds %d codes, want 53", len(table))
	}
	var got []string
	for _, e := range Catalogue()[:len(table)] {
		got = append(got, string(e.Code))
		if e.Origin != OriginReference || e.Level != LevelTask {
			t.Errorf("%s: origin %s, level %s", e.Code, e.Origin, e.Level)
		}
	}
	if d := cmp.Diff(table, got); d != "" {
		t.Errorf("codes (-table +catalogue):\n%s", d)
	}
}

func TestCodesOfTasksComeBeforeThoseOfRuns(t *testing.T) {
	t.Parallel()
	runs := false
	for _, e := range Catalogue()[len(table):] {
		runs = runs || e.Level == LevelRun
		if runs && e.Level != LevelRun || !runs && e.Origin != OriginOwn {
			t.Errorf("%s: origin %s, level %s", e.Code, e.Origin, e.Level)
		}
	}
}

// declared reads the constants of type Code out of codes.go.
func declared(t *testing.T) []string {
	t.Helper()
	f := need.Value(parser.ParseFile(token.NewFileSet(), "codes.go", nil, 0))(t)
	var out []string
	for _, d := range f.Decls {
		g, ok := d.(*ast.GenDecl)
		if !ok || g.Tok != token.CONST {
			continue
		}
		for _, s := range g.Specs {
			v := s.(*ast.ValueSpec)
			if id, ok := v.Type.(*ast.Ident); !ok || id.Name != "Code" {
				t.Errorf("%s is no Code", v.Names[0].Name)
				continue
			}
			c := need.Value(strconv.Unquote(v.Values[0].(*ast.BasicLit).Value))(t)
			out = append(out, c)
		}
	}
	return out
}

func TestEveryDeclaredCodeIsInTheCatalogueOnce(t *testing.T) {
	t.Parallel()
	want := declared(t)
	var got []string
	for _, e := range Catalogue() {
		got = append(got, string(e.Code))
	}
	slices.Sort(want)
	slices.Sort(got)
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("codes (-codes.go +catalogue):\n%s", d)
	}
	if c := slices.Compact(slices.Clone(got)); len(c) != len(got) {
		t.Errorf("%d codes stand in the catalogue more than once", len(got)-len(c))
	}
}

// unfinished matches what a text must not hold: formatting verbs, angle
// brackets for something to fill in, ellipses, marks of unfinished work.
var unfinished = regexp.MustCompile(`%[a-z+#]|<\w[^>]*>|\.\.\.|…|(?i)\b(tbd|lorem|xxx|to` + `do|fix` + `me)\b`)

func TestTextsAreComplete(t *testing.T) {
	t.Parallel()
	for _, e := range Catalogue() {
		for name, text := range map[string]string{"meaning": e.Meaning, "cause": e.Cause, "action": e.Action} {
			switch {
			case text == "" || text != strings.TrimSpace(text):
				t.Errorf("%s: %s %q is empty or padded", e.Code, name, text)
			case !strings.HasSuffix(text, "."):
				t.Errorf("%s: %s %q does not end with a full stop", e.Code, name, text)
			case unfinished.MatchString(text):
				t.Errorf("%s: %s holds %q", e.Code, name, unfinished.FindString(text))
			case strings.Count(text, "`")%2 != 0:
				t.Errorf("%s: %s has an unpaired backquote", e.Code, name)
			}
		}
		if strings.Contains(strings.TrimSuffix(e.Meaning, "."), ". ") {
			t.Errorf("%s: meaning %q is more than one sentence", e.Code, e.Meaning)
		}
	}
}

func TestPhasesAreInOrder(t *testing.T) {
	t.Parallel()
	for _, e := range Catalogue() {
		if len(e.Phases) == 0 || !slices.IsSorted(e.Phases) || e.Phases[0] < 0 || e.Phases[len(e.Phases)-1] > 13 {
			t.Errorf("%s: phases %v", e.Code, e.Phases)
		}
		if len(slices.Compact(slices.Clone(e.Phases))) != len(e.Phases) {
			t.Errorf("%s: a phase stands twice in %v", e.Code, e.Phases)
		}
	}
}

func TestClassesFollowTheTable(t *testing.T) {
	t.Parallel()
	classes := []Class{ClassInterim, ClassSkipped, ClassInvalid, ClassCancelled, ClassFailed, ClassCritical, ClassSuccess}
	for _, e := range Catalogue() {
		c := string(e.Code)
		var want Class
		switch {
		case strings.HasPrefix(c, "SKIPPED_"):
			want = ClassSkipped
		case strings.HasPrefix(c, "EXECUTION_CANCELED_"):
			want = ClassCancelled
		case strings.HasSuffix(c, "_STARTED") && e.Code != RecoveredNeverStarted, strings.HasSuffix(c, "_DONE"), strings.Contains(c, "_WAITING_FOR_"):
			want = ClassInterim
		case strings.Contains(c, "_TIMEOUT_OCCURRED") && strings.Contains(c, "UNQUIESCE"), e.Code == FailedLongRunning, e.Code == CheckManifestAnotherSecureBackup, e.Code == UnquiesceNotHealthy:
			want = ClassCritical
		case e.Code == Success:
			want = ClassSuccess
		case strings.HasPrefix(c, "CERT_"), e.Code == DeviceNotInDRMode, e.Code == NotEnoughFreeSpaceOnDevice:
			want = ClassInvalid
		case strings.HasPrefix(c, "EXECUTION_"), e.Code == FailedNoFilesDownloaded:
			want = ClassFailed
		default:
			want = e.Class
		}
		if e.Class != want || !slices.Contains(classes, e.Class) {
			t.Errorf("%s: class %s, want %s", e.Code, e.Class, want)
		}
		if e.Neutral != (e.Code == SkippedAPICDomain) {
			t.Errorf("%s: neutral %t", e.Code, e.Neutral)
		}
	}
}

func TestLookupFindsEveryCodeAndNothingElse(t *testing.T) {
	t.Parallel()
	for _, e := range Catalogue() {
		if got, ok := Lookup(e.Code); !ok || got.Meaning != e.Meaning {
			t.Errorf("Lookup(%s) = %v, %t", e.Code, got, ok)
		}
	}
	if _, ok := Lookup("NO_SUCH_CODE"); ok {
		t.Error("Lookup found a code that does not exist")
	}
}

// A device may be down when these are read: the way to bring it back comes
// before anything else.
func TestUnquiesceTimeoutsOpenWithTheAppliancesCommands(t *testing.T) {
	t.Parallel()
	for _, c := range []Code{UnquiesceTimeoutOccurred, UnquiesceOnErrorTimeoutOccurred} {
		e, _ := Lookup(c)
		at := -1
		for _, s := range []string{"configure terminal", "appliance-unquiesce", "domain-unquiesce DOMAIN", "show domains", "dprun recover", "dprun owed"} {
			i := strings.Index(e.Action, s)
			if i <= at {
				t.Errorf("%s: %q is missing from the action, or too early", c, s)
			}
			at = i
		}
	}
}

// TestADomainThatIsGoneHaltsNobody, until its task has begun: whatever else
// goes wrong raises the error policy at any time.
func TestADomainThatIsGoneHaltsNobody(t *testing.T) {
	t.Parallel()
	for _, e := range Catalogue() {
		if got, want := e.Halts(false), e.Bad() && e.Code != DomainVanished; got != want {
			t.Errorf("%s raises the error policy before its task begins: %v", e.Code, got)
		}
		if e.Halts(true) != e.Bad() {
			t.Errorf("%s raises the error policy of a task that has begun: %v", e.Code, e.Halts(true))
		}
	}
}

// A word that nobody reads, or a line of an unknown key, would be lost without a sign.
func TestEveryLineOfTheCatalogueIsRead(t *testing.T) {
	t.Parallel()
	var b strings.Builder
	for _, e := range Catalogue() {
		is := fmt.Sprintf("%s %s %s", e.Origin, e.Level, e.Class)
		if e.Neutral {
			is += " neutral"
		}
		if len(e.Phases) > 0 {
			is += " in phases " + strings.Trim(fmt.Sprint(e.Phases), "[]")
		}
		fmt.Fprintf(&b, "\n# %s\nis: %s\nmeaning: %s\ncause: %s\naction: %s\n", e.Code, is, e.Meaning, e.Cause, e.Action)
	}
	if d := cmp.Diff(catalogue[strings.Index(catalogue, "\n# "):], b.String()); d != "" {
		t.Errorf("catalogue.txt (-as it is written +as it is read):\n%s", d)
	}
}
