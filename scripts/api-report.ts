/**
 * Writes docs/sdk/api-report.md below the given folder: what the SDK's entry points offer, in a form in which a change
 * of it shows in review. Fails where a public type names one that is not exported.
 */
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { Extractor, ExtractorConfig, ExtractorLogLevel, type ExtractorMessage } from "@microsoft/api-extractor";
import { compileSdk, withFolder } from "./sdk/compile.ts";
import { SDK_ENTRIES, sdkManifest } from "./sdk/manifest.ts";

const REPORT = "docs/sdk/api-report.md";
const NAME = "report.api.md";
const HINT: Readonly<Record<string, string>> = {
  "ae-forgotten-export": "export it from its entry point in src/client/entry",
};

const [output = "."] = process.argv.slice(2);
process.exitCode = withFolder("api", (folder) => {
  compileSdk(folder);
  const faults: string[] = [];
  const report = extract(resolve(folder), (message) => faults.push(describe(message)));
  for (const fault of faults) console.error(`api-report: ${fault}`);
  if (faults.length > 0) return 1;
  mkdirSync(join(output, "docs/sdk"), { recursive: true });
  writeFileSync(join(output, REPORT), report);
  return 0;
});

function describe({ messageId, text, sourceFilePath, sourceFileLine }: ExtractorMessage): string {
  const place = sourceFilePath === undefined ? "" : `${sourceFilePath}:${sourceFileLine}: `;
  return `${place}${text} (${messageId})${HINT[messageId] === undefined ? "" : `: ${HINT[messageId]}`}`;
}

/** One report over all entry points: each stands in it as a namespace of its name. */
function extract(folder: string, onFault: (message: ExtractorMessage) => void): string {
  const entries = SDK_ENTRIES.map((name) => `export * as ${name} from "./client/entry/${name}.ts";\n`);
  writeFileSync(join(folder, "lib/all.d.ts"), entries.join(""));
  writeFileSync(join(folder, "package.json"), JSON.stringify(sdkManifest(undefined)));
  const { Error: ERROR, None: NONE } = { Error: ExtractorLogLevel.Error, None: ExtractorLogLevel.None };
  const config = ExtractorConfig.prepare({
    configObject: {
      projectFolder: folder,
      mainEntryPointFilePath: join(folder, "lib/all.d.ts"),
      compiler: { overrideTsconfig: { extends: resolve("tsconfig.sdk.json"), files: [join(folder, "lib/all.d.ts")] } },
      apiReport: { enabled: true, reportFileName: NAME, reportFolder: folder, reportTempFolder: folder },
      newlineKind: "lf",
      docModel: { enabled: false },
      dtsRollup: { enabled: false },
      tsdocMetadata: { enabled: false },
      messages: {
        compilerMessageReporting: { default: { logLevel: ERROR } },
        extractorMessageReporting: {
          default: { logLevel: ERROR },
          // Everything that is exported is public, and a member whose name says it all has no comment.
          "ae-missing-release-tag": { logLevel: NONE },
          "ae-undocumented": { logLevel: NONE },
        },
        tsdocMessageReporting: { default: { logLevel: NONE } },
      },
    },
    configObjectFullPath: join(folder, "api-extractor.json"),
    packageJsonFullPath: join(folder, "package.json"),
  });
  Extractor.invoke(config, {
    localBuild: true,
    messageCallback(message) {
      message.handled = true;
      if (message.logLevel === ERROR) onFault(message);
    },
  });
  // Whether there is a comment is seen in the source.
  return readFileSync(join(folder, NAME), "utf8").replaceAll(/ \(undocumented\)$|^ *\/\/ \(undocumented\)\n/gm, "");
}
