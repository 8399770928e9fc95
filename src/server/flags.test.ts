import { describe, expect, test } from "bun:test";
import { SERVE_FLAGS } from "./flags.ts";
import { renderFlags } from "./flags-help.ts";
import { type Flag, type FlagTable, formatDefault, UsageError, variableOf } from "./flags-kinds.ts";
import { nearest, parseFlags } from "./flags-parse.ts";

/** Manifests are written against these; the contract fixes them. */
const CONTRACT: readonly (readonly [name: string, variable: string, shownDefault: string])[] = [
  ["grpc-address", "DEVICE_API_GRPC_ADDRESS", "127.0.0.1:50051"],
  ["unix-socket", "DEVICE_API_UNIX_SOCKET", "/var/run/device-api/device.sock"],
  ["health-port", "DEVICE_API_HEALTH_PORT", "8081"],
  ["metrics-port", "DEVICE_API_METRICS_PORT", "9090"],
  ["ui-address", "DEVICE_API_UI_ADDRESS", "127.0.0.1:8082"],
  ["shutdown-timeout", "DEVICE_API_SHUTDOWN_TIMEOUT", "30s"],
  ["shutdown-delay", "DEVICE_API_SHUTDOWN_DELAY", "5s"],
  ["log-format", "DEVICE_API_LOG_FORMAT", "json"],
  ["node-name", "NODE_NAME", "the host's name"],
  ["v", "", "0"],
  ["version", "", "false"],
  ["help", "", "false"],
  ["enable-nvml-provider", "DEVICE_API_NVML_ENABLED", "false"],
  ["nvml-driver-root", "DEVICE_API_NVML_DRIVER_ROOT", "/run/nvidia/driver"],
  ["nvml-health-check", "DEVICE_API_NVML_HEALTH_CHECK", "true"],
  ["nvml-ignored-xids", "DEVICE_API_NVML_IGNORED_XIDS", "none"],
  ["nvml-mig", "DEVICE_API_NVML_MIG", "false"],
  ["nvml-period", "DEVICE_API_NVML_PERIOD", "500ms"],
  ["nvml-hang-timeout", "DEVICE_API_NVML_HANG_TIMEOUT", "3 periods, at least 5s"],
  ["nvml-unread-rounds", "DEVICE_API_NVML_UNREAD_ROUNDS", "2"],
  ["nvml-gone-after", "DEVICE_API_NVML_GONE_AFTER", "30s"],
  ["nvml-thermal-margin", "DEVICE_API_NVML_THERMAL_MARGIN", "5"],
  ["nvml-thermal-quiet", "DEVICE_API_NVML_THERMAL_QUIET", "30s"],
  ["nvml-power-quiet", "DEVICE_API_NVML_POWER_QUIET", "30s"],
  ["nvml-link-quiet", "DEVICE_API_NVML_LINK_QUIET", "10s"],
  ["nvml-link-errors", "DEVICE_API_NVML_LINK_ERRORS", "100"],
  ["nvml-link-error-window", "DEVICE_API_NVML_LINK_ERROR_WINDOW", "1m"],
  ["nvml-link-error-quiet", "DEVICE_API_NVML_LINK_ERROR_QUIET", "2m"],
  ["nvml-fabric-quiet", "DEVICE_API_NVML_FABRIC_QUIET", "10s"],
  ["nvml-unattributed-quiet", "DEVICE_API_NVML_UNATTRIBUTED_QUIET", "1m"],
  ["nvml-retired-pages", "DEVICE_API_NVML_RETIRED_PAGES", "60"],
  ["provider-uids", "DEVICE_API_PROVIDER_UIDS", "0,self"],
  ["provider-gids", "DEVICE_API_PROVIDER_GIDS", "none"],
  ["provider", "DEVICE_API_PROVIDER", "none"],
  ["tcp-allow-providers", "DEVICE_API_TCP_ALLOW_PROVIDERS", "false"],
  ["insecure-bind", "DEVICE_API_INSECURE_BIND", "false"],
  ["socket-group", "DEVICE_API_SOCKET_GROUP", "the server's own"],
  ["inverted-conditions", "DEVICE_API_INVERTED_CONDITIONS", "*Error,*Fault,Gpu*Watch"],
  ["advisory-conditions", "DEVICE_API_ADVISORY_CONDITIONS", "ThermalHealthy,PowerHealthy"],
  ["provider-lease", "DEVICE_API_PROVIDER_LEASE", "30s"],
  ["http-host", "DEVICE_API_HTTP_HOST", "all"],
  ["max-connections", "DEVICE_API_MAX_CONNECTIONS", "4096"],
  ["max-connections-per-uid", "DEVICE_API_MAX_CONNECTIONS_PER_UID", "2048"],
  ["max-message-bytes", "DEVICE_API_MAX_MESSAGE_BYTES", "4194304"],
  ["simulate", "DEVICE_API_SIMULATE", "0"],
];

