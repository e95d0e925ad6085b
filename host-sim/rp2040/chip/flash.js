// A W25Q16JV behind the SSI, and what the XIP streaming port reads of it. Times are the data sheet's typical ones (revision H,
// section 9.6).

import { Registers } from './registers.js';

/** 2 MB, as on the W5500-EVB-Pico. */
export const LENGTH = 2 << 20;
export const SECTOR = 4096;
export const PAGE = 256;
const ERASE_NS = 45e6;
const PROGRAM_NS = 400e3;

/** The chip's own number (instruction 4Bh): any. */
const UNIQUE_ID = [0xe4, 0x63, 0xa8, 0x57, 0xcb, 0x1e, 0x5b, 0x2c];
const JEDEC_ID = [0xef, 0x40, 0x15];

const CTRLR0 = 0x00;
const SSIENR = 0x08;
const SR = 0x28;
const DR0 = 0x60;
const SPI_CTRLR0 = 0xf4;
const EEPROM_READ = 3;
/** The mode bits that let the flash go on reading without an instruction: what a boot2 has every access begin with. */
const CONTINUOUS_READ = 0xa0;

/** The SSI in front of the flash (RP2040 data sheet, section 4.10). */
export class Ssi extends Registers {
  constructor() {
    super();
    this.registers = new Map();
    this.asked = [];
    this.answers = [];
    this.status = [0, 0];
  }

  /** Whether the processor can read and execute from the flash. */
  get executes() {
    return this.registers.get(SSIENR) === 1 && this.registers.get(SPI_CTRLR0) >>> 24 === CONTINUOUS_READ;
  }

  /** What the boot ROM's `flash_exit_xip` does: plain serial commands from now on. */
  exitXip() {
    this.registers.set(SSIENR, 1);
    this.registers.set(CTRLR0, 0);
    this.registers.set(SPI_CTRLR0, 0);
    this.asked = [];
    this.answers = [];
  }

  read(offset) {
    if (offset === SR) return 0x06 | (this.answers.length > 0 || this.readsOn ? 8 : 0);
    if (offset === DR0) return this.answers.shift() ?? (this.readsOn ? this.answer(this.next++) : 0);
    return this.registers.get(offset) ?? 0;
  }

  write(offset, value, raw) {
    if (offset === DR0) {
      this.ask(raw & 0xff);
      return;
    }
    this.registers.set(offset, value);
    if (offset === SSIENR && value === 0) {
      this.asked = [];
      this.answers = [];
    }
  }

  /** Whether what follows the command is clocked in by itself. */
  get readsOn() {
    return ((this.registers.get(CTRLR0) >> 8) & 3) === EEPROM_READ && this.asked.length > 0;
  }

  ask(octet) {
    // A command ends when the FIFO runs empty, which it does between what a boot2 waits for.
    if (this.answers.length === 0 && !this.readsOn) this.asked = [];
    this.asked.push(octet);
    this.next = this.asked.length;
    if (!this.readsOn) {
      this.answers.push(this.answer(this.asked.length - 1));
      if (this.asked[0] === 0x01) this.status[1] = 2;
    }
  }

  /** What the flash says while the octet `at` of a command passes. */
  answer(at) {
    switch (this.asked[0]) {
      case 0x05:
        return this.status[0];
      case 0x35:
        return this.status[1];
      case 0x9f:
        return JEDEC_ID[at - 1] ?? 0;
      case 0x4b:
        // Behind four octets without meaning.
        return UNIQUE_ID[at - 5] ?? 0;
    }
    return 0;
  }
}

/** Flash that loses a bit only when it is erased. `pass` lets the time pass that it takes. */
export class Flash {
  constructor(octets, pass) {
    this.octets = octets;
    this.pass = pass;
    this.erased = 0;
    this.programmed = 0;
  }

  erase(at, length) {
    if (at % SECTOR !== 0 || length % SECTOR !== 0 || at + length > LENGTH) throw new Error(`flash: erase of ${length} at ${at}`);
    this.octets.fill(0xff, at, at + length);
    this.erased += length / SECTOR;
    this.pass((length / SECTOR) * ERASE_NS);
  }

  program(at, data) {
    if (at % PAGE !== 0 || data.length % PAGE !== 0 || at + data.length > LENGTH) {
      throw new Error(`flash: ${data.length} programmed at ${at}`);
    }
    data.forEach((octet, index) => (this.octets[at + index] &= octet));
    this.programmed += data.length / PAGE;
    this.pass((data.length / PAGE) * PROGRAM_NS);
  }
}

const STREAM_ADDR = 0x14;
const STREAM_CTR = 0x18;

/** The XIP's control registers and streaming port (section 2.6.3): DMA reads flash without the processor's cache. */
export class XipStream extends Registers {
  /** `request` is told whether there is a word to fetch. */
  constructor(readWord, request) {
    super();
    this.readWord = readWord;
    this.request = request;
    this.address = 0;
    this.left = 0;
    /** What is on the bus at 0x50400000. */
    this.port = new (class extends Registers {
      constructor(stream) {
        super();
        this.stream = stream;
      }
      read() {
        return this.stream.fetch();
      }
    })(this);
  }

  read(offset) {
    const STAT = 0x08;
    switch (offset) {
      case STAT:
        // Flushed; the FIFO empty as far as the processor is concerned.
        return 0b11;
      case STREAM_ADDR:
        return this.address;
      case STREAM_CTR:
        return this.left;
    }
    return 0;
  }

  write(offset, value) {
    if (offset === STREAM_ADDR) this.address = value & ~3;
    if (offset === STREAM_CTR) {
      this.left = value;
      this.request(value > 0);
    }
  }

  fetch() {
    if (this.left === 0) return 0;
    const word = this.readWord(this.address);
    this.address += 4;
    this.left--;
    this.request(this.left > 0);
    return word;
  }
}
