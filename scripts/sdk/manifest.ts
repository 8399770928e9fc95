import root from "../../package.json" with { type: "json" };
import { PLUGIN } from "./compile.ts";

export const SDK_NAME = "device-api-client";

/** The entry points beside `.`, each a file of src/client/entry. */
export const SDK_ENTRIES = ["client", "informers", "fake", "gen"] as const;

/** package.json of the SDK. `repository`: where the provenance of a published package says that it was built. */
export function sdkManifest(repository: string | undefined) {
  const entries = SDK_ENTRIES.map((name) => [`./${name}`, entryAt(`client/entry/${name}`)] as const);
  return {
    name: SDK_NAME,
    version: root.version,
    description: "Typed clients, listers and informers for the GPU state that device-api-server keeps on a node.",
    license: root.license,
    keywords: ["gpu", "grpc", "informer", "kubernetes", "nvidia"],
    ...(repository !== undefined && { repository: { type: "git", url: repository } }),
    type: "module",
    // The first of Node 20 with long-term support; Symbol.dispose came with 20.4.
    engines: { node: ">=20.9", bun: ">=1.4" },
    sideEffects: false,
    exports: { ".": entryAt("client/index"), ...Object.fromEntries(entries), "./package.json": "./package.json" },
    types: "./lib/client/index.d.ts",
    bin: { "protoc-gen-device-client": `lib/${PLUGIN}` },
    files: ["lib", "src", "NOTICE"],
    publishConfig: { access: "public", provenance: true },
    dependencies: {
      // The messages are shared with code that the user generates: one runtime has to serve both.
      "@bufbuild/protobuf": `^${root.dependencies["@bufbuild/protobuf"]}`,
      // How it dials and how it fails is relied on beyond its types.
      "@grpc/grpc-js": `~${root.dependencies["@grpc/grpc-js"]}`,
    },
    // Only who runs the generator needs it, and it brings a compiler along.
    peerDependencies: { "@bufbuild/protoplugin": `^${root.devDependencies["@bufbuild/protoplugin"]}` },
    peerDependenciesMeta: { "@bufbuild/protoplugin": { optional: true } },
  };
}

const entryAt = (path: string) => ({ types: `./lib/${path}.d.ts`, default: `./lib/${path}.js` });
