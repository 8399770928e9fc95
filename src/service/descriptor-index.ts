import { type AnyDesc, type DescFile, type DescMessage, toBinary } from "@bufbuild/protobuf";
import { nestedTypes } from "@bufbuild/protobuf/reflect";
import { FileDescriptorProtoSchema } from "@bufbuild/protobuf/wkt";

/** What reflection answers from: the descriptors that the generated code carries, well-known types included. */
export interface DescriptorIndex {
  /** Full names of all services in the files given, sorted. */
  readonly services: readonly string[];
  /** The encoded file first, then everything it imports, directly or not; undefined for a name not known. */
  fileByName(name: string): readonly Uint8Array[] | undefined;
  /** As fileByName, for the file that declares the symbol (full name, no leading dot). */
  fileBySymbol(symbol: string): readonly Uint8Array[] | undefined;
  fileByExtension(extendee: string, number: number): readonly Uint8Array[] | undefined;
  /** The numbers of the extensions known for a message, rising; undefined where the message itself is not known. */
  extensionNumbers(extendee: string): readonly number[] | undefined;
}

/** The files and all they import are searchable; the services are those of the files themselves. */
export function createDescriptorIndex(files: readonly DescFile[]): DescriptorIndex {
  const byName = new Map<string, DescFile>();
  const bySymbol = new Map<string, DescFile>();
  const extensions = new Map<string, Map<number, DescFile>>();
  for (const file of files.flatMap(withImports)) {
    const name = fileName(file);
    if (byName.has(name)) continue;
    byName.set(name, file);
    for (const desc of nestedTypes(file)) {
      for (const symbol of symbolsOf(desc)) bySymbol.set(symbol, file);
      if (desc.kind === "message") numbersOf(desc, extensions);
      if (desc.kind === "extension") numbersOf(desc.extendee, extensions).set(desc.number, file);
    }
  }

  const encoded = new Map<DescFile, readonly Uint8Array[]>();
  const encode = (file: DescFile | undefined): readonly Uint8Array[] | undefined => {
    if (file === undefined) return undefined;
    const known = encoded.get(file);
    if (known !== undefined) return known;
    const bytes = withImports(file).map((one) => toBinary(FileDescriptorProtoSchema, one.proto));
    encoded.set(file, bytes);
    return bytes;
  };

  return {
    services: [...new Set(files.flatMap((file) => file.services.map((service) => service.typeName)))].sort(),
    fileByName: (name) => encode(byName.get(name)),
    fileBySymbol: (symbol) => encode(bySymbol.get(symbol)),
    fileByExtension: (extendee, number) => encode(extensions.get(extendee)?.get(number)),
    extensionNumbers(extendee) {
      const numbers = extensions.get(extendee);
      return numbers === undefined ? undefined : [...numbers.keys()].sort((a, b) => a - b);
    },
  };
}

function numbersOf(message: DescMessage, extensions: Map<string, Map<number, DescFile>>): Map<number, DescFile> {
  const numbers = extensions.get(message.typeName) ?? new Map<number, DescFile>();
  extensions.set(message.typeName, numbers);
  return numbers;
}

/** The file, then its imports, each once. */
function withImports(file: DescFile): DescFile[] {
  const found = new Set<DescFile>();
  const visit = (one: DescFile) => {
    if (found.has(one)) return;
    found.add(one);
    one.dependencies.forEach(visit);
  };
  visit(file);
  return [...found];
}

/** As the imports spell it; DescFile.name leaves the suffix out. */
function fileName(file: DescFile): string {
  return file.proto.name;
}

/** The full names that a declaration brings along. Enum values live beside their enum, not inside it. */
function symbolsOf(desc: AnyDesc): string[] {
  switch (desc.kind) {
    case "message":
      return [
        desc.typeName,
        ...desc.fields.map((field) => `${desc.typeName}.${field.name}`),
        ...desc.oneofs.map((oneof) => `${desc.typeName}.${oneof.name}`),
      ];
    case "enum": {
      const scope = desc.typeName.slice(0, -desc.name.length);
      return [desc.typeName, ...desc.values.map((value) => `${scope}${value.name}`)];
    }
    case "service":
      return [desc.typeName, ...desc.methods.map((method) => `${desc.typeName}.${method.name}`)];
    case "extension":
      return [desc.typeName];
    default:
      return [];
  }
}
