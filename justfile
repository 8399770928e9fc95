# The verbs of this project; CI runs these and nothing else. `./dev VERB` installs the toolchain first.

set positional-arguments := true
set shell := ["bash", "-euo", "pipefail", "-c"]

export PATH := justfile_directory() / ".tools/bin" + ":" + env("PATH")
# Zig's cache stays with the checkout: no HOME is needed, and `clean` finds it.
export ZIG_GLOBAL_CACHE_DIR := justfile_directory() / ".tools/cache/zig"

# Any value makes Zig 0.17 build its build runner without optimisation: 12 s instead of 110 on first use.
export ZIG_DEBUG_CMD := "1"

# list the verbs
@_default:
    echo "usage: ./dev VERB [ARGUMENT...]"
    just --justfile "{{ justfile() }}" --list --unsorted --list-heading ''

# build, start a server with 8 simulated GPUs, print what to try next; arguments go to the server
[no-exit-message]
@run *arguments: build
    exec bun scripts/run.ts "$@"

# the same on a scripted NVML library in the place of a driver (zig/fake/README.md has its commands)
[no-exit-message]
@run-nvml *arguments: build
    exec bun scripts/run.ts --fake-nvml "$@"

# run an example of examples/ against the server of `run`, or the one that NVIDIA_DEVICE_API_TARGET names
[no-exit-message]
@example name *arguments: _tools
    exec bun scripts/example.ts "$@"

# every check, or one part of them: lint, unit or e2e
[no-exit-message]
@test part="all": _tools
    exec bun scripts/test.ts "$1"

# the unit tests alone, or those of the given paths
[no-exit-message]
@unit *paths: _tools
    bun scripts/build.ts --embedded-only
    if (($# == 0)); then set -- ./src ./scripts ./bench; fi; exec bun test --timeout=120000 "$@"

# style, types, wire contract, layers; changes nothing
[no-exit-message]
@lint: _tools
    exec bun scripts/test.ts lint

# format everything that has a formatter
[no-exit-message]
@fmt: _tools
    node_modules/.bin/biome check --write
    node_modules/.bin/buf format --write
    zig fmt zig

# write the generated code: src/gen from proto/, src/native/nvml-abi.gen.ts from zig/src
[no-exit-message]
@gen: _tools
    exec bun scripts/gen.ts

# fail if the generated code is not what proto/ and zig/src give
[no-exit-message]
@gen-check: _tools
    exec bun scripts/gen.ts --check

# the binary beside a grpc-go server, on this machine: rates, latencies, CPU, memory; needs Go; --help, --quick
[no-exit-message]
@bench *arguments: build
    exec bun bench/server.ts "$@"

# make dist/device-api-server, if its sources changed
[no-exit-message]
@build: _tools
    exec bun scripts/build.ts

# make an image in dist/image; --offline: on Debian's packages; --arch=arm64; --tag, --base, --builder
[no-exit-message]
@image *arguments: build
    exec bun scripts/image/image.ts "$@"

# build the image offline and run it, and what is for the other architecture; needs root, buildah, umoci and runc
[no-exit-message]
@test-image: build
    exec bun scripts/test.ts image

# what `test` plays in part, in full
[no-exit-message]
@test-long: build
    exec bun scripts/test.ts long

# the NVML provider on a real GPU: needs a machine with a driver and nvidia-smi
[no-exit-message]
@test-gpu: build
    exec bun scripts/test.ts gpu

# the chart's tests with Helm, which is built on first use, where Go is present (several minutes); `test` has the others
[no-exit-message]
@chart-test: build
    exec bun scripts/test.ts chart

# the chart on a real Kubernetes node of its own; load: the pod's use under load; interrupted: what is left; --docs
[no-exit-message]
@test-cluster *arguments: build
    exec bun tests/cluster/run.ts "$@"

# make the npm package of the SDK, dist/sdk; --repository=URL: where it is published from
[no-exit-message]
@sdk *arguments: _tools
    exec bun scripts/sdk.ts "$@"

# make the pages of the SDK's API, dist/docs; typedoc is installed on first use
[no-exit-message]
@docs: _tools
    bun install --cwd tools/docs --frozen-lockfile --ignore-scripts --silent
    exec node tools/docs/node_modules/typedoc/bin/typedoc --options tools/docs/typedoc.json

# make what the binary embeds, the Zig shim and the page, alone
[no-exit-message]
@zig: _tools
    exec bun scripts/build.ts --embedded-only

# make the deb and the rpm, dist/packages; --arch=arm64: for another machine
[no-exit-message]
@package *arguments: build
    bun scripts/go-tools.ts nfpm
    exec bun scripts/package.ts "$@"

# remove what build and test made; the toolchain stays
@clean:
    rm -rf dist bench/go/device zig/.zig-cache zig/zig-out .tools/cache

# fails with one line where the toolchain is missing, instead of a "command not found" of some recipe
[no-exit-message]
@_tools:
    if [[ ! -x .tools/bin/bun || ! -x .tools/bin/zig || ! -f node_modules/.stamp ]]; then \
      echo "the toolchain is not installed here: run ./dev once (it installs everything into .tools/)" >&2; exit 1; fi
