'use strict';

// An SFTP server of the npm package ssh2, answered from the file system.
// Arguments: port, host key, authorized keys, directory.

const { promises: fs, readFileSync, statSync } = require('fs');
const path = require('path');
const { Server, utils } = require('ssh2');

const { STATUS_CODE, flagsToString } = utils.sftp;
const [port, hostKey, authorizedKeys, directory] = process.argv.slice(2);
const key = readFileSync(hostKey);
const allowed = utils.parseKey(readFileSync(authorizedKeys));
const owner = statSync(directory);
process.setgroups([]);
process.setgid(owner.gid);
process.setuid(owner.uid);

function code(err) {
  switch (err.code) {
    case 'ENOENT': return STATUS_CODE.NO_SUCH_FILE;
    case 'EACCES':
    case 'EPERM': return STATUS_CODE.PERMISSION_DENIED;
    default: return STATUS_CODE.FAILURE;
  }
}

function serve(sftp) {
  const files = new Map();
  let next = 0;
  const on = (request, answer) => sftp.on(request, async (id, ...args) => {
    try {
      await answer(id, ...args);
    } catch (err) {
      sftp.status(id, code(err));
    }
  });
  const done = (request, act) => on(request, async (id, ...args) => {
    await act(...args);
    sftp.status(id, STATUS_CODE.OK);
  });
  const file = (handle) => {
    const f = files.get(handle.toString('hex'));
    if (f === undefined) throw new Error('no such handle');
    return f;
  };
  const remember = (f) => {
    const handle = Buffer.alloc(4);
    handle.writeUInt32BE(next++);
    files.set(handle.toString('hex'), f);
    return handle;
  };
  const set = async (name, attrs) => {
    if (attrs.mode !== undefined) await fs.chmod(name, attrs.mode & 0o7777);
  };

  on('OPEN', async (id, name, flags, attrs) => {
    sftp.handle(id, remember(await fs.open(name, flagsToString(flags), attrs.mode)));
  });
  on('READ', async (id, handle, offset, length) => {
    const { bytesRead, buffer } = await file(handle).read(Buffer.alloc(length), 0, length, offset);
    if (bytesRead === 0) sftp.status(id, STATUS_CODE.EOF);
    else sftp.data(id, buffer.subarray(0, bytesRead));
  });
  done('WRITE', async (handle, offset, data) => {
    await file(handle).write(data, 0, data.length, offset);
  });
  on('FSTAT', async (id, handle) => sftp.attrs(id, await file(handle).stat()));
  done('FSETSTAT', async (handle, attrs) => {
    if (attrs.mode !== undefined) await file(handle).chmod(attrs.mode & 0o7777);
  });
  done('CLOSE', async (handle) => {
    const f = file(handle);
    files.delete(handle.toString('hex'));
    if (f.close) await f.close();
  });
  on('OPENDIR', async (id, name) => {
    const names = await fs.readdir(name);
    sftp.handle(id, remember({ name, names }));
  });
  on('READDIR', async (id, handle) => {
    const { name, names } = file(handle);
    if (names.length === 0) {
      sftp.status(id, STATUS_CODE.EOF);
      return;
    }
    const some = names.splice(0, 100);
    sftp.name(id, await Promise.all(some.map(async (filename) => ({
      filename, longname: filename, attrs: await fs.lstat(path.join(name, filename)),
    }))));
  });
  on('STAT', async (id, name) => sftp.attrs(id, await fs.stat(name)));
  on('LSTAT', async (id, name) => sftp.attrs(id, await fs.lstat(name)));
  done('SETSTAT', set);
  done('REMOVE', (name) => fs.unlink(name));
  done('RMDIR', (name) => fs.rmdir(name));
  done('MKDIR', (name) => fs.mkdir(name));
  done('RENAME', async (from, to) => {
    // The protocol's rename refuses a name that exists.
    await fs.link(from, to);
    await fs.unlink(from);
  });
  on('REALPATH', async (id, name) => {
    sftp.name(id, [{ filename: path.resolve(directory, name), longname: name, attrs: {} }]);
  });
  sftp.on('EXTENDED', (id) => sftp.status(id, STATUS_CODE.OP_UNSUPPORTED));
}

new Server({ hostKeys: [key] }, (client) => {
  client.on('authentication', (login) => {
    const good = login.method === 'publickey'
      && login.key.data.equals(allowed.getPublicSSH())
      && (!login.signature || allowed.verify(login.blob, login.signature, login.hashAlgo) === true);
    if (good) login.accept();
    else login.reject(['publickey']);
  });
  client.on('session', (accept) => {
    accept().on('sftp', (acceptSFTP) => serve(acceptSFTP()));
  });
  client.on('error', () => {});
}).listen(Number(port), '127.0.0.1');
