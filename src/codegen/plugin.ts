import { createEcmaScriptPlugin, type Plugin } from "@bufbuild/protoplugin";
import { generate } from "./generate.ts";
import { parseOptions } from "./options.ts";

/** Of the package; a test compares it with package.json. */
export const PLUGIN_VERSION = "0.1.0";

/**
 * protoc-gen-device-client: typed clients, informers and fakes for the resource services of .proto files, to stand
 * beside what protoc-gen-es writes of the same files. Its options are those of PluginOptions and the framework's.
 */
export const deviceClientPlugin: Plugin = createEcmaScriptPlugin({
  name: "protoc-gen-device-client",
  version: `v${PLUGIN_VERSION}`,
  parseOptions,
  generateTs(schema) {
    for (const { path, source, lines } of generate(schema.files, schema.options)) {
      const file = schema.generateFile(path);
      file.preamble(source);
      for (const line of lines) file.print(...line);
    }
  },
});
