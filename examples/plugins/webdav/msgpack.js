// Reads configurations: MessagePack as go-cty writes it.
'use strict';

// unknown stands for a value that is not known yet; only ValidateConfig gets one.
const unknown = Symbol('unknown');

// decode reads one value. Numbers that no float64 holds come as strings.
function decode(raw) {
  let at = 0;
  const take = (n) => {
    if (at + n > raw.length) throw new Error('a configuration ends too soon');
    at += n;
    return raw.subarray(at - n, at);
  };
  const uint = (n) => take(n).reduce((v, b) => v * 256 + b, 0);
  const text = (n) => take(n).toString('utf8');
  const list = (n) => Array.from({ length: n }, value);
  const map = (n) => Object.fromEntries(Array.from({ length: n }, () => [value(), value()]));
  const extension = (n) => {
    take(n + 1); // its type, and what is known all the same (cty's "refinements")
    return unknown;
  };
  function value() {
    const b = uint(1);
    if (b < 0x80) return b;
    if (b < 0x90) return map(b & 0x0f);
    if (b < 0xa0) return list(b & 0x0f);
    if (b < 0xc0) return text(b & 0x1f);
    if (b >= 0xe0) return b - 0x100;
    switch (b) {
      case 0xc0: return null;
      case 0xc2: return false;
      case 0xc3: return true;
      case 0xc7: return extension(uint(1));
      case 0xc8: return extension(uint(2));
      case 0xc9: return extension(uint(4));
      case 0xca: return take(4).readFloatBE();
      case 0xcb: return take(8).readDoubleBE();
      case 0xcc: return uint(1);
      case 0xcd: return uint(2);
      case 0xce: return uint(4);
      case 0xcf: return Number(take(8).readBigUInt64BE());
      case 0xd0: return take(1).readInt8();
      case 0xd1: return take(2).readInt16BE();
      case 0xd2: return take(4).readInt32BE();
      case 0xd3: return Number(take(8).readBigInt64BE());
      case 0xd4: case 0xd5: case 0xd6: case 0xd7: case 0xd8: return extension(1 << (b - 0xd4));
      case 0xd9: return text(uint(1));
      case 0xda: return text(uint(2));
      case 0xdb: return text(uint(4));
      case 0xdc: return list(uint(2));
      case 0xdd: return list(uint(4));
      case 0xde: return map(uint(2));
      case 0xdf: return map(uint(4));
      default: throw new Error(`a configuration holds the byte 0x${b.toString(16)}, which is no MessagePack of cty's`);
    }
  }
  const v = value();
  if (at !== raw.length) throw new Error('something follows a configuration');
  return v;
}

module.exports = { decode, unknown };
