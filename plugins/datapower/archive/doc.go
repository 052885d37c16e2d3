// Package archive reads and verifies the exports of a gateway: the zip of one domain, the nested zip of several domains with the
// files they share, and the directory of a secure backup with its manifest.
//
// It is pure: it reads what it is given and reports, whatever the bytes are. No claim of an archive makes it panic, or use more
// memory than a fixed amount per worker and a bounded record per entry.
//
// It reads every byte of every entry once: it computes CRC-32 and the hash from the export's own list in the same pass, with entries
// side by side on the available cores. It remembers what compressed data inflates to, from one archive to the next ([Memo]) and
// already while an archive is received ([Ahead]); then it reads the data only for its key.
package archive
