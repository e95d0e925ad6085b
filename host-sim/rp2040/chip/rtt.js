// What the image has logged: the up channel of SEGGER's RTT, read out of memory as a debug probe does. The control block is an
// identifier of 16 octets, the numbers of channels, then for each: name, buffer, size, write and read offsets, flags.

const RAM = 0x20000000;

export class Rtt {
  /** Looks every `nanos`. */
  constructor(chip, address, nanos) {
    this.view = new DataView(chip.sram.buffer);
    this.at = address - RAM + 24;
    this.taken = [];
    const alarm = chip.clock.createAlarm(() => {
      this.take();
      alarm.schedule(nanos);
    });
    alarm.schedule(nanos);
  }

  /** Takes what is there. */
  take() {
    const word = (offset) => this.view.getUint32(this.at + offset, true);
    const [buffer, size, write] = [word(4), word(8), word(12)];
    if (buffer < RAM || size === 0) return;
    let read = word(16);
    for (; read !== write; read = (read + 1) % size) this.taken.push(this.view.getUint8(buffer - RAM + read));
    this.view.setUint32(this.at + 16, read, true);
  }
}
