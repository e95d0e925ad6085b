// What the boot ROM does for an image: it starts it, and lends it functions (RP2040 data sheet, sections 2.8.1 and 2.8.3). The ROM
// itself is not in rp2040js. Here each function is a breakpoint and a return, and what it does happens in JavaScript.

const LOOK_UP = 0;
const BKPT = 0xbe00;
const BX_LR = 0x4770;
const CODE = 0x100;
const TABLE = 0x20;
/** Where the ROM puts a boot2, and its own stack's end. */
const BOOT2 = 0x20041f00;
const BOOT2_LENGTH = 256;

export class Rom {
  constructor(chip, flash, ssi) {
    this.chip = chip;
    const nothing = () => {};
    const copy = (to, from, length) => this.copy(to, from, length);
    this.functions = {
      IF: nothing,
      EX: () => ssi.exitXip(),
      RE: (at, length) => flash.erase(at, length),
      RP: (at, from, length) => flash.program(at, this.bytes(from, length)),
      FC: nothing,
      MC: copy,
      C4: copy,
    };
    this.tags = Object.keys(this.functions);
    const code = [LOOK_UP, ...this.tags].flatMap((_, number) => [BKPT | number, BX_LR]);
    const rom = new DataView(chip.bootrom.buffer);
    code.forEach((half, index) => rom.setUint16(CODE + 2 * index, half, true));
    // 'Mu' and the version; the tables of functions and of data; the function that looks them up.
    [0x754d, 0x0201, TABLE, TABLE, CODE | 1].forEach((half, index) => rom.setUint16(0x10 + 2 * index, half, true));
    chip.onBreak = (number) => this.call(number);
  }

  /** Starts the image as after power-on: its boot2, from RAM, if the check sequence is right. */
  boot() {
    const { core, flash, sram } = this.chip;
    const boot2 = flash.subarray(0, BOOT2_LENGTH);
    const check = new DataView(boot2.buffer, boot2.byteOffset + BOOT2_LENGTH - 4, 4).getUint32(0, true);
    if (crc32(boot2.subarray(0, BOOT2_LENGTH - 4)) !== check) throw new Error('the ROM finds no boot2 in flash');
    sram.set(boot2, BOOT2 - 0x20000000);
    core.VTOR = 0;
    core.SP = BOOT2;
    core.LR = 0;
    core.PC = BOOT2;
  }

  call(number) {
    const { registers } = this.chip.core;
    if (number === LOOK_UP) {
      const tag = String.fromCharCode(registers[1] & 0xff, (registers[1] >> 8) & 0xff);
      const found = this.tags.indexOf(tag);
      if (found < 0) throw new Error(`the ROM has no function ${tag} here`);
      registers[0] = (CODE + 4 * (found + 1)) | 1;
      return;
    }
    const lent = this.functions[this.tags[number - 1]];
    if (!lent || this.chip.core.PC >= CODE + 4 * (this.tags.length + 1)) throw new Error(`a breakpoint: ${number}`);
    const result = lent(registers[0], registers[1], registers[2]);
    if (result !== undefined) registers[0] = result;
  }

  copy(to, from, length) {
    this.bytes(from, length).forEach((octet, index) => this.chip.writeUint8(to + index, octet));
    return to;
  }

  bytes(from, length) {
    return Uint8Array.from({ length }, (_, index) => this.chip.readUint8(from + index));
  }
}

/** Of MPEG-2: 04C11DB7, from all ones, nothing reflected (section 2.8.1.3.1). */
function crc32(octets) {
  let crc = 0xffffffff;
  for (const octet of octets) {
    crc ^= octet << 24;
    for (let bit = 0; bit < 8; bit++) crc = (crc << 1) ^ (crc & 0x80000000 ? 0x04c11db7 : 0);
  }
  return crc >>> 0;
}
