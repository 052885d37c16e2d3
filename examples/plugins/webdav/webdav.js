// WebDAV (RFC 4918) over Node's own HTTP: requests, failures, listings.
'use strict';

const http = require('node:http');
const https = require('node:https');
const { setTimeout: sleep } = require('node:timers/promises');
const { Failure, from } = require('./failure');

const maxText = 64 << 20; // bytes of a listing
const depth0 = '<?xml version="1.0"?><propfind xmlns="DAV:"><prop><resourcetype/><getcontentlength/><getlastmodified/></prop></propfind>';
const room = '<?xml version="1.0"?><propfind xmlns="DAV:"><prop><quota-available-bytes/><quota-used-bytes/></prop></propfind>';

class Client {
  // options: url of a directory, username and password or null, ca (PEM) or undefined, timeout in milliseconds.
  constructor({ url, username, password, ca, timeout }) {
    this.base = new URL(url);
    if (!this.base.pathname.endsWith('/')) this.base.pathname += '/';
    this.timeout = timeout;
    this.module = this.base.protocol === 'https:' ? https : http;
    this.tls = { ca };
    this.agent = new this.module.Agent({ keepAlive: true, maxSockets: 16, ...this.tls });
    this.headers = { 'User-Agent': 'dprun-plugin-webdav' };
    if (username !== null) this.headers.Authorization = `Basic ${Buffer.from(`${username}:${password}`).toString('base64')}`;
  }

  close() {
    this.agent.destroy();
  }

  // href returns the URL of a path below the directory; the empty path is the directory.
  href(path) {
    return this.base.origin + this.base.pathname + path.split('/').map(encodeURIComponent).join('/');
  }

  // send returns the head of the answer; its body must still be read. A request
  // that can be repeated without harm is sent once more if a kept connection
  // turns out to be closed. Other requests use their own connection.
  async send(method, path, { headers = {}, body, signal, harmless = true } = {}) {
    for (;;) {
      try {
        return await this.once(method, path, headers, body, signal, harmless);
      } catch (err) {
        if (!(harmless && err.stale)) throw from(err);
      }
    }
  }

  once(method, path, headers, body, signal, harmless) {
    return new Promise((resolve, reject) => {
      if (signal.aborted) return reject(ended(signal));
      const req = this.module.request(this.href(path), { method, headers: { ...this.headers, ...headers }, signal, ...this.tls, agent: harmless ? this.agent : false });
      req.setTimeout(this.timeout, () => req.destroy(new Failure('timeout', 'stalled', `the server was silent for ${this.timeout / 1000} s`)));
      req.on('response', resolve);
      req.on('error', (err) => {
        const f = explain(err, signal);
        f.stale = req.reusedSocket && err.code === 'ECONNRESET';
        reject(f);
      });
      if (body && body.pipe) body.on('error', (err) => req.destroy(err)).pipe(req);
      else req.end(body);
    });
  }

  // expect sends a request, reads the answer to its end and returns its status,
  // which must be one of the allowed ones. Any other status is a failure. Some
  // servers lock a name during a request on it; a request that was refused for
  // that reason is repeated.
  async expect(allowed, method, path, options, tries = 20) {
    const res = await this.send(method, path, options);
    const text = await read(res, options.signal);
    if (allowed.includes(res.statusCode)) return { status: res.statusCode, headers: res.headers, text };
    if (res.statusCode !== 423 || options.body || tries === 0) throw refused(res);
    await pause(options.signal);
    return this.expect(allowed, method, path, options, tries - 1);
  }

  propfind(allowed, path, depth, body, signal) {
    const headers = { Depth: depth, 'Content-Type': 'application/xml; charset=utf-8', 'Content-Length': Buffer.byteLength(body) };
    return this.expect(allowed, 'PROPFIND', path, { headers, body, signal });
  }

  // stat describes a path; null: it does not exist.
  async stat(path, signal) {
    const { status, headers, text } = await this.propfind([207, 301, 308, 404, 409], path, '0', depth0, signal);
    if (status === 404 || status === 409) return null;
    if (status !== 207) { // for a directory without its slash, Apache redirects to the name with one
      if (String(headers.location).endsWith(`${new URL(this.href(path)).pathname}/`)) return { collection: true };
      throw refused({ statusCode: status, headers });
    }
    return this.entries(text, headers)[0] || null;
  }

  // children lists a directory; null: it does not exist or is not a directory.
  async children(path, signal) {
    const dir = path === '' ? '' : `${path}/`;
    const { status, headers, text } = await this.propfind([207, 404, 409], dir, '1', depth0, signal);
    if (status !== 207) return null;
    const self = decodeURIComponent(new URL(this.href(dir)).pathname).replace(/\/+$/, '');
    const all = this.entries(text, headers);
    if (!all.some((e) => e.pathname === self && e.collection)) return null;
    return all.filter((e) => e.pathname !== self).map((e) => ({ ...e, path: dir + e.pathname.slice(e.pathname.lastIndexOf('/') + 1) }));
  }

  // entries parses a listing: decoded pathname without a final slash, size, modified, and age in
  // milliseconds by the server's clock.
  entries(text, headers) {
    return multistatus(text).map(({ href, collection, ...props }) => {
      let pathname;
      try {
        pathname = decodeURIComponent(new URL(href, this.base).pathname).replace(/\/+$/, '');
      } catch {
        throw new Failure('internal', '', `the server lists a name that is no URL: ${JSON.stringify(href)}`);
      }
      const modified = Date.parse(props.getlastmodified);
      return { pathname, collection: Boolean(collection), size: Number(props.getcontentlength || 0), modified, age: Date.parse(headers.date) - modified };
    });
  }

