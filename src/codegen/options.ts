/** The files over all API groups and versions. */
export const TOP_LEVEL = ["clientset", "informers", "fake"] as const;

export type TopLevel = (typeof TOP_LEVEL)[number];

/** What the plugin understands beside the options that every protoc-gen-es plugin has (target, import_extension, …). */
export interface PluginOptions {
  /**
   * Where the runtime comes from. A package, imported by its entry points (`device-api-client/client`, …): the default
   * is `device-api-client`. Or, for the package's own build, a folder relative to the output, `./` or `../`: then the
   * source files in it are imported one by one.
   */
  readonly runtimeImport: string;
  /**
   * Which files to write over all API groups and versions. Default: all three. Fewer, for who writes a clientset of
   * their own with more in it; the fake needs the clientset.
   */
  readonly topLevel: readonly TopLevel[];
  /** Full names. Where there are any, code is generated for these services alone, and each has to be suitable. */
  readonly services: readonly string[];
  /** Plurals that do not follow from the kind: Chassis=Chassis. */
  readonly plurals: ReadonlyMap<string, string>;
}

interface RawOption {
  readonly key: string;
  readonly value: string;
}

type Setter = (options: PluginOptions, value: string) => PluginOptions;

const DEFAULTS: PluginOptions = {
  runtimeImport: "device-api-client",
  topLevel: TOP_LEVEL,
  services: [],
  plurals: new Map(),
};

const OPTIONS: Readonly<Record<string, { readonly form: string; readonly set: Setter }>> = {
  runtime_import: { form: "runtime_import=PACKAGE or runtime_import=./FOLDER", set: setRuntimeImport },
  top_level: { form: "top_level=clientset+informers+fake, some of them, or top_level=none", set: setTopLevel },
  service: { form: "service=PACKAGE.SERVICE (may be given several times)", set: addService },
  plural: { form: "plural=KIND:PLURAL (may be given several times)", set: addPlural },
};

/** Throws an Error that says what is wrong and what there is; the framework names the option before it. */
export function parseOptions(raw: readonly RawOption[]): PluginOptions {
  return raw.reduce((options, { key, value }) => {
    const option = Object.hasOwn(OPTIONS, key) ? OPTIONS[key] : undefined;
    if (option === undefined) throw new Error(`there is no option ${JSON.stringify(key)}; ${knownForms()}`);
    if (value === "") throw new Error(`${key} has no value; write ${option.form}`);
    return option.set(options, value);
  }, DEFAULTS);
}

function knownForms(): string {
  const own = Object.values(OPTIONS).map(({ form }) => form);
  const common = "target, import_extension, rewrite_imports, map_imports and what else protoc-gen-es has";
  return `known are ${own.join("; ")}; ${common}`;
}

function setRuntimeImport(options: PluginOptions, value: string): PluginOptions {
  if (/[\s"'\\]/.test(value)) throw new Error("runtime_import is a package or a folder, without blanks and quotes");
  return { ...options, runtimeImport: value.replace(/\/+$/, "") };
}

function setTopLevel(options: PluginOptions, value: string): PluginOptions {
  const words = value === "none" ? [] : value.split("+");
  const topLevel = words.filter(isTopLevel);
  if (topLevel.length < words.length) throw new Error(`top_level is none or of ${TOP_LEVEL.join("+")}`);
  if (topLevel.includes("fake") && !topLevel.includes("clientset")) {
    throw new Error("top_level with fake, which is made from the clientset, needs clientset too");
  }
  return { ...options, topLevel };
}

const isTopLevel = (word: string): word is TopLevel => TOP_LEVEL.some((name) => name === word);

function addService(options: PluginOptions, value: string): PluginOptions {
  if (options.services.includes(value)) throw new Error(`service ${value} stands there twice`);
  return { ...options, services: [...options.services, value] };
}

function addPlural(options: PluginOptions, value: string): PluginOptions {
  const [, kind, plural] = /^([A-Z]\w*):([A-Z]\w*)$/.exec(value) ?? [];
  if (kind === undefined || plural === undefined) throw new Error("plural is KIND:PLURAL, as in Chassis:Chassis");
  if (options.plurals.has(kind)) throw new Error(`the plural of ${kind} stands there twice`);
  return { ...options, plurals: new Map([...options.plurals, [kind, plural]]) };
}
