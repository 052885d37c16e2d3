# Starts Erlang's SFTP server on a port of the loopback interface, for the scripts
# that need it. They get: server (its pid), port, options and client (how OpenSSH
# speaks to it), and a directory store.
erlang_sftpd() {
  local name
  for name in asn1 base crypto public-key ssh; do
    apt-get -qq -o APT::Sandbox::User=root download "erlang-$name=1:25.2.3+dfsg-1+deb12u4"
  done
  for name in *.deb; do dpkg-deb -x "$name" package; done
  mkdir -m 700 host login store
  ssh-keygen -q -t ed25519 -N '' -f host/ssh_host_ed25519_key
  ssh-keygen -q -t ed25519 -N '' -f user
  cp user.pub login/authorized_keys
  export ROOTDIR=$PWD/package/usr/lib/erlang EMU=beam PROGNAME=erl BINDIR
  BINDIR=$(echo "$ROOTDIR"/erts-*/bin)
  "$BINDIR/erlexec" -boot "$ROOTDIR/releases/25/start_clean" -noshell -noinput -eval '
    application:ensure_all_started(ssh),
    {ok, Daemon} = ssh:daemon({127, 0, 0, 1}, 0, [{system_dir, "host"}, {user_dir, "login"}, {subsystems, [ssh_sftpd:subsystem_spec([])]}]),
    {ok, Info} = ssh:daemon_info(Daemon),
    io:format("port ~p~n", [proplists:get_value(port, Info)]),
    timer:sleep(infinity).' >log 2>&1 &
  server=$!
  for _ in $(seq 300); do grep -q '^port' log && break; sleep 0.1; done
  port=$(sed -n 's/^port //p' log)
  options=(-i user -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -o LogLevel=ERROR)
  client=(ssh "${options[@]}" -p "$port" -s 127.0.0.1 sftp)
}
