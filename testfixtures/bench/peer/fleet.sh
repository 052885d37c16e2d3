# One domain of the fleet, as an operator's script does it: DEVICE DOMAIN.
set -euo pipefail
device=$1 domain=$2
reply=$WORK/$device-$domain.xml
archive=$WORK/$device-$domain.zip
printf "$REQUEST" "$domain" | curl -K "$GATEWAYS/$device.curl" --data-binary @- -o "$reply"
xmllint --huge --xpath 'string(//*[local-name()="file"])' "$reply" | base64 -d >"$archive"
if [ -n "${CHECK-}" ]; then
  unzip -tqq "$archive"
  sha256sum "$archive" >/dev/null
fi
if [ -n "${SFTP-}" ]; then
  echo "put $archive $DEST/$device-$domain.zip" | $SFTP
  if [ -n "${READ_BACK-}" ]; then
    echo "get $DEST/$device-$domain.zip $archive.back" | $SFTP
    sha256sum "$archive.back" >/dev/null
  fi
else
  mkdir -p "$DEST/$device"
  cp "$archive" "$DEST/$device/$domain.zip"
fi
