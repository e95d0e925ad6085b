// The W5500-EVB-Pico: an RP2040 with flash, a W5500 on SPI0 and a console on UART0. Pins as in boards/rp2040/src/pins.rs.

import { ConsoleLogger, GPIOPinState, LogLevel, RP2040 } from 'rp2040js';

import { loadSegments } from './elf.js';
import { Flash, LENGTH, Ssi, XipStream } from './flash.js';
import { Kept } from './registers.js';
import { Rom } from './rom.js';
import { Uart } from './uart.js';
import { W5500 } from './w5500.js';

const CHIP_SELECT = 17;
const RESET = 20;
const INTERRUPT = 21;
const UART0 = 0x40034;
const UART0_IRQ = 20;
const SSI = 0x18000;
const XIP_CTRL = 0x14000;
const XIP_AUX = 0x50400;
const DREQ_XIP_STREAM = 37;
const FLASH_AT = 0x10000000;
const RAM_END = 0x20042000;

export class Board {
  /** `onFrame` is told each frame that the W5500 sends, `onOctet` each character on the console. */
  constructor(image, onFrame, onOctet) {
    const chip = new RP2040();
    chip.logger = new Logger(chip.core);
    this.chip = chip;
    this.clock = chip.clock;
    /** How long the processor has slept. */
    this.slept = 0;
    /** The stack's deepest. */
    this.lowest = RAM_END;
    for (const [address, octets] of loadSegments(image)) {
      if (address >= FLASH_AT && address < FLASH_AT + LENGTH) chip.flash.set(octets, address - FLASH_AT);
    }
    const ssi = new Ssi();
    this.flash = new Flash(chip.flash, (nanos) => this.clock.tick(nanos));
    const stream = new XipStream(
      (address) => chip.readUint32(address),
      (asks) => (asks ? chip.dma.setDREQ(DREQ_XIP_STREAM) : chip.dma.clearDREQ(DREQ_XIP_STREAM)),
    );
    this.uart = new Uart(this.clock, () => chip.clkPeri, (level) => chip.setInterrupt(UART0_IRQ, level), onOctet);
    Object.assign(chip.peripherals, { [SSI]: ssi, [XIP_CTRL]: stream, [XIP_AUX]: stream.port, [UART0]: this.uart });
    this.w5500 = new W5500(this.clock, (low) => chip.gpio[INTERRUPT].setInputValue(!low), onFrame);
    this.wire();
    chip.peripherals[0x40058].onWatchdogTrigger = () => {
      throw new Error('the watchdog bites');
    };
    this.rom = new Rom(chip, this.flash, ssi);
    this.rom.boot();
  }

  /** SPI0 and the three lines to the W5500. */
  wire() {
    const { chip, w5500 } = this;
    const spi = chip.spi[0];
    let answer = 0;
    // The octet is complete when its bits have passed: DMA would never let the processor run otherwise.
    const done = this.clock.createAlarm(() => spi.completeTransmit(answer));
    spi.onTransmit = (octet) => {
      answer = w5500.exchange(octet);
      done.schedule((spi.dataBits / spi.clockFrequency) * 1e9);
    };
    chip.gpio[CHIP_SELECT].addListener((state) => w5500.select(state === GPIOPinState.Low));
    chip.gpio[RESET].addListener((state) => state === GPIOPinState.Low && w5500.power());
    chip.gpio[INTERRUPT].setInputValue(true);
  }

  /** Lets the chip run until `isDone`, or until `nanos` on its clock. */
  run(isDone, nanos) {
    const { chip, clock } = this;
    const { core } = chip;
    while (clock.nanos < nanos) {
      if (core.waiting) {
        if (clock.nextAlarm === null) throw new Error('the chip sleeps, and nothing will wake it');
        const nanos = clock.nanosToNextAlarm;
        this.slept += nanos;
        clock.tick(nanos);
      } else {
        const cycles = core.executeInstruction();
        if (core.SP < this.lowest) this.lowest = core.SP;
        clock.tick((cycles * 1e9) / chip.clkSys);
      }
      if (isDone()) return true;
    }
    return false;
  }
}

/** Of rp2040js's log, errors are shown. SEV is nothing but a line there: here it is an event, for which the next WFE does not wait. */
class Logger extends ConsoleLogger {
  constructor(core) {
    super(LogLevel.Error);
    this.core = core;
  }

  info(from, what) {
    if (what === 'SEV') this.core.eventRegistered = true;
  }
}
