'use strict';

// Failure is an error with a class: kind and reason are words of the protocol,
// in lower case. The text says what was attempted, on what, and why it failed.
class Failure extends Error {
  constructor(kind, reason, message, remedy = '') {
    super(message);
    Object.assign(this, { kind, reason, remedy });
  }

  // after puts what was attempted in front of the text.
  after(what) {
    return new Failure(this.kind, this.reason, `${what}: ${this.message}`, this.remedy);
  }
}

// from turns any error into a failure. An unforeseen error is a fault of the plugin.
function from(err) {
  return err instanceof Failure ? err : new Failure('internal', '', String((err && err.message) || err));
}

module.exports = { Failure, from };
