// What the plugin offers, and the rules for its configuration.
'use strict';

const { readFileSync } = require('node:fs');
const { unknown } = require('./msgpack');
const { version } = require('./package.json');

const attributes = [
  { name: 'url', type: 'string', required: true, doc: 'The directory that files are stored below, as https://HOST/PATH. It must be there.' },
  { name: 'username', type: 'string', doc: 'Sent with every request (HTTP Basic), together with password.' },
  { name: 'password', type: 'string', sensitive: true, doc: 'The password of username.' },
  { name: 'ca_file', type: 'string', format: 'certificates', doc: "Certificates that the server's one is checked against. Without it those of $SSL_CERT_FILE, or else Node's own." },
  { name: 'timeout', type: 'string', format: 'duration', default: '60s', min: 1, doc: 'How long the server may be silent within a request.' },
];

const schema = {
  name: 'webdav',
  version,
  doc: 'Stores at WebDAV servers.',
  env: [],
  destinations: [{
    name: 'webdav',
    doc: 'Files at a WebDAV server (RFC 4918).',
    config: { attributes },
    abilities: ['delete', 'list', 'read', 'sweep'],
  }],
};

// known reports whether a value can be checked.
const known = (v) => v !== unknown && v !== null && v !== undefined;

const units = { ns: 1e-6, us: 1e-3, 'µs': 1e-3, ms: 1, s: 1e3, m: 60e3, h: 3600e3, d: 86400e3 };

// milliseconds parses a duration as a plan writes it; NaN: it is not one.
function milliseconds(text) {
  const parts = [...text.matchAll(/(\d+(?:\.\d+)?)(ns|us|µs|ms|s|m|h|d)/g)];
  if (text === '0') return 0;
  if (parts.length === 0 || parts.map((p) => p[0]).join('') !== text) return NaN;
  return parts.reduce((sum, [, n, unit]) => sum + Number(n) * units[unit], 0);
}

// validate returns the errors in a configuration; it does no I/O.
function validate(config) {
  const out = [];
  const say = (path, summary, detail, severity = 'SEVERITY_ERROR') => out.push({ severity, summary, detail, path: [path] });
  for (const a of attributes) {
    const v = config[a.name];
    if (a.required && (v === null || v === undefined)) say(a.name, 'Missing argument', `${a.name} is required.`);
    else if (known(v) && typeof v !== 'string') say(a.name, 'Wrong type', `${a.name} is a string.`);
  }
  if (out.length > 0) return out;
  const { url, username, password, timeout } = config;
  if (known(url)) {
    const u = URL.canParse(url) ? new URL(url) : null;
    if (!u || !['http:', 'https:'].includes(u.protocol)) say('url', 'Unusable URL', 'url is https://HOST/PATH, or http://HOST/PATH.');
    else if (u.username || u.password) say('url', 'Credentials in a URL', 'url is shown in messages: use username and password.');
    else if (u.search || u.hash) say('url', 'Unusable URL', 'url names a directory; it has no ? and no #.');
    else if (u.protocol === 'http:' && known(password)) {
      say('url', 'Unprotected password', 'The password goes over the network as it is; use https.', 'SEVERITY_WARNING');
    }
  }
  if (known(username) && password === null) say('password', 'Missing argument', 'username is set: password is required.');
  if (known(password) && username === null) say('username', 'Missing argument', 'password is set: username is required.');
  if (known(username) && username.includes(':')) say('username', 'Unusable name', 'HTTP Basic has no way to send a name with a colon.');
  if (known(timeout) && !(milliseconds(timeout) >= 1000)) say('timeout', 'Unusable duration', 'timeout is a duration of a second or more, such as "60s".');
  return out;
}

// trusted returns the certificates to verify a server against; undefined:
// Node's own. Node itself does not look at SSL_CERT_FILE.
function trusted(file = process.env.SSL_CERT_FILE) {
  return file ? readFileSync(file) : undefined;
}

module.exports = { schema, validate, milliseconds, trusted };
