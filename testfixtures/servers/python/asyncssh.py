"""An SFTP server of AsyncSSH, as its documentation shows one."""

import asyncio
import os
import sys

import asyncssh

port, host_key, authorized_keys, directory = sys.argv[1:]


async def serve():
    key = asyncssh.read_private_key(host_key)
    allowed = asyncssh.read_authorized_keys(authorized_keys)
    owner = os.stat(directory)
    os.setgroups([])
    os.setgid(owner.st_gid)
    os.setuid(owner.st_uid)
    await asyncssh.listen(
        "127.0.0.1",
        int(port),
        server_host_keys=[key],
        authorized_client_keys=allowed,
        sftp_factory=True,
    )
    await asyncio.get_event_loop().create_future()


asyncio.run(serve())
