// Tests of the parts that need no package and no server: node --test
'use strict';

const assert = require('node:assert');
const { X509Certificate, createPrivateKey } = require('node:crypto');
const test = require('node:test');
const { certificate, der, time } = require('../certificate');
const { milliseconds, schema, validate } = require('../config');
const { checkPath, marked } = require('../destination');
const { decode, unknown } = require('../msgpack');
const { multistatus } = require('../webdav');

test('A certificate is one: it signs itself, is for localhost, and has the key', () => {
  const c = certificate();
  const x = new X509Certificate(c.pem);
  assert.ok(x.raw.equals(c.der));
  assert.ok(x.verify(x.publicKey));
  assert.ok(x.checkPrivateKey(createPrivateKey(c.key)));
  assert.strictEqual(x.checkHost('localhost'), 'localhost');
  assert.strictEqual(x.checkHost('example.net'), undefined);
  assert.deepStrictEqual(x.keyUsage, ['1.3.6.1.5.5.7.3.1']);
  assert.ok(Date.parse(x.validFrom) < Date.now() - 86400e3);
  assert.ok(Date.parse(x.validTo) > Date.now() + 20 * 365 * 86400e3);
  assert.notStrictEqual(new X509Certificate(certificate().pem).serialNumber, x.serialNumber);
});

test('DER has lengths of one, two and three bytes, and two forms of time', () => {
  assert.deepStrictEqual([...der(4, Buffer.alloc(127)).subarray(0, 3)], [4, 127, 0]);
  assert.deepStrictEqual([...der(4, Buffer.alloc(128)).subarray(0, 4)], [4, 0x81, 128, 0]);
  assert.deepStrictEqual([...der(4, Buffer.alloc(300)).subarray(0, 5)], [4, 0x82, 1, 44, 0]);
  assert.strictEqual(time(new Date('2049-12-31T23:59:59Z')).toString(), '\x17\r491231235959Z');
  assert.strictEqual(time(new Date('2050-01-01T00:00:00Z')).toString(), '\x18\x0f20500101000000Z');
});

test('MessagePack is read as cty writes it', () => {
  const hex = (s) => decode(Buffer.from(s.replaceAll(' ', ''), 'hex'));
  assert.deepStrictEqual(hex('82 a1 61 c0 a1 62 d4 00 00'), { a: null, b: unknown });
  assert.deepStrictEqual(hex('93 c3 c2 d9 02 c3 a9'), [true, false, 'é']);
  assert.deepStrictEqual(hex('94 7f e0 cd 01 00 cb 3f f8 00 00 00 00 00 00'), [127, -32, 256, 1.5]);
  assert.deepStrictEqual(hex('94 d0 80 d1 ff fe d2 00 00 00 05 cf 00 00 00 01 00 00 00 00'), [-128, -2, 5, 2 ** 32]);
  assert.deepStrictEqual(hex('dc 00 01 da 00 01 61'), ['a']);
  assert.strictEqual(hex('c7 03 0c 81 01 c2'), unknown); // with refinements
  assert.throws(() => hex('a2 61'), /too soon/);
  assert.throws(() => hex('c0 c0'), /follows/);
  assert.throws(() => hex('c1'), /0xc1/);
});

test('A configuration is judged as far as it is known', () => {
  const good = { url: 'https://vault.example.net/b', username: 'u', password: 'p', ca_file: null, timeout: '60s' };
  const paths = (change) => validate({ ...good, ...change }).filter((d) => d.severity === 'SEVERITY_ERROR').map((d) => d.path.join('.'));
  assert.deepStrictEqual(paths({}), []);
  assert.deepStrictEqual(paths({ url: null }), ['url']);
  for (const url of ['vault', 'ftp://vault/', 'https://u:p@vault/', 'https://vault/?x']) assert.deepStrictEqual(paths({ url }), ['url']);
  assert.deepStrictEqual(paths({ username: null }), ['username']);
  assert.deepStrictEqual(paths({ password: null }), ['password']);
  for (const timeout of ['soon', '', '10ms', '-5s']) assert.deepStrictEqual(paths({ timeout }), ['timeout']);
  assert.deepStrictEqual(paths(Object.fromEntries(schema.destinations[0].config.attributes.map((a) => [a.name, unknown]))), []);
  assert.strictEqual(validate({ ...good, url: 'http://vault/' })[0].severity, 'SEVERITY_WARNING');
  assert.strictEqual(milliseconds('1h2m3.5s'), 3723500);
});

test('A listing is read whatever its prefixes are, and only what was found counts', () => {
  const [d, f] = multistatus(`<?xml version="1.0"?><!-- no <response/> -->
    <D:multistatus xmlns:D="DAV:" xmlns:lp1="DAV:"><D:response><D:href>/b/</D:href><D:propstat><D:prop><lp1:resourcetype><D:collection/></lp1:resourcetype></D:prop>
    <D:status>HTTP/1.1 200 OK</D:status></D:propstat><D:propstat><D:prop><lp1:getcontentlength/></D:prop><D:status>HTTP/1.1 404 Not Found</D:status></D:propstat></D:response>
    <response xmlns="DAV:"><href>/b/a&amp;&#x3c;<![CDATA[&]]></href><propstat><prop><resourcetype/><getcontentlength>12</getcontentlength></prop><status>HTTP/1.1 200 OK</status></propstat></response></D:multistatus>`);
  assert.deepStrictEqual({ ...d, status: 0 }, { href: '/b/', collection: true, status: 0 });
  assert.deepStrictEqual({ ...f, status: 0 }, { href: '/b/a&<&', getcontentlength: '12', status: 0 });
});

test('Owners stay different, and paths keep to the directory', () => {
  assert.strictEqual(marked('run-1/gw é'), 'run-1=2fgw=20=c3=a9');
  assert.notStrictEqual(marked('a'.repeat(200)), marked('a'.repeat(201)));
  for (const p of ['', '.', '../x', '/x', 'a//b', 'a/', 'a/.dprun-x', 'a\\b', 'a\x00', 'a\u202eb', 'x'.repeat(256)]) assert.throws(() => checkPath(p), { kind: 'precondition', reason: 'bad_config' });
  for (const p of ['a/b', '...', '%2e', 'ü'.repeat(127)]) checkPath(p);
});
