package datapower_test

import (
	"strings"
	"testing"

	"github.com/dprun/dprun/plugins/datapower"
	"github.com/dprun/dprun/plugins/datapower/archive"
	simconfig "github.com/dprun/dprun/testfixtures/dpsim/config"
)

// What is not certain is not forgiven.
func TestWhatAPolicyLeavesOut(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		accepted, filtered string
		class, name        string
		want               bool
	}{
		{"", "*/*/xml/matching?Name=m.*", "Matching", "m1", true},
		{"", "*/*/xml/matching?Name=m.*", "Matching", "x-m1", false}, // whether patterns are anchored is not known
		{"", "*/*/xml/matching?Name=m.*", "XMLManager", "m1", false},
		{"", "*/orders/*", "XMLManager", "m1", true},
		{"", "*/other/*", "XMLManager", "m1", false},
		{"", "192.0.2.1/*/*", "XMLManager", "m1", false}, // of the gateway that exported
		{"", "*/*/xml/*", "XMLManager", "m1", false},
		{"", "*/*/xml/xmlmgr?Name=(?=m)m1", "XMLManager", "m1", false}, // Perl's
		{"", "*/*/xml/xmlmgr?Property=CacheSize&Value=1", "XMLManager", "m1", false},
		{"", "*/*/xml/xmlmgr", "ClassOfTomorrow", "m1", false},
		{"*/*/xml/matching", "", "XMLManager", "m1", true},
		{"*/*/xml/matching", "", "Matching", "m1", false},
		{"*/*/xml/matching", "", "ClassOfTomorrow", "m1", false},
		{"*/*/*", "", "ClassOfTomorrow", "m1", false},
	} {
		if got := datapower.LeavesOut(c.accepted, c.filtered, "orders", c.class, c.name); got != c.want {
			t.Errorf("accept %q, filter %q: leaves out %s %s: %t", c.accepted, c.filtered, c.class, c.name, got)
		}
	}
}

func TestWhatAPolicyExplains(t *testing.T) {
	t.Parallel()
	const match = "*/*/xml/xmlmgr?Name=m&Property=CacheSize"
	changed := func(path, old string) archive.Property {
		return archive.Property{Path: path, Change: archive.Changed, Old: old, New: "1"}
	}
	for _, c := range []struct {
		match, kind, property, value string
		d                            archive.Property
		want                         bool
	}{
		{match, "change", "", "7", changed("CacheSize", "7"), true},
		{match, "change", "", "${size}", changed("CacheSize", "70"), true},
		{match, "change", "", "${size}", changed("CacheSize", "7"), false},
		{match, "change", "", "7", changed("CacheSizes", "7"), false},
		{"*/*/xml/xmlmgr?Name=other&Property=CacheSize", "change", "", "7", changed("CacheSize", "7"), false},
		{match, "delete", "", "", archive.Property{Path: "CacheSize", Change: archive.Added, New: "1"}, true},
		{match, "delete", "", "", changed("CacheSize", ""), false},
		{"*/*/xml/xmlmgr?Name=m", "add", "CacheSize", "7", archive.Property{Path: "CacheSize", Change: archive.Removed, Old: "7"}, true},
		{match, "change", "", "7", archive.Property{Path: "CacheSize", Change: archive.Changed, Hidden: true}, true},
		{match + "&Value=1", "change", "", "7", archive.Property{Path: "CacheSize", Change: archive.Changed, Hidden: true}, false},
	} {
		if got := datapower.Explains(c.match, c.kind, c.property, c.value, map[string]string{"size": "70"}, "orders", "XMLManager", "m", c.d); got != c.want {
			t.Errorf("%s %s to %q explains %+v: %t", c.kind, c.match, c.value, c.d, got)
		}
	}
}

// The names are those of the model that the simulator has.
func TestClassesHaveTheNamesOfTheModel(t *testing.T) {
	t.Parallel()
	for class, uri := range datapower.URIs() {
		if known, ok := simconfig.Classes()[class]; ok && uri != "" && known.URI != uri {
			t.Errorf("%s is %s, and %s in the model", class, uri, known.URI)
		}
	}
	for class := range simconfig.Classes() {
		if s, ok := datapower.Starting()[class]; simconfig.Starts(class) != "" && !simconfig.Classes()[class].DefaultOnly && !ok {
			t.Errorf("a drill does not know that %s starts something: %+v", class, s)
		}
	}
}

// Of what nobody knows every object is disabled by its name, and a handler that cannot be is refused.
func TestADrillDisablesWhatIsNotKnown(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		o         archive.Object
		statement string
		refused   bool
	}{
		{archive.Object{Class: "ClassOfTomorrow", Name: "a.b", AdminState: "enabled"}, "*/*/*?Name=a\\.b&amp;Property=mAdminState&amp;Value=enabled", false},
		{archive.Object{Class: "ClassOfTomorrow", Name: "a&b", AdminState: "enabled"}, "", false},
		{archive.Object{Class: "ClassOfTomorrow", Name: "a"}, "", false},
		{archive.Object{Class: "NewSourceProtocolHandler", Name: "a", AdminState: "enabled"}, "*/*/*?Name=a&amp;", false},
		{archive.Object{Class: "NewSourceProtocolHandler", Name: "a", AdminState: "disabled"}, "", false},
		{archive.Object{Class: "NewSourceProtocolHandler", Name: "a"}, "", true},
		{archive.Object{Class: "NewSourceProtocolHandler", Name: "a&b", AdminState: "enabled"}, "", true},
		{archive.Object{Class: "HTTPSourceProtocolHandler", Name: "a"}, "", true},
		{archive.Object{Class: "CloudConnectorService", Name: "a", AdminState: "enabled"}, "", true},
		{archive.Object{Class: "Matching", Name: "a"}, "", false},
	} {
		text, beyond := datapower.DrillPolicy(c.o)
		more := strings.Contains(text, "*/*/*?Name=")
		if more != (c.statement != "") || !strings.Contains(text, c.statement) || (beyond != "") != c.refused {
			t.Errorf("%+v: refused for %q, statement %t", c.o, beyond, more)
		}
	}
}
