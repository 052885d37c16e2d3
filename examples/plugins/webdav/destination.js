// Keeps files on a WebDAV server: all or nothing, and nothing is ever replaced.
'use strict';

const { createHash, randomBytes } = require('node:crypto');
const fs = require('node:fs');
const { pipeline } = require('node:stream/promises');
const { Transform } = require('node:stream');
const { milliseconds, trusted } = require('./config');
const { Failure, from } = require('./failure');
const { Client, explain, pause, refused } = require('./webdav');

const cleanupLimit = 20e3; // ms for cleaning up after a call was given up
const publishLimit = 60e3; // ms; the end of a call does not cut publishing, because the outcome would be unknown half way
const claimLimit = 2 * publishLimit; // ms after which a claim must be from a process that was killed
const inTheWay = "change the destination's `path`, or find out what it is before you move it away";

const dirOf = (path) => path.slice(0, Math.max(0, path.lastIndexOf('/')));
const join = (dir, name) => (dir === '' ? name : `${dir}/${name}`);
const base = (path) => path.slice(path.lastIndexOf('/') + 1);
const sha256 = (text) => createHash('sha256').update(text).digest('hex');
const byBytes = (a, b) => Buffer.compare(Buffer.from(a.path), Buffer.from(b.path));

// Characters that control a terminal; dprun refuses the same ones.
const steers = /[\p{Cc}\u2028\u2029\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]/u;

// checkPath refuses a path that cannot be a final name below the directory.
function checkPath(path) {
  const parts = path.split('/');
  const bad = parts.some((p) => p === '' || p === '.' || p === '..' || p.startsWith('.dprun-'));
  if (bad || path.includes('\\') || steers.test(path)) throw new Failure('precondition', 'bad_config', `${JSON.stringify(path)} is not a path below the destination's directory`);
  if (parts.some((p) => Buffer.byteLength(p) > 255)) throw new Failure('precondition', 'bad_config', `a component of ${JSON.stringify(path)} has more than 255 bytes`, "change the destination's `path`");
}

// Temporary names are ".dprun-OWNER-RANDOM.part". Different owners stay different.
function marked(owner) {
  const s = Array.from(Buffer.from(owner), (c) => (/[A-Za-z0-9._-]/.test(String.fromCharCode(c)) ? String.fromCharCode(c) : `=${c.toString(16).padStart(2, '0')}`)).join('');
  return s.length > 120 ? `=${sha256(owner)}` : s;
}
const tempName = (owner) => `.dprun-${marked(owner)}-${randomBytes(8).toString('hex')}.part`;

// counter passes bytes on, counts and hashes them.
function counter(report = () => {}) {
  const hash = createHash('sha256');
  const t = new Transform({ transform(part, _, next) {
    t.bytes += part.length;
    hash.update(part);
    report(t.bytes);
    next(null, part);
  } });
  t.bytes = 0;
  t.sum = () => hash.digest('hex');
  return t;
}

class Destination {
  constructor(config, env) {
    let ca;
    try {
      ca = trusted(config.ca_file || undefined);
    } catch (err) {
      throw new Failure('precondition', 'bad_config', `read the certificates of the server: ${err.message}`, 'correct ca_file');
    }
    this.client = new Client({ ...config, ca, timeout: milliseconds(config.timeout) });
    this.log = env.log;
  }

  close() {
    this.client.close();
  }

  // doing runs f, and puts in front of its failure what was attempted.
  async doing(what, path, f) {
    try {
      return await f();
    } catch (err) {
      if (!(err instanceof Failure)) throw err;
      throw err.after(`${what} ${this.client.href(path)}`);
    }
  }

  check(signal) {
    return this.doing('check', '', async () => {
      await this.directory('', signal);
      const [temp, final] = [tempName('check'), tempName('check')];
      const content = Buffer.from('dprun checks whether it can store here; this file can be removed\n');
      try {
        await this.client.expect([200, 201, 204], 'PUT', temp, { headers: { 'Content-Length': content.length }, body: content, signal, harmless: false });
        const got = await this.hash(temp, signal);
        if (got.bytes !== content.length || got.sum !== sha256(content)) throw new Failure('corrupt', '', 'what was read back is not what was written', 'look at its disk');
        await this.move(temp, final, signal);
      } finally {
        for (const name of [temp, final]) await this.remove(name);
      }
      return { ...await this.client.space(signal), location: this.client.href(''), warnings: ['files cannot be made durable there: a power failure may destroy the latest ones'] };
    });
  }

  async store(r, signal, progress) {
    checkPath(r.path);
    const file = await this.open(r);
    try {
      return await this.doing('store', r.path, () => this.upload(r, file, signal, progress));
    } finally {
      await file.close();
    }
  }

  // open opens the local file, whose size must be the announced one.
  async open(r) {
    let file;
    try {
      file = await fs.promises.open(r.source, fs.constants.O_RDONLY | fs.constants.O_NOFOLLOW);
      const { size } = await file.stat();
      if (size === r.size) return file;
      throw new Error(`it has ${size} bytes, and ${r.size} were captured`);
    } catch (err) {
      if (file) await file.close();
      throw new Failure('corrupt', 'source_io', `read the staged file ${r.source}: ${err.message}`, 'look at the local disk; capture again');
    }
  }

