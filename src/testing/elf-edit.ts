/** Changes to a 64-bit little-endian ELF library that make it another driver's. */

const MACHINE_OFFSET = 18;
const SECTIONS_OFFSET = 40;
const SECTION_SIZE_OFFSET = 58;
const SECTION_COUNT_OFFSET = 60;
const DYNAMIC_SYMBOLS = 11;

/** The library without these exports. Each name's first letter changes, so that looking it up finds nothing. */
export function hideSymbols(library: Buffer, names: readonly string[]): Buffer {
  const { start, end } = dynamicStrings(library);
  for (const name of names) {
    const wanted = Buffer.from(`\0${name}\0`);
    const at = library.subarray(start, end).indexOf(wanted);
    if (at < 0) throw new Error(`${name} is no export of the library`);
    library.write("_", start + at + 1);
  }
  return library;
}

/** The library for a processor with this e_machine. */
export function setMachine(library: Buffer, machine: number): Buffer {
  library.writeUInt16LE(machine, MACHINE_OFFSET);
  return library;
}

/** The string table of the dynamic symbols. */
function dynamicStrings(library: Buffer): { start: number; end: number } {
  const first = Number(library.readBigUInt64LE(SECTIONS_OFFSET));
  const size = library.readUInt16LE(SECTION_SIZE_OFFSET);
  const count = library.readUInt16LE(SECTION_COUNT_OFFSET);
  for (let index = 0; index < count; index++) {
    const header = first + index * size;
    if (library.readUInt32LE(header + 4) !== DYNAMIC_SYMBOLS) continue;
    const strings = first + library.readUInt32LE(header + 40) * size;
    const start = Number(library.readBigUInt64LE(strings + 24));
    return { start, end: start + Number(library.readBigUInt64LE(strings + 32)) };
  }
  throw new Error("the library has no dynamic symbols");
}
