package browser

import (
	"bytes"
	"cmp"
	"image"
	"image/color"
	"image/png"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"

	"github.com/dprun/dprun/cmd/dprun/web/access"
	"github.com/dprun/dprun/testfixtures/golden"
	"github.com/dprun/dprun/testfixtures/need"
	"github.com/dprun/dprun/testfixtures/site"
)

// images is where the documentation's pictures are.
const images = "../../docs/images"

// largest is how large a picture may be, in bytes.
const largest = 60_000

// TestScreenshots: with -update the pictures of docs/page.md are made anew. Without,
// each that the page shows is there, and small.
func TestScreenshots(t *testing.T) {
	t.Parallel()
	if *golden.Update {
		takeScreenshots(t)
	}
	text := string(need.Value(os.ReadFile("../../docs/page.md"))(t))
	all := need.Value(filepath.Glob(filepath.Join(images, "page-*.png")))(t)
	if n := strings.Count(text, "](images/page-"); n != len(all) || n == 0 {
		t.Errorf("docs/page.md shows %d pictures, and there are %d", n, len(all))
	}
	for _, file := range all {
		if info := need.Value(os.Stat(file))(t); info.Size() >= largest || !strings.Contains(text, filepath.Base(file)) {
			t.Errorf("%s: %d bytes, %d are the most; or docs/page.md does not show it", file, info.Size(), largest)
		}
	}
}

func takeScreenshots(t *testing.T) {
	t.Helper()
	need.Done(t, os.MkdirAll(images, 0o755))
	srv, b := pages(t, &site.Site{Names: site.Plain}), newTab(t)
	b.login(srv.URL, access.Admin)
	for _, s := range []struct {
		name, page, scheme string
		width, height      int64
	}{{"overview", "overview", "light", 1280, 800}, {"overview-phone", "overview", "dark", 360, 800}, {"timeline", "timeline", "light", 1100, 460}, {"nights", "nights", "light", 1100, 220}, {"acknowledge", "acknowledge", "light", 800, 720}} {
		b.look(s.width, s.height, s.scheme)
		b.do(chromedp.Navigate(srv.URL + site.Plain.Addresses()[s.page]))
		shot, err := chromedp.Run(b.ctx, chromedp.CaptureScreenshot())
		need.Done(t, err)
		need.Done(t, os.WriteFile(filepath.Join(images, "page-"+s.name+".png"), small(t, shot), 0o644))
	}
}

// small makes a picture of text smaller: with the colours that it has most of.
func small(t *testing.T, shot []byte) []byte {
	t.Helper()
	full := need.Value(png.Decode(bytes.NewReader(shot)))(t)
	count := map[color.RGBA]int{}
	at := func(x, y int) color.RGBA { return color.RGBAModel.Convert(full.At(x, y)).(color.RGBA) }
	size := full.Bounds()
	for y := range size.Dy() {
		for x := range size.Dx() {
			count[at(x, y)]++
		}
	}
	byCount := slices.SortedFunc(maps.Keys(count), func(a, b color.RGBA) int {
		return cmp.Or(count[b]-count[a], cmp.Compare(a.R, b.R), cmp.Compare(a.G, b.G), cmp.Compare(a.B, b.B))
	})
	var palette color.Palette
	for _, c := range byCount[:min(len(byCount), 48)] {
		palette = append(palette, c)
	}
	index := map[color.RGBA]uint8{}
	for c := range count {
		index[c] = uint8(palette.Index(c))
	}
	out := image.NewPaletted(size, palette)
	for y := range size.Dy() {
		for x := range size.Dx() {
			out.SetColorIndex(x, y, index[at(x, y)])
		}
	}
	var b bytes.Buffer
	need.Done(t, (&png.Encoder{CompressionLevel: png.BestCompression}).Encode(&b, out))
	return b.Bytes()
}
