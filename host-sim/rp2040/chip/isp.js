// The simulated provider at the other end of the cable, on this chip's clock: `gatelet-sim isp pipe`.
//
// A message to it: microseconds (64 bits, little endian), length (32 bits), a frame; length 0 lets time pass alone. The answer:
// length and frame, as often as there are frames; then a length of FFFFFFFF, and the time at which it wants to be asked again.

import { closeSync, mkdtempSync, openSync, readSync, rmSync, writeSync } from 'node:fs';
import { execFileSync, spawn } from 'node:child_process';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const NO_MORE = 0xffffffff;
const NEVER = 0xffffffffffffffffn;

export class Isp {
  /** `onFrame` is told what comes from it; what it tells goes into the file `log`, if there is one. */
  constructor(program, extra, log, clock, onFrame) {
    // Pipes with names: Node's own to a child cannot be waited for.
    this.folder = mkdtempSync(join(tmpdir(), 'gatelet-isp-'));
    const [to, from] = ['to', 'from'].map((name) => join(this.folder, name));
    execFileSync('mkfifo', [to, from]);
    this.child = spawn('sh', ['-c', 'exec "$0" isp pipe "$@" <"$TO" >"$FROM"', program, ...extra], {
      env: { ...process.env, TO: to, FROM: from },
      stdio: ['ignore', 'ignore', log ? openSync(log, 'w') : 'ignore'],
    });
    this.to = openSync(to, 'w');
    this.from = openSync(from, 'r');
    this.clock = clock;
    this.onFrame = onFrame;
    this.alarm = clock.createAlarm(() => this.exchange(new Uint8Array(0)));
    this.exchange(new Uint8Array(0));
  }

  /** A frame for it, or none, and what follows from it by now. */
  exchange(frame) {
    const message = Buffer.alloc(12 + frame.length);
    message.writeBigUInt64LE(BigInt(Math.floor(this.clock.micros)), 0);
    message.writeUInt32LE(frame.length, 8);
    message.set(frame, 12);
    for (let sent = 0; sent < message.length; ) sent += writeSync(this.to, message, sent);
    for (;;) {
      const length = this.read(4).readUInt32LE(0);
      if (length === NO_MORE) break;
      this.onFrame(this.read(length));
    }
    const next = this.read(8).readBigUInt64LE(0);
    this.alarm.cancel();
    if (next !== NEVER) this.alarm.schedule(Math.max(Number(next) * 1000 - this.clock.nanos, 1000));
  }

  read(length) {
    const octets = Buffer.alloc(length);
    for (let got = 0; got < length; ) {
      const more = readSync(this.from, octets, got, length - got, null);
      if (more === 0) throw new Error('the provider has ended');
      got += more;
    }
    return octets;
  }

  end() {
    closeSync(this.to);
    closeSync(this.from);
    rmSync(this.folder, { recursive: true });
  }
}
