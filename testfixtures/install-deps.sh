#!/usr/bin/env bash
# Installs, from Debian's packages and only when root, what the tests need and
# this machine lacks: real servers, and the tools that the benchmarks compare with.
# Arguments are further commands that are packages of the same name.
set -euo pipefail

declare -A package=(
  [sshd]=openssh-server [sftp]=openssh-client [ssh-keygen]=openssh-client
  [ganesha.nfsd]=nfs-ganesha [rpcbind]=rpcbind [unshare]=util-linux [ip]=iproute2
  [gcc]=gcc [curl]=curl [jq]=jq [xmllint]=libxml2-utils [unzip]=unzip [ps]=procps [sqlite3]=sqlite3
  [mysecureshell]=mysecureshell [proftpd]=proftpd-core [dropbear]=dropbear-bin
  [tinysshd]=tinysshd [rclone]=rclone [systemd-analyze]=systemd
  [age]=age [age-keygen]=age
  [apache2]=apache2-bin [openssl]=openssl
  [node]=nodejs [npm]=npm [chromium]=chromium
  [exim4]=exim4-daemon-light [rsyslogd]=rsyslog [promtool]=prometheus
)
# What is no command.
declare -A package_of=(
  [/usr/lib/*/ganesha/libfsalvfs.so]=nfs-ganesha-vfs
  [/usr/lib/*/rsyslog/lmnsd_ossl.so]=rsyslog-openssl
  [/usr/share/fonts/truetype/dejavu/DejaVuSans.ttf]=fonts-dejavu-core
  [/usr/lib/openssh/sftp-server]=openssh-sftp-server
  [/usr/libexec/gesftpserver]=gesftpserver
  [/usr/lib/proftpd/mod_sftp.so]=proftpd-mod-crypto
  [/usr/lib/python3/dist-packages/asyncssh]=python3-asyncssh
  [/usr/lib/python3/dist-packages/paramiko]=python3-paramiko
)
export PATH="$PATH:/usr/sbin:/sbin"
for tool in "$@"; do package[$tool]=$tool; done
missing=()
for tool in "${!package[@]}"; do
  command -v "$tool" >/dev/null 2>&1 || missing+=("${package[$tool]}")
done
for file in "${!package_of[@]}"; do
  compgen -G "$file" >/dev/null || missing+=("${package_of[$file]}")
done
[ ${#missing[@]} -eq 0 ] && exit 0

if [ "$(id -u)" -ne 0 ] || ! command -v apt-get >/dev/null 2>&1; then
  echo "The tests need these Debian packages; install them and try again: ${missing[*]}" >&2
  exit 1
fi
echo "Installing what the tests need: ${missing[*]}"
# The packages' own services stay down: tests start servers themselves.
policy=/usr/sbin/policy-rc.d
if [ ! -e "$policy" ]; then
  printf '#!/bin/sh\nexit 101\n' >"$policy"
  chmod 755 "$policy"
  trap 'rm -f "$policy"' EXIT
fi
export DEBIAN_FRONTEND=noninteractive
# Another apt may be at work: its lock is waited for.
apt=(apt-get -qq -o DPkg::Lock::Timeout=600)
# The lists' lock has no option to wait for it in every version.
for try in $(seq 60); do
  "${apt[@]}" update && break
  [ "$try" -lt 60 ] || exit 1
  sleep 5
done
"${apt[@]}" install -y --no-install-recommends "${missing[@]}" >/dev/null
