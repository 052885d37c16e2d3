package fabricate

import (
	"fmt"
	"math/rand/v2"
	"strings"
)

// Words that make a text deflate about as well as real configuration does:
// many repeated tags, few distinct values.
var (
	textTags   = []string{"LocalAddress", "LocalPort", "PersistentConnections", "StylePolicy", "RequestType", "InOrderMode", "MatchPattern", "RewriteErrors", "XMLManager", "TransactionTimeout", "AllowCompression", "FollowRedirects"}
	textValues = []string{"on", "off", "default", "unprocessed", "preprocessed", "soap", "enabled"}
	textLines  = []string{
		"  <xsl:template match=\"/*[local-name()='Envelope']/*[local-name()='Body']\">\n",
		"    <xsl:variable name=\"payload\" select=\"dp:variable('var://context/orders/payload')\"/>\n",
		"    <dp:set-variable name=\"'var://service/routing-url'\" value=\"$target\"/>\n",
		"    <xsl:apply-templates select=\"@*|node()\" mode=\"strip-namespace\"/>\n",
		"    <xsl:if test=\"string-length(normalize-space($payload)) &gt; 0\">\n",
		"    </xsl:if>\n  </xsl:template>\n",
	}
)

// configText returns size bytes that read like configuration and style
// sheets, always the same ones for the same seed. The more noise, the less
// they deflate: longer texts need more of it to come out like real ones.
func configText(seed uint64, size, noise int) []byte {
	r := rand.New(rand.NewPCG(seed, 0x6470_7369_6d00))
	var b strings.Builder
	b.Grow(size + 256)
	b.WriteString("<?xml version=\"1.0\" encoding=\"utf-8\"?>\n<xsl:stylesheet version=\"1.0\" xmlns:xsl=\"http://www.w3.org/1999/XSL/Transform\">\n")
	for b.Len() < size {
		switch r.IntN(6) {
		case 0, 1:
			fmt.Fprintf(&b, "<!-- rule %d: reviewed, see change", r.IntN(1000))
			for range noise {
				fmt.Fprintf(&b, " %08x", r.Uint32())
			}
			b.WriteString(" -->\n")
		case 2, 3:
			b.WriteString(textLines[r.IntN(len(textLines))])
		default:
			tag := textTags[r.IntN(len(textTags))]
			fmt.Fprintf(&b, "<%s>%s</%s>\n", tag, textValues[r.IntN(len(textValues))], tag)
		}
	}
	return []byte(b.String()[:size])
}
