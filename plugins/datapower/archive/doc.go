// Package archive reads and verifies what a gateway exports: the zip of one domain, the nested zip of several domains with the
// files they share, and the directory of a secure backup with its manifest.
//
// It is pure: it reads what it is given and reports, whatever the bytes are. Nothing that an archive claims makes it panic or use
// more memory than a fixed amount per worker and a bounded record per entry. Every byte of every entry is read once: CRC-32
// and the hash that the export's own list gives are computed in the same pass, entries side by side on the available cores. What compressed data inflates to is remembered, over archives ([Memo]) and
// from while an archive is received ([Ahead]); it is then read for its key alone.
package archive