  // space returns free and total bytes, or -1 if the server does not tell (RFC 4331).
  async space(signal) {
    const { text } = await this.propfind([207], '', '0', room, signal);
    const props = multistatus(text)[0] || {};
    const [free, used] = [props['quota-available-bytes'], props['quota-used-bytes']].map((v) => (/^\d+$/.test(v) ? Number(v) : -1));
    return free < 0 || used < 0 ? { free: -1, total: -1 } : { free, total: free + used };
  }
}

// pause waits between two attempts.
async function pause(signal) {
  await sleep(50 + Math.random() * 100, undefined, { signal }).catch(() => { throw ended(signal); });
}

// read reads a body as text.
async function read(res, signal) {
  const parts = [];
  let n = 0;
  try {
    for await (const part of res) {
      if ((n += part.length) > maxText) throw new Failure('internal', '', `the server's answer has more than ${maxText} bytes`);
      parts.push(part);
    }
  } catch (err) {
    throw explain(err, signal);
  }
  return Buffer.concat(parts).toString('utf8');
}

// ended is the failure of an operation that its signal ended: that of a call, or an AbortSignal.timeout.
const ended = (signal) => (signal.reason instanceof Failure ? signal.reason : new Failure('timeout', 'stalled', 'the server gives no answer'));

// explain turns an error below HTTP into a failure.
function explain(err, signal) {
  if (signal.aborted) return ended(signal);
  if (err instanceof Failure) return err;
  const code = String(err.code);
  if (/CERT|ALTNAME|SELF_SIGNED|VERIFY|ISSUER/.test(code)) {
    return new Failure('denied', 'host_key', `the server's certificate is not trusted: ${err.message}`, 'see that url names the host as its certificate does, and that ca_file holds the certificate of who signed it');
  }
  if (/^(E[A-Z]+|HPE_.*|ERR_SSL.*|EPROTO)$/.test(code)) return new Failure('unavailable', 'unreachable', `the server cannot be reached: ${err.message}`, 'see whether the server runs, and whether a firewall is between');
  return from(err);
}

const classes = {
  401: ['denied', 'bad_credentials', 'check username and password'],
  403: ['denied', 'denied', "give the account the right to write there; some servers also refuse so what they cannot keep, such as a name"],
  404: ['not_found', 'no_such_file', ''],
  405: ['precondition', 'unsupported', 'see that url is a directory that the server serves over WebDAV'],
  409: ['not_found', 'no_directory', 'see that nobody removes directories there'],
  412: ['exists', 'occupied', ''],
  413: ['no_space', 'no_space', 'let the server take larger requests'],
  414: ['precondition', 'bad_config', "shorten the destination's `path`"],
  423: ['unavailable', '', 'see who has locked it'],
  501: ['precondition', 'unsupported', 'see that url is a directory that the server serves over WebDAV'],
  507: ['no_space', 'no_space', 'make room at the server'],
};

// refused returns the failure that an answer means.
function refused({ statusCode, headers, statusMessage }) {
  const said = `the server answers ${statusCode} ${statusMessage || http.STATUS_CODES[statusCode] || ''}`.trim();
  if (statusCode >= 300 && statusCode < 400) return new Failure('precondition', 'unsupported', `${said}, and sends to ${headers.location}`, 'set url to where it sends, if that is right');
  const [kind, reason, remedy] = classes[statusCode] || (statusCode >= 500 || statusCode === 408 || statusCode === 429 ? ['unavailable', 'unreachable', "look at the server's log"] : ['precondition', 'unsupported', "look at the server's log"]);
  return new Failure(kind, reason, said, remedy);
}

const entities = { lt: '<', gt: '>', amp: '&', quot: '"', apos: "'" };
const unescape = (s) => s.replace(/&(?:#x([0-9a-f]+)|#(\d+)|(\w+));/gi, (whole, hex, dec, name) => {
  if (name) return entities[name] || whole;
  const c = hex ? parseInt(hex, 16) : Number(dec);
  return c <= 0x10ffff ? String.fromCodePoint(c) : whole;
});

// multistatus reads the properties that were found (200) in each response. Local
// names are enough, because nothing else in such an answer has the same names.
function multistatus(text) {
  const out = [];
  let [response, found, content] = [null, {}, ''];
  for (const [, cdata, close, tag, rest, plain] of text.matchAll(/<!\[CDATA\[([^]*?)\]\]>|<!--[^]*?-->|<[?!][^>]*>|<(\/?)([^\s/>]+)([^>]*)>|([^<]+)/g)) {
    if (cdata !== undefined) content += cdata;
    else if (plain !== undefined) content += unescape(plain);
    if (tag === undefined) continue;
    const name = tag.slice(tag.indexOf(':') + 1);
    if (!close) {
      content = '';
      if (name === 'response') response = {};
      if (name === 'propstat') found = {};
      if (name === 'collection') found.collection = true;
    }
    if (!response || !(close || rest.endsWith('/'))) continue;
    if (name === 'href' && response.href === undefined) response.href = content.trim();
    else if (name === 'propstat' && / 200( |$)/.test(found.status)) Object.assign(response, found);
    else if (name === 'response') out.push(response);
    else if (/^(status|getcontentlength|getlastmodified|quota-(available|used)-bytes)$/.test(name)) found[name] = content.trim();
  }
  return out;
}

module.exports = { Client, explain, multistatus, pause, refused };
