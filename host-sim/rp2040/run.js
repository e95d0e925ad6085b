// The RP2040's image from power-on to a line: `node run.js IMAGE GATELET-SIM [--pcap FILE] [--log FILE] [--isp-log FILE]`.
//
// It types what a person types, and ends with status 0 if everything came that has to come, in time. README.md.

import { readFileSync, writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';

import { Board } from './chip/board.js';
import { symbol } from './chip/elf.js';
import { Isp } from './chip/isp.js';
import { Rtt } from './chip/rtt.js';

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    pcap: { type: 'string' },
    log: { type: 'string' },
    'isp-log': { type: 'string' },
    quiet: { type: 'boolean' },
  },
});
const [path, program] = positionals;
if (!program) {
  console.error('node run.js IMAGE GATELET-SIM [--pcap FILE] [--log FILE] [--isp-log FILE] [--quiet]');
  process.exit(2);
}
const image = readFileSync(path);
/** Of the chip's clock, for everything. */
const PATIENCE = 30;
/** On line at the latest, in seconds; the cable alone takes 1.5 (chip/w5500.js). */
const UP_WITHIN = 2;
/** What the processor has to sleep of the time from there on, while three pings are all there is to do. */
const SLEEPS = 0.9;
/** What of the stack has to be left over, in octets. */
const STACK_LEFT = 8192;

let said = '';
let isp = null;
const board = new Board(
  image,
  (frame) => isp.exchange(frame),
  (octet) => {
    said += String.fromCharCode(octet);
    if (!values.quiet) process.stdout.write(Uint8Array.of(octet));
  },
);
const rtt = new Rtt(board.chip, symbol(image, '_SEGGER_RTT'), 10e6);
const capture = values.pcap ? ['--pcap', values.pcap] : [];
isp = new Isp(program, capture, values['isp-log'], board.clock, (frame) => board.w5500.receive(frame));

/** Runs until the console has said `text`, and answers when. */
function wait(text) {
  let looked = 0;
  const has = () => {
    if (said.length === looked) return false;
    looked = said.length;
    return said.includes(text);
  };
  if (!said.includes(text) && !board.run(has, PATIENCE * 1e9)) {
    throw new Error(`not said within ${PATIENCE} s of the chip's: ${text}`);
  }
  said = said.slice(said.indexOf(text) + text.length);
  return board.clock.micros / 1e6;
}

function type(line) {
  board.uart.type(Buffer.from(`${line}\r`));
}

const began = process.hrtime.bigint();
try {
  const figures = {};
  figures.prompt = wait('Carrier (1-6): ');
  type('5');
  wait('User name: ');
  type('alice@isp.test');
  wait('Password: ');
  type('wonderland');
  figures.up = wait('You are on line.');
  const [since, slept] = [board.clock.nanos, board.slept];
  type('ping 192.0.2.80 3');
  figures.ping = wait('3 of 3 answered');
  figures.sleeps = (board.slept - slept) / (board.clock.nanos - since);
  figures.stack = board.lowest - symbol(image, '_stack_end');
  rtt.take();
  if (values.log) writeFileSync(values.log, Uint8Array.from(rtt.taken));
  const seconds = (time) => `${time.toFixed(2)} s`;
  const host = Number(process.hrtime.bigint() - began) / 1e9;
  console.log(
    `\nrp2040js: ${seconds(figures.prompt)} from power-on to the first question, on line after ${seconds(figures.up)}, three pings ` +
      `answered by ${seconds(figures.ping)} of the chip's time, of which the processor then slept ` +
      `${(figures.sleeps * 100).toFixed(0)} %; ${figures.stack} octets of the stack never used; ${board.flash.erased} sectors erased, ` +
      `${board.flash.programmed} pages written, ${board.w5500.lost} frames lost; ${seconds(host)} here`,
  );
  const faults = [
    [figures.up > UP_WITHIN, `on line later than after ${UP_WITHIN} s`],
    [figures.sleeps < SLEEPS, `the processor sleeps less than ${SLEEPS * 100} % of the time`],
    [figures.stack < STACK_LEFT, `less than ${STACK_LEFT} octets of the stack are left over`],
    [board.w5500.lost > 0, 'frames are lost'],
  ];
  for (const [is, fault] of faults) if (is) throw new Error(fault);
} catch (error) {
  console.error(`\nafter ${(board.clock.micros / 1e6).toFixed(3)} s of the chip's time, at ${board.chip.core.PC.toString(16)}: ${error.message}`);
  process.exitCode = 1;
} finally {
  isp.end();
}
