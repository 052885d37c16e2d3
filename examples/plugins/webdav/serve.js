// Serves dprun's plugin protocol to the one host that has started this process.
// docs/plugin-protocol.md describes it step by step.
'use strict';

const { randomBytes } = require('node:crypto');
const fs = require('node:fs');
const net = require('node:net');
const os = require('node:os');
const path = require('node:path');
const grpc = require('@grpc/grpc-js');
const loader = require('@grpc/proto-loader');
const { certificate } = require('./certificate');
const { Failure, from } = require('./failure');
const { decode } = require('./msgpack');

const cookie = 'e0c2c1d7-1f0e-4f5b-9b39-6f0a4f1f6f52';
const maxText = 4 << 10; // bytes; a status travels in a header, and a call whose header is far larger never ends
const options = { keepCase: true, longs: Number, enums: String, defaults: true };
const protocol = loader.loadSync(path.join(__dirname, 'plugin.proto'), options);
// Definitions that are not dprun's: the one service of go-plugin that matters, and the form of a status in gRPC.
const others = loader.fromJSON({ nested: {
  plugin: { nested: {
    Empty: { fields: {} },
    GRPCController: { methods: { Shutdown: { requestType: 'Empty', responseType: 'Empty' } } },
  } },
  google: { nested: { rpc: { nested: {
    Any: { fields: { type_url: { type: 'string', id: 1 }, value: { type: 'bytes', id: 2 } } },
    Status: { fields: { code: { type: 'int32', id: 1 }, message: { type: 'string', id: 2 }, details: { rule: 'repeated', type: 'Any', id: 3 } } },
  } } } },
} }, options);

const levels = ['debug', 'info', 'warn', 'error'];
const least = Math.max(0, levels.indexOf((process.env.DPRUN_PLUGIN_LOG || 'info').toLowerCase()));

// log writes a line in the form that dprun reads, with its attributes.
function log(level, message, attributes = {}) {
  if (levels.indexOf(level) < least) return;
  process.stderr.write(`${JSON.stringify({ '@level': level, '@message': message, '@timestamp': new Date().toISOString(), ...attributes })}\n`);
}

const codes = {
  unavailable: 'UNAVAILABLE', timeout: 'DEADLINE_EXCEEDED', denied: 'PERMISSION_DENIED', not_found: 'NOT_FOUND', exists: 'ALREADY_EXISTS',
  no_space: 'RESOURCE_EXHAUSTED', corrupt: 'DATA_LOSS', precondition: 'FAILED_PRECONDITION', cancelled: 'CANCELLED', internal: 'INTERNAL',
};

// status returns a failure in gRPC's form: exactly one dprun.plugin.v1.Failure in the details.
function status(err) {
  const f = from(err);
  const short = (s) => (Buffer.byteLength(s) > maxText ? `${Buffer.from(s).subarray(0, maxText).toString('utf8').replace(/\uFFFD$/, '')}…` : s);
  const code = grpc.status[codes[f.kind]];
  const message = short(f.message);
  const metadata = new grpc.Metadata();
  metadata.set('grpc-status-details-bin', others['google.rpc.Status'].serialize({ code, message, details: [{
    type_url: 'type.googleapis.com/dprun.plugin.v1.Failure',
    value: protocol['dprun.plugin.v1.Failure'].serialize({
      kind: `FAILURE_KIND_${f.kind.toUpperCase()}`, reason: f.reason ? `REASON_${f.reason.toUpperCase()}` : 0, message, remedy: short(f.remedy),
    }),
  }] }));
  return { code, details: message, metadata };
}