const entries: readonly (readonly [string, Flag])[] = Object.entries(SERVE_FLAGS);

describe("the table of flags", () => {
  test("holds exactly the contract's names, variables and defaults", () => {
    const table = entries.map(([name, flag]) => [name, variableOf(name, flag), formatDefault(flag)]);
    expect(table.toSorted()).toEqual(CONTRACT.map((row) => [...row]).toSorted());
  });

  test("gives each variable to one flag", () => {
    const variables = entries.map(([name, flag]) => variableOf(name, flag)).filter((variable) => variable !== "");
    expect(new Set(variables).size).toBe(variables.length);
  });

  test("is shown whole by --help, in lines of at most 110 characters", () => {
    const help = renderFlags(SERVE_FLAGS);
    for (const [name, variable] of CONTRACT) {
      expect(help).toMatch(new RegExp(`--${name}[ \n]`));
      expect(help).toContain(variable);
    }
    expect(help.split("\n").filter((line) => line.length > 110)).toEqual([]);
  });
});

const parse = (args: readonly string[], env: Readonly<Record<string, string>> = {}) =>
  parseFlags(SERVE_FLAGS, args, env).values;

describe("Go's syntax", () => {
  test.each([[["-v=4"]], [["--v=4"]], [["-v", "4"]], [["--v", "4"]], [["-v=0", "--v=4"]]])(
    "%p sets the verbosity to 4",
    (args) => {
      expect(parse(args).v).toBe(4);
    },
  );

  test.each([
    [["--insecure-bind"], true],
    [["-insecure-bind=true"], true],
    [["--insecure-bind=1"], true],
    [["--insecure-bind=T"], true],
    [["--insecure-bind=false"], false],
    [["--insecure-bind=0"], false],
  ])("%p is the bool %p", (args, value) => {
    expect(parse(args)["insecure-bind"]).toBe(value);
  });

  test("a bool never takes the next argument", () => {
    const { values, positionals } = parseFlags(SERVE_FLAGS, ["--insecure-bind", "false"], {});
    expect([values["insecure-bind"], positionals]).toEqual([true, ["false"]]);
  });

  test("a value may begin with a dash or hold equals signs and line feeds", () => {
    expect(parse(["--node-name", "-x"])["node-name"]).toBe("-x");
    expect(parse(["--node-name=a=b\nc"])["node-name"]).toBe("a=b\nc");
    expect(parse(["--grpc-address="])["grpc-address"]).toBe("");
  });

  test("a list grows by repetition and by commas, and an empty value empties it", () => {
    const args = ["--unix-socket", "/a,/b", "--unix-socket=/c"];
    expect(parse(args)["unix-socket"]).toEqual(["/a", "/b", "/c"]);
    expect(parse(["--unix-socket="])["unix-socket"]).toEqual([]);
  });

  test("flags and other arguments mix, and two dashes end the flags", () => {
    const { values, positionals } = parseFlags(SERVE_FLAGS, ["a", "-v=1", "b", "--", "-v=2"], {});
    expect([values.v, positionals]).toEqual([1, ["a", "b", "-v=2"]]);
  });

  test("--help and -h work beside a mistake that comes later or in the environment", () => {
    for (const flag of ["--help", "-help", "-h", "--help=true"]) {
      expect(parse([flag, "--bogus"], { DEVICE_API_HEALTH_PORT: "x" }).help).toBe(true);
    }
    expect(parse(["--version", "--bogus"]).version).toBe(true);
  });
});

