// A PL011 with its two FIFOs and the time that characters take on the line (RP2040 data sheet, section 4.2), in place of
// rp2040js's, whose transmit interrupt never falls silent.

import { Registers } from './registers.js';

const DR = 0x00;
const FR = 0x18;
const IBRD = 0x24;
const FBRD = 0x28;
const LCR_H = 0x2c;
const CR = 0x30;
const IFLS = 0x34;
const IMSC = 0x38;
const RIS = 0x3c;
const MIS = 0x40;
const ICR = 0x44;
const DMACR = 0x48;

const BUSY = 1 << 3;
const RXFE = 1 << 4;
const TXFF = 1 << 5;
const RXFF = 1 << 6;
const TXFE = 1 << 7;

const RX = 1 << 4;
const TX = 1 << 5;
const RX_TIMEOUT = 1 << 6;
const OVERRUN = 1 << 10;

const ENABLED = 1;
const DEPTH = 32;
/** IFLS: full to an eighth, a quarter, a half, three quarters, seven eighths. */
const LEVELS = [4, 8, 16, 24, 28];

export class Uart extends Registers {
  /** `interrupt` is told the level of the interrupt, `onOctet` what comes out of TX, a character's time after it began. */
  constructor(clock, peripheralClock, interrupt, onOctet) {
    super();
    this.peripheralClock = peripheralClock;
    this.interrupt = interrupt;
    this.onOctet = onOctet;
    this.registers = new Map([
      [CR, 0x300],
      [IFLS, 0x12],
    ]);
    this.raw = 0;
    this.out = [];
    this.shifting = null;
    this.in = [];
    this.coming = [];
    this.shifter = clock.createAlarm(() => this.shifted());
    this.line = clock.createAlarm(() => this.arrived());
    this.timeout = clock.createAlarm(() => this.raise(RX_TIMEOUT));
  }

  /** Somebody types, as fast as the line goes. */
  type(octets) {
    const idle = this.coming.length === 0;
    this.coming.push(...octets);
    if (idle && octets.length > 0) this.line.schedule(this.characterNs());
  }

  read(offset) {
    switch (offset) {
      case DR:
        return this.pull();
      case FR:
        return (
          (this.shifting === null ? 0 : BUSY) |
          (this.in.length === 0 ? RXFE : 0) |
          (this.out.length >= DEPTH ? TXFF : 0) |
          (this.in.length >= DEPTH ? RXFF : 0) |
          (this.out.length === 0 ? TXFE : 0)
        );
      case RIS:
        return this.raw;
      case MIS:
        return this.raw & this.read(IMSC);
    }
    return this.registers.get(offset) ?? 0;
  }

  write(offset, value, raw) {
    switch (offset) {
      case DR:
        if (this.out.length < DEPTH) this.out.push(raw & 0xff);
        this.shift();
        return;
      case ICR:
        this.lower(raw);
        return;
      case IBRD:
      case FBRD:
      case LCR_H:
      case CR:
      case IFLS:
      case IMSC:
      case DMACR:
        this.registers.set(offset, value);
        this.tell();
    }
  }

  /** A start bit, eight of data, a stop bit. */
  characterNs() {
    const divisor = this.read(IBRD) + this.read(FBRD) / 64;
    return ((divisor * 16) / this.peripheralClock()) * 10 * 1e9;
  }

  shift() {
    if (this.shifting !== null || this.out.length === 0 || !(this.read(CR) & ENABLED)) return;
    const level = LEVELS[this.read(IFLS) & 7];
    this.shifting = this.out.shift();
    // On the way through the level, and only then (ARM DDI 0183, section 2.8.2).
    if (this.out.length === level) this.raise(TX);
    this.shifter.schedule(this.characterNs());
  }

  shifted() {
    this.onOctet(this.shifting);
    this.shifting = null;
    this.shift();
  }

  arrived() {
    if (this.in.length >= DEPTH) {
      this.raise(OVERRUN);
    } else if (this.read(CR) & ENABLED) {
      this.in.push(this.coming[0]);
      if (this.in.length >= LEVELS[(this.read(IFLS) >> 3) & 7]) this.raise(RX);
      // 32 bits' time without another (ARM DDI 0183, section 2.8.5).
      this.timeout.schedule(this.characterNs() * 3.2);
    }
    this.coming.shift();
    if (this.coming.length > 0) this.line.schedule(this.characterNs());
  }

  pull() {
    const octet = this.in.shift() ?? 0;
    if (this.in.length < LEVELS[(this.read(IFLS) >> 3) & 7]) this.lower(RX);
    if (this.in.length === 0) {
      this.timeout.cancel();
      this.lower(RX_TIMEOUT);
    }
    return octet;
  }

  raise(bit) {
    this.raw |= bit;
    this.tell();
  }

  lower(bits) {
    this.raw &= ~bits;
    this.tell();
  }

  tell() {
    this.interrupt((this.raw & this.read(IMSC)) !== 0);
  }
}