// serve is all that a plugin's main calls.
function serve(plugin) {
  const args = process.argv.slice(2);
  if (process.env.DPRUN_PLUGIN !== cookie) {
    if (args.length === 1 && args[0] === 'describe') {
      process.stdout.write(`${JSON.stringify(plugin.schema, null, 2)}\n`);
      return;
    }
    const { name, version } = plugin.schema;
    process.stderr.write(`This is the dprun plugin "${name}", version ${version}. dprun starts it; by hand it only answers to "describe".\n`);
    process.exitCode = 64;
    return;
  }
  const host = process.env.PLUGIN_CLIENT_CERT;
  if (!host) {
    process.stderr.write('The host gives no certificate (PLUGIN_CLIENT_CERT): this plugin serves over mutual TLS only.\n');
    process.exitCode = 70;
    return;
  }

  const instances = new Map();
  let last = 0;
  const calls = new Set(); // in flight: { id, abort, done }

  // handle runs one call. What ends the call aborts its signal, and every failure is a typed one.
  async function handle(call, name, f) {
    const meta = (key) => String(call.metadata.get(key)[0] || '');
    const controller = new AbortController();
    const abort = (kind, why) => controller.abort(new Failure(kind, '', `${name}: ${why}`));
    const entry = { id: meta('dprun-call'), abort: () => abort('cancelled', 'given up on request') };
    const left = /^\d+$/.test(meta('dprun-timeout')) ? Number(meta('dprun-timeout')) : Infinity;
    // setTimeout holds 31 bits; a limit of more than three weeks is ignored.
    const timer = left < 2 ** 31 ? setTimeout(() => abort('timeout', 'no end within the time limit'), left) : undefined;
    call.on('cancelled', entry.abort);
    calls.add(entry);
    const work = (async () => f(call.request, controller.signal))();
    entry.done = work.then(() => {}, () => {});
    try {
      return await work;
    } catch (err) {
      if (!(err instanceof Failure)) log('error', 'a fault of the plugin', { call: name, error: String(err), stack: String(err.stack) });
      throw err;
    } finally {
      clearTimeout(timer);
      calls.delete(entry);
    }
  }
  const unary = (f, name) => (call, answer) => handle(call, name, f).then((reply) => answer(null, reply), (err) => answer(status(err)));
  const stream = (f, name) => (call) => handle(call, name, (request, signal) => f(request, signal, call)).then(() => call.end(), (err) => call.emit('error', status(err)));
  const all = (make, methods) => Object.fromEntries(Object.entries(methods).map(([name, f]) => [name, make(f, name)]));

  function type(request) {
    const t = request.kind === 'KIND_DESTINATION' && plugin.types[request.type];
    if (!t) throw new Failure('internal', 'protocol', `the plugin offers no ${request.kind} "${request.type}"`);
    return t;
  }
  function config(request) {
    try {
      return decode(request.config);
    } catch (err) {
      throw new Failure('precondition', 'bad_config', `decode a configuration: ${err.message}`);
    }
  }
  function instance(request) {
    const i = instances.get(request.instance);
    if (!i) throw new Failure('internal', 'protocol', `plugin ${plugin.schema.name} has no such instance ${request.instance}`);
    return i;
  }

  const server = new grpc.Server({ 'grpc.max_receive_message_length': 64 << 20, 'grpc.max_send_message_length': 4 << 20 });
  const { Plugin, Destination } = grpc.loadPackageDefinition(protocol).dprun.plugin.v1;
  server.addService(Plugin.service, all(unary, {
    Describe: () => ({ schema: Buffer.from(JSON.stringify(plugin.schema)) }),
    ValidateConfig: (r) => ({ diagnostics: type(r).validate(config(r)) }),
    Configure: (r) => {
      const [t, c] = [type(r), config(r)];
      const wrong = t.validate(c).find((d) => d.severity === 'SEVERITY_ERROR');
      if (wrong) throw new Failure('precondition', 'bad_config', `configure ${r.type}: ${wrong.path.join('.')}: ${wrong.detail}`);
      last += 1;
      instances.set(last, t.configure(c, { log }));
      return { instance: last };
    },
    Release: (r) => {
      const i = instances.get(r.instance);
      instances.delete(r.instance);
      if (i) i.close();
      return {};
    },
    Cancel: (r) => {
      for (const c of calls) if (r.call && c.id === r.call) c.abort();
      return {};
    },
  }));
  server.addService(Destination.service, {
    ...all(unary, {
      Check: (r, signal) => instance(r).check(signal),
      Delete: (r, signal) => instance(r).delete(r, signal),
      Sweep: (r, signal) => instance(r).sweep(r, signal),
    }),
    ...all(stream, {
      Store: async (r, signal, out) => out.write({ bytes: r.size, done: await instance(r).store(r, signal, progress(out)) }),
      Fetch: async (r, signal, out) => {
        const done = await instance(r).fetch(r, signal, progress(out));
        out.write({ bytes: done.size, done });
      },
      List: async (r, signal, out) => {
        const objects = await instance(r).list(r, signal);
        for (let i = 0; i < objects.length; i += 500) out.write({ objects: objects.slice(i, i + 500) }); // a message has at most 4 MiB
        out.write({ done: {} });
      },
    }),
  });
  server.addService(others['plugin.GRPCController'], {
    Shutdown: (call, answer) => {
      answer(null, {});
      end(0, 1500);
    },
  });

  const socket = path.join(process.env.PLUGIN_UNIX_SOCKET_DIR || os.tmpdir(), `plugin${randomBytes(8).toString('hex')}`);

  // end gives calls in flight some milliseconds to undo what they began.
  let ending = false;
  async function end(code, grace) {
    if (ending) return;
    ending = true;
    for (const c of calls) c.abort();
    await Promise.race([Promise.all([...calls].map((c) => c.done)), new Promise((resolve) => { setTimeout(resolve, grace); })]);
    for (const i of instances.values()) i.close();
    const gone = () => {
      fs.rmSync(socket, { force: true });
      process.exit(code);
    };
    server.tryShutdown(gone); // sends what was answered first
    setTimeout(gone, 250);
  }

  // The host holds the other end of a pipe, and the kernel closes it however the host ends.
  const fd = Number(process.env.DPRUN_ORPHAN_FD);
  if (fd >= 3) {
    new net.Socket({ fd, readable: true, writable: false }).on('close', () => end(1, 5000)).on('error', () => {}).resume();
    // Signals to a whole session are ignored: the host decides when to stop.
    for (const s of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(s, () => {});
  }

  const own = certificate();
  const credentials = grpc.ServerCredentials.createSsl(Buffer.from(host), [{ private_key: Buffer.from(own.key), cert_chain: Buffer.from(own.pem) }], true);
  server.bindAsync(`unix:${socket}`, credentials, (err) => {
    if (err) {
      process.stderr.write(`plugin ${plugin.schema.name}: listen at ${socket}: ${err.message}\n`);
      process.exit(70);
    }
    process.stdout.write(`1|1|unix|${socket}|grpc|${own.der.toString('base64').replace(/=+$/, '')}\n`);
    process.stdout.write = process.stderr.write.bind(process.stderr); // standard output belongs to the protocol
  });
}

// progress reports bytes at most ten times a second.
function progress(out) {
  let sent = Date.now();
  return (bytes) => {
    if (Date.now() - sent < 100) return;
    sent = Date.now();
    out.write({ bytes });
  };
}

module.exports = { serve, status };
