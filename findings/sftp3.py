"""Speaks version 3 of SFTP with a server program over its standard input and output.

Numbers and names are those of draft-ietf-secsh-filexfer-02.
"""

import struct
import subprocess

READ, WRITE, APPEND, CREAT, TRUNC, EXCL = 1, 2, 4, 8, 16, 32
STATUS = {
    0: "OK", 1: "EOF", 2: "NO_SUCH_FILE", 3: "PERMISSION_DENIED", 4: "FAILURE",
    5: "BAD_MESSAGE", 6: "NO_CONNECTION", 7: "CONNECTION_LOST", 8: "OP_UNSUPPORTED",
}


class Server:
    def __init__(self, *argv, **more):
        self.process = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, **more)
        self.id = 0
        self._send(struct.pack(">BI", 1, 3))
        kind, body = self._receive()
        assert kind == 2, "no VERSION"
        self.version = struct.unpack(">I", body[:4])[0]

    def _send(self, packet):
        self.process.stdin.write(struct.pack(">I", len(packet)) + packet)
        self.process.stdin.flush()

    def _receive(self):
        size = self.process.stdout.read(4)
        assert len(size) == 4, "the server ended"
        packet = self.process.stdout.read(struct.unpack(">I", size)[0])
        return packet[0], packet[1:]

    def ask(self, kind, *fields):
        """Sends a request of numbers (32 bits), offsets (a tuple, 64 bits) and strings."""
        self.id += 1
        packet = struct.pack(">BI", kind, self.id)
        for f in fields:
            if isinstance(f, tuple):
                packet += struct.pack(">Q", *f)
            elif isinstance(f, int):
                packet += struct.pack(">I", f)
            else:
                f = f.encode() if isinstance(f, str) else f
                packet += struct.pack(">I", len(f)) + f
        self._send(packet)
        kind, body = self._receive()
        assert struct.unpack(">I", body[:4])[0] == self.id
        body = body[4:]
        if kind == 101:
            code = struct.unpack(">I", body[:4])[0]
            return STATUS.get(code, "status %d" % code), b""
        return "", body

    def open(self, name, flags):
        """Gives the status ("" when it worked) and the handle."""
        status, body = self.ask(3, name, flags, 0)
        return status, body[4:]

    def close(self, handle):
        return self.ask(4, handle)[0]

    def write(self, handle, offset, data):
        return self.ask(6, handle, (offset,), data)[0]

    def remove(self, name):
        return self.ask(13, name)[0]

    def names(self, directory):
        """The names in a directory."""
        _, body = self.ask(11, directory)
        handle, out = body[4:], []
        while True:
            status, body = self.ask(12, handle)
            if status:
                self.close(handle)
                return sorted(n for n in out if n not in (".", ".."))
            count, at = struct.unpack(">I", body[:4])[0], 4
            for _ in range(count):
                name, at = self._text(body, at)
                _, at = self._text(body, at)
                out.append(name.decode())
                flags = struct.unpack(">I", body[at:at + 4])[0]
                at += 4 + 8 * bool(flags & 1) + 8 * bool(flags & 2) + 4 * bool(flags & 4) + 8 * bool(flags & 8)

    @staticmethod
    def _text(body, at):
        n = struct.unpack(">I", body[at:at + 4])[0]
        return body[at + 4:at + 4 + n], at + 4 + n

    def end(self):
        self.process.stdin.close()
        self.process.wait()
