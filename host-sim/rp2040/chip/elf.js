// What of an ELF file is loaded, and where its symbols are (Tool Interface Standard, ELF 1.2, book I).

const PT_LOAD = 1;
const SHT_SYMTAB = 2;

/** [address, octets] of each segment, at its load address. */
export function* loadSegments(file) {
  const view = new DataView(file.buffer, file.byteOffset, file.length);
  const [table, size, count] = [view.getUint32(28, true), view.getUint16(42, true), view.getUint16(44, true)];
  for (let number = 0; number < count; number++) {
    const at = table + number * size;
    const word = (offset) => view.getUint32(at + offset, true);
    const [kind, from, address, length] = [word(0), word(4), word(12), word(16)];
    if (kind === PT_LOAD && length > 0) yield [address, file.subarray(from, from + length)];
  }
}

/** The address of a symbol. */
export function symbol(file, name) {
  const view = new DataView(file.buffer, file.byteOffset, file.length);
  const [table, size, count] = [view.getUint32(32, true), view.getUint16(46, true), view.getUint16(48, true)];
  const section = (number) => {
    const word = (offset) => view.getUint32(table + number * size + offset, true);
    return { kind: word(4), from: word(16), length: word(20), link: word(24) };
  };
  for (let number = 0; number < count; number++) {
    const symbols = section(number);
    if (symbols.kind !== SHT_SYMTAB) continue;
    const names = section(symbols.link);
    for (let at = symbols.from; at < symbols.from + symbols.length; at += 16) {
      const begin = names.from + view.getUint32(at, true);
      if (file.subarray(begin, file.indexOf(0, begin)).toString() === name) return view.getUint32(at + 4, true);
    }
  }
  throw new Error(`the image has no symbol ${name}`);
}