  async upload(r, file, signal, progress) {
    const dir = dirOf(r.path);
    await this.directory(dir, signal);
    const verify = r.verify === 'VERIFY_SENT' ? r.verify : 'VERIFY_READ_BACK';
    const report = (verified, existed) => ({
      location: this.client.href(r.path), size: r.size, sha256: r.sha256, verified, existed, durable: false, mode_kept: true, // WebDAV has no modes, and the server cannot be asked about its disk
    });
    if (await this.stands(r, signal)) return report('VERIFY_READ_BACK', true);
    const temp = join(dir, tempName(r.owner));
    try {
      await this.put(temp, r, file, signal, progress);
      if (verify === 'VERIFY_READ_BACK') await this.readBack(temp, r, signal);
      const there = await this.client.stat(temp, signal);
      if (!there || there.size !== r.size) throw new Failure('corrupt', 'mismatch', `${r.size} bytes were sent, the server has ${there ? there.size : 'none'}`, 'look at its disk and log');
      if (signal.aborted) throw signal.reason;
      return report(verify, await this.publish(temp, r, signal));
    } catch (err) {
      await this.remove(temp);
      throw err;
    }
  }

  async put(temp, r, file, signal, progress) {
    const source = file.createReadStream({ start: 0, autoClose: false });
    const count = counter(progress);
    source.on('error', (err) => count.destroy(new Failure('corrupt', 'source_io', `read the staged file ${r.source}: ${err.message}`, 'look at the local disk; capture again')));
    try {
      const options = { headers: { 'Content-Length': r.size, 'Content-Type': 'application/octet-stream' }, body: source.pipe(count), signal, harmless: false };
      await this.client.expect([200, 201, 204], 'PUT', temp, options);
    } finally {
      source.destroy();
    }
    if (count.sum() !== r.sha256) throw new Failure('corrupt', 'source_io', `the staged file ${r.source} is not the one that was captured: its content has changed`, 'look at the local disk; capture again');
  }

  async readBack(temp, r, signal) {
    const { bytes, sum } = await this.hash(temp, signal);
    if (bytes !== r.size || sum !== r.sha256) {
      throw new Failure('corrupt', 'mismatch', `what was read back (${bytes} bytes) is not what was sent (${r.size} bytes)`, 'check its disk and memory before you trust it with anything');
    }
  }

  // get reads a file to the end of the streams in `into`.
  async get(path, signal, ...into) {
    const res = await this.client.send('GET', path, { signal });
    if (res.statusCode !== 200) {
      res.resume();
      throw refused(res);
    }
    try {
      await pipeline(res, ...into, { signal });
    } catch (err) {
      throw explain(err, signal);
    }
  }

  async hash(path, signal) {
    const count = counter();
    await this.get(path, signal, count.resume());
    return { bytes: count.bytes, sum: count.sum() };
  }

  // stands reports whether the final name holds the same content. Other content is a failure.
  async stands(r, signal) {
    const there = await this.client.stat(r.path, signal);
    if (!there) return false;
    if (!there.collection && there.size === r.size && (await this.hash(r.path, signal)).sum === r.sha256) return true;
    throw new Failure('exists', 'occupied', `something else is there already (${there.collection ? 'a directory' : `${there.size} bytes`})`, "find out whose it is (a set has a manifest, *.dprun.json, beside it) before you move it away, or make the destination's `path` distinct, for example with ${stamp}");
  }

  // move gives a file another name. It refuses a name that is taken.
  move(from, to, signal) {
    return this.client.expect([201], 'MOVE', from, { headers: { Destination: this.client.href(to), Overwrite: 'F' }, signal, harmless: false });
  }

  // publish gives the file its final name. It reports whether the same content was there already.
  async publish(temp, r, signal) {
    const release = await this.claim(r.path, signal);
    const uncut = AbortSignal.timeout(publishLimit);
    try {
      await this.move(temp, r.path, uncut);
      return false;
    } catch (err) { // the answer may have been lost, or another store was faster
      const taken = from(err).kind === 'exists';
      let same;
      try {
        same = await this.stands(r, AbortSignal.timeout(cleanupLimit));
      } catch (why) {
        if (taken || from(why).kind === 'exists') throw why;
        throw new Failure(from(err).kind, from(err).reason, `${err.message}; it is not known whether the file has its final name`, err.remedy);
      }
      if (!same) throw err;
      await this.remove(temp);
      return taken;
    } finally {
      await release();
    }
  }

