"""An SFTP server of Paramiko: its classes, answered from the file system."""

import os
import socket
import sys
import threading

import paramiko
from paramiko import SFTPAttributes, SFTPHandle, SFTPServer, SFTPServerInterface

port, host_key, authorized_keys, directory = sys.argv[1:]
KEY = paramiko.Ed25519Key.from_private_key_file(host_key)
with open(authorized_keys) as lines:
    ALLOWED = [line.split()[1] for line in lines]


class Login(paramiko.ServerInterface):
    def check_channel_request(self, kind, chanid):
        return paramiko.OPEN_SUCCEEDED

    def get_allowed_auths(self, username):
        return "publickey"

    def check_auth_publickey(self, username, key):
        if key.get_base64() in ALLOWED:
            return paramiko.AUTH_SUCCESSFUL
        return paramiko.AUTH_FAILED


def answered(call):
    """The SFTP answer to a call of the operating system."""

    def wrapped(*args):
        try:
            result = call(*args)
        except OSError as e:
            return SFTPServer.convert_errno(e.errno)
        return paramiko.SFTP_OK if result is None else result

    return wrapped


class Handle(SFTPHandle):
    @answered
    def stat(self):
        return SFTPAttributes.from_stat(os.fstat(self.readfile.fileno()))

    @answered
    def chattr(self, attr):
        SFTPServer.set_file_attr(self.filename, attr)


class Files(SFTPServerInterface):
    @answered
    def list_folder(self, path):
        return [
            SFTPAttributes.from_stat(os.lstat(os.path.join(path, name)), name)
            for name in os.listdir(path)
        ]

    @answered
    def stat(self, path):
        return SFTPAttributes.from_stat(os.stat(path))

    @answered
    def lstat(self, path):
        return SFTPAttributes.from_stat(os.lstat(path))

    @answered
    def open(self, path, flags, attr):
        mode = attr.st_mode if attr is not None and attr.st_mode is not None else 0o666
        fd = os.open(path, flags, mode)
        how = {os.O_WRONLY: "wb", os.O_RDWR: "r+b"}.get(flags & os.O_ACCMODE, "rb")
        handle = Handle(flags)
        handle.filename = path
        handle.readfile = handle.writefile = os.fdopen(fd, how)
        return handle

    @answered
    def remove(self, path):
        os.remove(path)

    @answered
    def rename(self, old, new):
        os.rename(old, new)

    @answered
    def posix_rename(self, old, new):
        os.replace(old, new)

    @answered
    def mkdir(self, path, attr):
        os.mkdir(path)

    @answered
    def rmdir(self, path):
        os.rmdir(path)

    @answered
    def chattr(self, path, attr):
        SFTPServer.set_file_attr(path, attr)

    def canonicalize(self, path):
        return os.path.normpath(os.path.join(directory, path))


def serve(connection):
    transport = paramiko.Transport(connection)
    transport.add_server_key(KEY)
    transport.set_subsystem_handler("sftp", SFTPServer, Files)
    try:
        transport.start_server(server=Login())
    except (paramiko.SSHException, EOFError):
        transport.close()


owner = os.stat(directory)
os.setgroups([])
os.setgid(owner.st_gid)
os.setuid(owner.st_uid)
listener = socket.create_server(("127.0.0.1", int(port)))
while True:
    accepted, _ = listener.accept()
    threading.Thread(target=serve, args=(accepted,), daemon=True).start()
