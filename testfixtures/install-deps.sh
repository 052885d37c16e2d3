#!/usr/bin/env bash
# Installs, from Debian's packages and only when root, what the tests need and
# this machine lacks: real servers, and the tools that the benchmarks compare with.
set -euo pipefail

declare -A package=(
  [sshd]=openssh-server [sftp]=openssh-client [ssh-keygen]=openssh-client
  [ganesha.nfsd]=nfs-ganesha [rpcbind]=rpcbind [unshare]=util-linux [ip]=iproute2
  [gcc]=gcc [curl]=curl [xmllint]=libxml2-utils [unzip]=unzip [ps]=procps
)
export PATH="$PATH:/usr/sbin:/sbin"
missing=()
for tool in "${!package[@]}"; do
  command -v "$tool" >/dev/null 2>&1 || missing+=("${package[$tool]}")
done
# These are not commands on the path.
compgen -G '/usr/lib/*/ganesha/libfsalvfs.so' >/dev/null || missing+=(nfs-ganesha-vfs)
[ -x /usr/lib/openssh/sftp-server ] || missing+=(openssh-sftp-server)
[ ${#missing[@]} -eq 0 ] && exit 0

if [ "$(id -u)" -ne 0 ] || ! command -v apt-get >/dev/null 2>&1; then
  echo "The tests need these Debian packages; install them and try again: ${missing[*]}" >&2
  exit 1
fi
echo "Installing what the tests need: ${missing[*]}"
export DEBIAN_FRONTEND=noninteractive
apt-get update -qq
apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
