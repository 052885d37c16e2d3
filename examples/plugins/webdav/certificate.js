// Makes a key and a self-signed certificate for the TLS between dprun and this
// process. Node makes keys and signatures but no certificates. What is missing
// is about twenty fields in DER, which is less code than any package for it.
'use strict';

const { generateKeyPairSync, randomBytes, sign } = require('node:crypto');

// der encodes one value: a tag, the length of the content, the content.
function der(tag, ...parts) {
  const content = Buffer.concat(parts);
  const n = content.length;
  const length = n < 0x80 ? [n] : n < 0x100 ? [0x81, n] : [0x82, n >> 8, n & 0xff];
  return Buffer.concat([Buffer.from([tag, ...length]), content]);
}

const sequence = (...parts) => der(0x30, ...parts);
const set = (...parts) => der(0x31, ...parts);
const octets = (content) => der(0x04, content);
const oid = (hex) => der(0x06, Buffer.from(hex, 'hex'));

// time encodes a date as a UTCTime until 2049, and as a GeneralizedTime from then on (RFC 5280, 4.1.2.5).
function time(date) {
  const digits = date.toISOString().replace(/[-:T]|\.\d+/g, '');
  return date.getUTCFullYear() < 2050 ? der(0x17, Buffer.from(digits.slice(2))) : der(0x18, Buffer.from(digits));
}

const ecdsaWithSHA256 = () => sequence(oid('2a8648ce3d040302'));

// certificate makes both. The host trusts exactly this certificate, and expects
// the name localhost in it: go-plugin gives every plugin that name.
function certificate(name = 'localhost') {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const now = new Date();
  const year = (n) => new Date(Date.UTC(now.getUTCFullYear() + n, now.getUTCMonth(), 1));
  const serial = randomBytes(16);
  serial[0] = (serial[0] & 0x7f) | 0x40; // positive, and of fixed length
  const subject = sequence(set(sequence(oid('550403'), der(0x0c, Buffer.from(name))))); // CN
  const extension = (id, value) => sequence(oid(id), octets(value));
  const body = sequence(
    der(0xa0, der(0x02, Buffer.from([2]))), // version 3
    der(0x02, serial),
    ecdsaWithSHA256(),
    subject, // it signs itself
    sequence(time(year(-1)), time(year(30))), // setting a clock must not end a run
    subject,
    publicKey.export({ type: 'spki', format: 'der' }),
    der(0xa3, sequence(
      extension('551d11', sequence(der(0x82, Buffer.from(name)))), // subjectAltName: dNSName
      extension('551d25', sequence(oid('2b06010505070301'))), // extKeyUsage: serverAuth
    )),
  );
  const signature = sign('sha256', body, privateKey);
  const raw = sequence(body, ecdsaWithSHA256(), der(0x03, Buffer.from([0]), signature));
  return { der: raw, pem: pem('CERTIFICATE', raw), key: privateKey.export({ type: 'pkcs8', format: 'pem' }) };
}

function pem(label, raw) {
  return `-----BEGIN ${label}-----\n${raw.toString('base64').match(/.{1,64}/g).join('\n')}\n-----END ${label}-----\n`;
}

module.exports = { certificate, der, time };
