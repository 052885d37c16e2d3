package fabricate

import (
	"sync"
)

// Factory makes exports. It keeps the texts that bulk entries repeat. It is
// safe for concurrent use.
type Factory struct {
	fillers [3]func() []payload // by class, largest first
	aux     func() []entry      // small, for small exports and for backups
	realAux func() []entry      // of the real sizes
}

// The repeated texts before compression, largest first. They come out at
// about 1 MB, 64 KB and 2 KB, six to seven times smaller.
var fillerText = [3]struct{ size, noise int }{{6_500_000, 3}, {420_000, 3}, {14_000, 1}}

const fillerVariants = 4

// Shared is the factory of every fleet in the process: compressing its texts
// takes longer than most tests.
var Shared = sync.OnceValue(NewFactory)

// NewFactory returns an empty factory; texts are made at their first use.
func NewFactory() *Factory {
	f := &Factory{}
	for class, text := range fillerText {
		f.fillers[class] = sync.OnceValue(func() []payload {
			out := make([]payload, fillerVariants)
			for i := range out {
				text := configText(uint64(class*100+i), text.size+i*37, text.noise)
				out[i] = deflate(text)
				out[i].text = text
			}
			return out
		})
	}
	f.aux = sync.OnceValue(func() []entry { return auxEntries(auxFiles) })
	f.realAux = sync.OnceValue(func() []entry { return auxEntries(realAuxFiles) })
	return f
}

// auxOf are the dp-aux files of an export. Real ones carry more than 5 MB of
// them, the same in every export of a firmware; an export that is too small
// for that, and a backup, gets them in proportion.
func (f *Factory) auxOf(e Export) []entry {
	if e.Nested || e.Size < realAuxFrom {
		return f.aux()
	}
	return f.realAux()
}

func auxEntries(files []auxFile) []entry {
	out := []entry{{name: "dp-aux/", dir: true}}
	for i, a := range files {
		out = append(out, entry{
			name: "dp-aux/" + a.name, uri: "webgui:///" + a.name, location: "dp-aux", internal: true,
			payload: deflate(configText(uint64(1000+i), a.size, 1+min(2, a.size>>20))),
		})
	}
	return out
}

type auxFile struct {
	name string
	size int
}

// auxFiles are the files that every export carries, in the order of real
// archives, with sizes in proportion to the real ones.
var auxFiles = []auxFile{
	{"basetypes.xml", 6_000}, {"drMgmt.xml", 48_000}, {"map-dmz.xsl", 2_500},
	{"management.xsl", 3_500}, {"SchemaUtil.xsl", 4_500}, {"clixform.xsl", 9_000},
}

// realAuxFrom is the size from which an export has dp-aux files as large as
// the real ones, which are about half of it then.
const realAuxFrom = 1_500_000

// realAuxFiles have the sizes of an IDG 10.0.1.5.
var realAuxFiles = []auxFile{
	{"basetypes.xml", 13_692}, {"drMgmt.xml", 5_096_071}, {"map-dmz.xsl", 6_455},
	{"management.xsl", 8_862}, {"SchemaUtil.xsl", 23_995}, {"clixform.xsl", 246_277},
}
