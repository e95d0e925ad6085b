// A block of registers, with the RP2040's atomic aliases: 0x1000 xor, 0x2000 set, 0x3000 clear (data sheet, section 2.1.2).

export class Registers {
  /** What is read at `offset`. */
  read(offset) {
    return 0;
  }

  /** `value` is what the register shall hold; `raw` what stood on the bus, for bits that are cleared by writing them. */
  write(offset, value, raw) {}

  // What rp2040js calls.
  readUint32(address) {
    return this.read(address & 0xfff) >>> 0;
  }

  writeUint32Atomic(offset, raw, kind) {
    const before = kind === 0 ? 0 : this.read(offset);
    const value = [raw, before ^ raw, before | raw, before & ~raw][kind];
    this.write(offset, value >>> 0, raw >>> 0);
  }
}

/** Registers that keep what is written. */
export class Kept extends Registers {
  constructor(initial = {}) {
    super();
    this.values = new Map(Object.entries(initial).map(([offset, value]) => [Number(offset), value]));
  }

  read(offset) {
    return this.values.get(offset) ?? 0;
  }

  write(offset, value) {
    this.values.set(offset, value);
  }
}
