// Reads configurations: MessagePack as go-cty writes it.
'use strict';

// unknown stands for a value that is not known yet; only ValidateConfig gets one.
const unknown = Symbol('unknown');

// decode reads one value. Numbers that do not fit into a float64 arrive as strings.
function decode(raw) {
  let at = 0;
  const take = (n) => {
    if (at + n > raw.length) throw new Error('a configuration ends too soon');
    at += n;
    return raw.subarray(at - n, at);
  };
  const uint = (n) => take(n).reduce((v, b) => v * 256 + b, 0);
  const signed = (n) => {
    const v = uint(n);
    return v < 2 ** (8 * n - 1) ? v : v - 2 ** (8 * n);
  };
  const text = (n) => take(n).toString('utf8');
  const list = (n) => Array.from({ length: n }, value);
  const map = (n) => Object.fromEntries(Array.from({ length: n }, () => [value(), value()]));
  const extension = (n) => {
    take(n + 1); // its type, and what is known about it (cty's "refinements")
    return unknown;
  };
  function value() {
    const b = uint(1);
    if (b < 0x80) return b;
    if (b < 0x90) return map(b & 0x0f);
    if (b < 0xa0) return list(b & 0x0f);
    if (b < 0xc0) return text(b & 0x1f);
    if (b >= 0xe0) return b - 0x100;
    if (b === 0xc0) return null;
    if (b === 0xc2 || b === 0xc3) return b === 0xc3;
    if (b >= 0xc7 && b <= 0xc9) return extension(uint(1 << (b - 0xc7)));
    if (b === 0xca) return take(4).readFloatBE();
    if (b === 0xcb) return take(8).readDoubleBE();
    if (b >= 0xcc && b <= 0xcf) return uint(1 << (b - 0xcc));
    if (b >= 0xd0 && b <= 0xd3) return signed(1 << (b - 0xd0));
    if (b >= 0xd4 && b <= 0xd8) return extension(1 << (b - 0xd4));
    if (b >= 0xd9 && b <= 0xdb) return text(uint(1 << (b - 0xd9)));
    if (b === 0xdc || b === 0xdd) return list(uint(2 << (b - 0xdc)));
    if (b === 0xde || b === 0xdf) return map(uint(2 << (b - 0xde)));
    throw new Error(`a configuration holds the byte 0x${b.toString(16)}, which is no MessagePack of cty's`);
  }
  const v = value();
  if (at !== raw.length) throw new Error('something follows a configuration');
  return v;
}

module.exports = { decode, unknown };