describe("a letter and its value in one word", () => {
  const flag = (kind: object) => ({ help: "", group: "", ...kind }) as Flag;
  const table: FlagTable = {
    output: flag({ kind: "enum", default: "table", values: ["table", "json"], variable: "", short: "o" }),
    oz: flag({ kind: "bool", default: false, variable: "" }),
    text: flag({ kind: "string", default: "", variable: "", short: "t" }),
  };
  const read = (...args: readonly string[]) => parseFlags(table, args, {}).values;

  test("is taken as kubectl takes it, of a flag with a choice", () => {
    expect(read("-ojson")).toMatchObject({ output: "json", oz: false });
    expect(read("-oz")).toMatchObject({ output: "table", oz: true });
    expect(() => read("-oxml")).toThrow('--output: "xml" is not table or json');
    for (const wrong of ["-tx", "--ojson", "-xjson"]) expect(() => read(wrong)).toThrow("unknown flag");
  });
});

describe("the environment", () => {
  test("is used where the flag is absent, and loses to the flag", () => {
    const env = { DEVICE_API_HEALTH_PORT: "1", NODE_NAME: "n1", DEVICE_API_NVML_ENABLED: "true" };
    expect(parse([], env)).toMatchObject({ "health-port": 1, "node-name": "n1", "enable-nvml-provider": true });
    expect(parse(["--health-port=2", "--enable-nvml-provider=false"], env)).toMatchObject({
      "health-port": 2,
      "enable-nvml-provider": false,
    });
  });

  test("a flag's list does not grow by the variable's", () => {
    expect(parse(["--unix-socket=/a"], { DEVICE_API_UNIX_SOCKET: "/b" })["unix-socket"]).toEqual(["/a"]);
  });

  test("an empty variable empties texts and lists and leaves the rest at its default", () => {
    const env = { DEVICE_API_GRPC_ADDRESS: "", DEVICE_API_UNIX_SOCKET: "", DEVICE_API_HEALTH_PORT: "" };
    expect(parse([], env)).toMatchObject({ "grpc-address": "", "unix-socket": [], "health-port": 8081 });
  });

  test("a Service's variable in the place of ours is recognised", () => {
    const env = { DEVICE_API_HEALTH_PORT: "tcp://10.0.0.1:8081" };
    expect(() => parse([], env)).toThrow(/DEVICE_API_HEALTH_PORT: .*enableServiceLinks/);
  });
});

describe("a mistake", () => {
  test.each([
    [["--health-port=abc"], '--health-port: "abc" is not a port number from 0 to 65535'],
    [["--health-port=65536"], '--health-port: "65536" is not a port number from 0 to 65535'],
    [["--health-port=-1"], '--health-port: "-1" is not a port number'],
    [["--v=1.5"], '--v: "1.5" is not a whole number from 0 to 10'],
    [["--v="], '--v: "" is not a whole number from 0 to 10'],
    [["--shutdown-delay=fast"], '--shutdown-delay: "fast" is not a duration such as'],
    [["--provider-lease=500ms"], "from 1s to 24h"],
    [["--log-format=xml"], '--log-format: "xml" is not json or text'],
    [["--insecure-bind=maybe"], '--insecure-bind: "maybe" is not true or false'],
    [["--node-name"], "--node-name: a value is missing"],
    [["--helth-port=1"], 'unknown flag "--helth-port"; did you mean --health-port?'],
    [["--grpc-adress=1"], "did you mean --grpc-address?"],
    [["--tcp-allow"], "did you mean --tcp-allow-providers?"],
    [["--xyzzy"], 'unknown flag "--xyzzy". See --help'],
    [["--node\n-name=x"], 'unknown flag "--node\\n-name"'],
  ])("in %p is named in one line", (args, message) => {
    const call = () => parse(args);
    expect(call).toThrow(UsageError);
    expect(call).toThrow(message);
    try {
      call();
    } catch (error) {
      expect(String(error)).not.toContain("\n");
    }
  });

  test("in a variable is named by the variable", () => {
    expect(() => parse([], { DEVICE_API_SHUTDOWN_DELAY: "x" })).toThrow("DEVICE_API_SHUTDOWN_DELAY: ");
  });

  test("is shown cut where the value is long", () => {
    const call = () => parse([`--health-port=${"9".repeat(5_000)}`]);
    expect(call).toThrow("… (of 5000)");
  });
});

test("a guess is made for a near miss and for nothing else", () => {
  const table: FlagTable = SERVE_FLAGS;
  const names = Object.keys(table);
  expect(nearest("matrics-port", names)).toBe("metrics-port");
  expect(nearest("x", names)).toBeUndefined();
  expect(nearest("a".repeat(100_000), names)).toBeUndefined();
});
