package fabricate

import (
	"sync"
)

// Factory makes exports. It keeps the texts that bulk entries repeat, so one
// factory should serve a whole fleet. It is safe for concurrent use.
type Factory struct {
	fillers [3]func() []payload // by class, largest first
	aux     func() []entry
}

// The repeated texts before compression, largest first. They come out at
// about 1 MB, 64 KB and 2 KB, six to seven times smaller.
var fillerText = [3]struct{ size, noise int }{{6_500_000, 3}, {420_000, 3}, {14_000, 1}}

const fillerVariants = 4

// NewFactory returns an empty factory; texts are made at their first use.
func NewFactory() *Factory {
	f := &Factory{}
	for class, text := range fillerText {
		f.fillers[class] = sync.OnceValue(func() []payload {
			out := make([]payload, fillerVariants)
			for i := range out {
				out[i] = deflate(configText(uint64(class*100+i), text.size+i*37, text.noise))
			}
			return out
		})
	}
	f.aux = sync.OnceValue(func() []entry {
		out := []entry{{name: "dp-aux/", dir: true}}
		for i, a := range auxFiles {
			out = append(out, entry{
				name: "dp-aux/" + a.name, uri: "webgui:///" + a.name, location: "dp-aux", internal: true,
				payload: deflate(configText(uint64(1000+i), a.size, 1)),
			})
		}
		return out
	})
	return f
}

// auxFiles are the files that every export carries, in the order of real
// archives, with sizes in proportion to the real ones.
var auxFiles = []struct {
	name string
	size int
}{
	{"basetypes.xml", 6_000}, {"drMgmt.xml", 48_000}, {"map-dmz.xsl", 2_500},
	{"management.xsl", 3_500}, {"SchemaUtil.xsl", 4_500}, {"clixform.xsl", 9_000},
}
