# The rest of the work on a captured archive, one after the other.
unzip -tqq "$WORK/archive.zip"
unzip -p "$WORK/archive.zip" | sha1sum >/dev/null
mkdir -p "$WORK/destination"
cp "$WORK/archive.zip" "$WORK/destination/archive.zip"
sync "$WORK/destination/archive.zip"
sha256sum "$WORK/destination/archive.zip" >/dev/null
