// Package archive reads and verifies the exports of a gateway: the zip of one domain, the nested zip of several
// domains with the files they share, and the directory of a secure backup with its manifest.
//
// It is pure: it reads what it is given and reports, whatever the bytes are. No claim of an archive can make it
// panic, or use more memory than a fixed amount for each worker and a bounded record for each entry.
//
// It reads every byte of every entry once. In the same pass it computes the CRC-32 and the hash that the export's
// own list uses; entries are read in parallel on the available cores. It remembers what compressed data inflates
// to, from one archive to the next ([Memo]) and while an archive is still being received ([Ahead]). Data that it
// remembers is read only to compute its key.
package archive