  // claim makes a directory that reserves a final name while a store publishes under
  // it. Apache checks whether a name is taken and renames afterwards, so two stores at
  // the same time would both succeed. Making a directory is atomic on every server.
  async claim(path, signal) {
    const name = join(dirOf(path), `.dprun-claim-${sha256(base(path)).slice(0, 32)}/`);
    const until = Date.now() + publishLimit;
    for (let refusals = 0; ;) {
      // The end of the call does not cut this: a claim that nobody knows about would stay.
      const { status } = await this.client.expect([201, 403, 405], 'MKCOL', name, { signal: AbortSignal.timeout(cleanupLimit) });
      if (status === 201) break;
      const there = await this.client.stat(name, signal);
      if (!there && status === 403 && ++refusals > 5) throw refused({ statusCode: status, headers: {} });
      if (there && there.age > claimLimit) await this.remove(name);
      if (Date.now() > until) throw new Failure('unavailable', '', 'somebody else publishes under this name, and does not end', `if no dprun runs, remove ${this.client.href(name)}`);
      await pause(signal);
    }
    return () => this.remove(name);
  }

  // directory makes sure that a directory exists, and makes what is missing below the configured one.
  async directory(dir, signal, tries = 3) {
    const there = await this.client.stat(dir, signal);
    if (there && there.collection) return;
    if (there) throw new Failure('exists', 'occupied', `${this.client.href(dir)} is there and is not a directory`, inTheWay);
    if (dir === '') throw new Failure('not_found', 'no_directory', `the directory ${this.client.href('')} is not there`, 'make it at the server, or correct url');
    await this.directory(dirOf(dir), signal);
    // Without the slash Apache's mod_dir answers 301 if the directory exists. If another store was
    // faster, mod_dav answers 403.
    const { status } = await this.client.expect([201, 403, 405, 409], 'MKCOL', `${dir}/`, { signal });
    if (status === 201) return;
    if (tries === 0) throw refused({ statusCode: status, headers: {} });
    await this.directory(dir, signal, tries - 1);
  }

  // remove tries to remove a temporary object, whatever ended the call.
  async remove(path) {
    try {
      await this.client.expect([200, 204, 404], 'DELETE', path, { signal: AbortSignal.timeout(cleanupLimit) });
    } catch (err) {
      this.log('warn', 'something temporary is left; a sweep removes it', { object: this.client.href(path), error: err.message });
    }
  }

  fetch(r, signal, progress) {
    checkPath(r.path);
    return this.doing('fetch', r.path, async () => {
      const there = await this.client.stat(r.path, signal);
      if (!there || there.collection) throw new Failure('not_found', 'no_such_file', 'no such file is there');
      const count = counter(progress);
      const local = (why) => new Failure('internal', 'staging_io', `write ${r.file}: ${why.message}`);
      let file;
      try {
        file = await fs.promises.open(r.file, 'wx', 0o600);
      } catch (err) {
        throw local(err);
      }
      try {
        const out = file.createWriteStream();
        await this.get(r.path, signal, count, out.on('error', (err) => { out.why = local(err); })).catch((err) => { throw out.why && !signal.aborted ? out.why : err; });
        if (count.bytes !== there.size) throw new Failure('corrupt', 'mismatch', `it has ${there.size} bytes, ${count.bytes} were received`, "fetch it again; if it stays so, look at the destination's disk");
        return { size: count.bytes, sha256: count.sum() };
      } catch (err) {
        fs.rmSync(r.file, { force: true });
        throw err;
      }
    });
  }

  // walk visits everything below a directory, temporary objects included.
  async walk(dir, signal, visit) {
    for (const e of await this.client.children(dir, signal) || []) {
      await visit(e);
      if (e.collection && !base(e.path).startsWith('.dprun-')) await this.walk(e.path, signal, visit);
    }
  }

  list(r, signal) {
    if (r.prefix !== '') checkPath(r.prefix);
    return this.doing('list', r.prefix, async () => {
      const out = [];
      await this.walk(r.prefix, signal, (e) => {
        if (e.collection || base(e.path).startsWith('.dprun-')) return;
        out.push({ path: e.path, size: e.size, modified: Number.isNaN(e.modified) ? null : { seconds: e.modified / 1000 } });
      });
      return out.sort(byBytes);
    });
  }

  delete(r, signal) {
    checkPath(r.path);
    return this.doing('delete', r.path, async () => {
      const there = await this.client.stat(r.path, signal);
      if (there && there.collection) throw new Failure('precondition', 'unsupported', 'it is a directory, and would go with all that is in it');
      if (there) await this.client.expect([200, 204, 404], 'DELETE', r.path, { signal });
      return {};
    });
  }

  sweep(r, signal) {
    if (r.prefix !== '') checkPath(r.prefix);
    const olderThan = r.older_than ? Number(r.older_than.seconds) * 1000 + r.older_than.nanos / 1e6 : 0;
    return this.doing('sweep', r.prefix, async () => {
      const removed = [];
      await this.walk(r.prefix, signal, async (e) => {
        const [, owner] = /^\.dprun-(.*)-[0-9a-f]{16}\.part$/.exec(base(e.path)) || [];
        const ours = owner !== undefined && (r.owner === '' || owner === marked(r.owner)) && !(olderThan > 0 && !(e.age >= olderThan));
        if (e.collection || !ours) return;
        await this.client.expect([200, 204, 404], 'DELETE', e.path, { signal });
        removed.push(e.path);
      });
      return { removed };
    });
  }
}

module.exports = { Destination, checkPath, marked };
