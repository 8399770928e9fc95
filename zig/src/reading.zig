//! One reading of one GPU: every call that the driver has, each with its own answer. What the library says is checked
//! here; nothing behind this file has to doubt it.

const std = @import("std");
const abi = @import("abi.zig");
const nvml = @import("nvml.zig");
const calls = @import("calls.zig");
const clock = @import("clock.zig");
const devices = @import("devices.zig");
const instances = @import("instances.zig");
const links = @import("links.zig");

/// What hardly ever changes is read anew after this many rounds: twice a minute at the default period.
const fact_rounds = 60;

// Beyond these a number is nonsense, and the call counts as failed: a GPU that has fallen off the bus reads as ones.
const celsius_max = 255;
const milliwatts_max = 100_000_000;
const counter_nonsense = std.math.maxInt(u64);
/// Retired pages and remapped rows; a GPU has room for some hundred.
const rows_max = 1_000_000;

pub const Reader = struct {
    caller: calls.Caller,
    device: *devices.Device,
    gpu: *abi.NvmlGpu,
    wants_mig: bool,

    pub fn read(self: Reader) void {
        const gpu = self.gpu;
        gpu.* = std.mem.zeroes(abi.NvmlGpu);
        gpu.index = self.device.index;
        gpu.uuid = self.device.uuid;
        inline for (.{
            readFacts,    readTemperature,         readClocks, readPower,       readEcc,
            readRemapped, readRetired,             readSram,   links.readLinks, readFabric,
            readMig,      instances.readInstances,
        }) |part| {
            // A GPU that is lost is not asked any further: each call may take long.
            if (gpu.lost == 0) part(self);
        }
        gpu.name = self.device.facts.name;
        gpu.bus_id = self.device.facts.bus_id;
        gpu.mono_ns = clock.monotonicNs();
    }

    /// A GPU that enumeration could not open.
    pub fn readNothing(self: Reader, call: calls.Call, code: nvml.nvmlReturn_t) void {
        const gpu = self.gpu;
        gpu.* = std.mem.zeroes(abi.NvmlGpu);
        gpu.index = self.device.index;
        gpu.uuid = self.device.uuid;
        gpu.name = self.device.facts.name;
        gpu.bus_id = self.device.facts.bus_id;
        _ = self.worked(call, code);
        gpu.mono_ns = clock.monotonicNs();
    }

    /// False where there is no value: the driver does not have it, or the call failed, which is noted.
    pub fn worked(self: Reader, call: calls.Call, code: nvml.nvmlReturn_t) bool {
        if (code == nvml.NVML_SUCCESS) return true;
        if (isAbsent(code)) return false;
        if (code == nvml.NVML_ERROR_GPU_IS_LOST) self.gpu.lost = 1 else self.noteFailure(call, code);
        return false;
    }

    /// The first code of each function.
    pub fn noteFailure(self: Reader, call: calls.Call, code: nvml.nvmlReturn_t) void {
        const gpu = self.gpu;
        for (gpu.failures[0..gpu.failure_count]) |failure| if (failure.call == @backingInt(call)) return;
        if (gpu.failure_count == abi.max_failures) return;
        gpu.failures[gpu.failure_count] = .{ .call = @backingInt(call), .code = signed(code) };
        gpu.failure_count += 1;
    }

    /// A call that worked and answered nonsense.
    pub fn sane(self: Reader, call: calls.Call, is_sane: bool) bool {
        if (!is_sane) self.noteFailure(call, nvml.NVML_ERROR_UNKNOWN);
        return is_sane;
    }

    pub fn mark(self: Reader, field: abi.Field) void {
        self.gpu.present |= @as(u32, 1) << @backingInt(field);
    }

    pub fn has(self: Reader, field: abi.Field) bool {
        return self.gpu.present >> @backingInt(field) & 1 == 1;
    }

    fn readFacts(self: Reader) void {
        const facts = &self.device.facts;
        if (facts.rounds_left == 0) self.readFactsAnew();
        facts.rounds_left -|= 1;
        if (facts.slowdown_c) |celsius| {
            self.gpu.slowdown_c = celsius;
            self.mark(.slowdown);
        }
        if (facts.shutdown_c) |celsius| {
            self.gpu.shutdown_c = celsius;
            self.mark(.shutdown);
        }
    }

    fn readFactsAnew(self: Reader) void {
        const facts = &self.device.facts;
        const handle = self.device.handle;
        var name: [abi.Text.name]u8 = @splat(0);
        const named = self.caller.call(.nvmlDeviceGetName, .{ handle, &name, name.len });
        if (self.worked(.nvmlDeviceGetName, named)) {
            _ = self.sane(.nvmlDeviceGetName, devices.copyText(name.len, &facts.name, &name));
        }
        var pci = std.mem.zeroes(nvml.nvmlPciInfo_t);
        const located = self.caller.call(.nvmlDeviceGetPciInfo_v3, .{ handle, &pci });
        if (self.worked(.nvmlDeviceGetPciInfo_v3, located)) {
            _ = self.sane(.nvmlDeviceGetPciInfo_v3, devices.copyText(pci.busId.len, &facts.bus_id, &pci.busId));
        }
        facts.slowdown_c = self.readThreshold(nvml.NVML_TEMPERATURE_THRESHOLD_SLOWDOWN);
        facts.shutdown_c = self.readThreshold(nvml.NVML_TEMPERATURE_THRESHOLD_SHUTDOWN);
        facts.absent_links = 0;
        facts.link_counters = .unknown;
        // What failed is tried again in the next round.
        facts.rounds_left = if (self.gpu.failure_count == 0) fact_rounds else 1;
    }

    fn readThreshold(self: Reader, which: c_uint) ?u32 {
        const call: calls.Call = .nvmlDeviceGetTemperatureThreshold;
        var celsius: c_uint = 0;
        const code = self.caller.call(call, .{ self.device.handle, which, &celsius });
        if (!self.worked(call, code) or !self.sane(call, celsius <= celsius_max)) return null;
        return celsius;
    }

    fn readTemperature(self: Reader) void {
        const call: calls.Call = .nvmlDeviceGetTemperature;
        var celsius: c_uint = 0;
        const code = self.caller.call(call, .{ self.device.handle, nvml.NVML_TEMPERATURE_GPU, &celsius });
        if (!self.worked(call, code) or !self.sane(call, celsius <= celsius_max)) return;
        self.gpu.temperature_c = celsius;
        self.mark(.temperature);
    }

    fn readClocks(self: Reader) void {
        var reasons: c_ulonglong = 0;
        var code = self.caller.call(.nvmlDeviceGetCurrentClocksEventReasons, .{ self.device.handle, &reasons });
        if (code == nvml.NVML_ERROR_FUNCTION_NOT_FOUND) {
            code = self.caller.call(.nvmlDeviceGetCurrentClocksThrottleReasons, .{ self.device.handle, &reasons });
        }
        const call: calls.Call = .nvmlDeviceGetCurrentClocksEventReasons;
        if (!self.worked(call, code) or !self.sane(call, reasons != counter_nonsense)) return;
        self.gpu.clock_reasons = reasons;
        self.mark(.clock_reasons);
    }

    fn readPower(self: Reader) void {
        const call: calls.Call = .nvmlDeviceGetPowerUsage;
        var milliwatts: c_uint = 0;
        const code = self.caller.call(call, .{ self.device.handle, &milliwatts });
        if (!self.worked(call, code) or !self.sane(call, milliwatts <= milliwatts_max)) return;
        self.gpu.power_mw = milliwatts;
        self.mark(.power);
    }

    fn readEcc(self: Reader) void {
        const call: calls.Call = .nvmlDeviceGetTotalEccErrors;
        inline for (.{
            .{ abi.Field.ecc_volatile_corrected, nvml.NVML_MEMORY_ERROR_TYPE_CORRECTED, nvml.NVML_VOLATILE_ECC },
            .{ abi.Field.ecc_volatile_uncorrected, nvml.NVML_MEMORY_ERROR_TYPE_UNCORRECTED, nvml.NVML_VOLATILE_ECC },
            .{ abi.Field.ecc_aggregate_corrected, nvml.NVML_MEMORY_ERROR_TYPE_CORRECTED, nvml.NVML_AGGREGATE_ECC },
            .{ abi.Field.ecc_aggregate_uncorrected, nvml.NVML_MEMORY_ERROR_TYPE_UNCORRECTED, nvml.NVML_AGGREGATE_ECC },
        }) |which| {
            const field, const kind, const counter = which;
            var count: c_ulonglong = 0;
            const code = self.caller.call(call, .{ self.device.handle, kind, counter, &count });
            if (self.worked(call, code) and self.sane(call, count != counter_nonsense)) {
                @field(self.gpu, @tagName(field)) = count;
                self.mark(field);
            } else if (code != nvml.NVML_SUCCESS) return; // Without ECC all four say the same.
        }
    }

    fn readRemapped(self: Reader) void {
        const call: calls.Call = .nvmlDeviceGetRemappedRows;
        var corrected: c_uint = 0;
        var uncorrected: c_uint = 0;
        var pending: c_uint = 0;
        var failed: c_uint = 0;
        const outputs = .{ self.device.handle, &corrected, &uncorrected, &pending, &failed };
        const code = self.caller.call(call, outputs);
        if (!self.worked(call, code)) return;
        if (!self.sane(call, corrected <= rows_max and uncorrected <= rows_max)) return;
        self.gpu.remapped_corrected = corrected;
        self.gpu.remapped_uncorrected = uncorrected;
        self.gpu.remapped_pending = @intFromBool(pending != 0);
        self.gpu.remapped_failed = @intFromBool(failed != 0);
        self.mark(.remapped_rows);
    }

    fn readRetired(self: Reader) void {
        const single = nvml.NVML_PAGE_RETIREMENT_CAUSE_MULTIPLE_SINGLE_BIT_ECC_ERRORS;
        const double = nvml.NVML_PAGE_RETIREMENT_CAUSE_DOUBLE_BIT_ECC_ERROR;
        self.gpu.retired_single_bit = self.countRetired(single) orelse return;
        self.gpu.retired_double_bit = self.countRetired(double) orelse return;
        var pending: c_uint = 0;
        const call: calls.Call = .nvmlDeviceGetRetiredPagesPendingStatus;
        const code = self.caller.call(call, .{ self.device.handle, &pending });
        // A status that could not be read says nothing: taken for "none waits", it would end a fault.
        const known = self.worked(call, code);
        if (!known and !isAbsent(code)) return;
        self.gpu.retired_pending = @intFromBool(known and pending != 0);
        self.mark(.retired_pages);
    }

    fn countRetired(self: Reader, cause: c_uint) ?u32 {
        const call: calls.Call = .nvmlDeviceGetRetiredPages;
        var count: c_uint = 0;
        const code = self.caller.call(call, .{ self.device.handle, cause, &count, null });
        // The count alone is asked for; that there is no room for the addresses is the answer "more than none".
        const answer = if (code == nvml.NVML_ERROR_INSUFFICIENT_SIZE) nvml.NVML_SUCCESS else code;
        if (!self.worked(call, answer) or !self.sane(call, count <= rows_max)) return null;
        return count;
    }

    fn readSram(self: Reader) void {
        const call: calls.Call = .nvmlDeviceGetSramEccErrorStatus;
        var status = std.mem.zeroes(nvml.nvmlEccSramErrorStatus_v1_t);
        status.version = nvml.nvmlEccSramErrorStatus_v1;
        const code = self.caller.call(call, .{ self.device.handle, &status });
        if (!self.worked(call, code)) return;
        const uncorrected = status.volatileUncParity +| status.volatileUncSecDed;
        if (!self.sane(call, uncorrected != counter_nonsense)) return;
        self.gpu.sram_uncorrected = uncorrected;
        self.gpu.sram_threshold_exceeded = @intFromBool(status.bThresholdExceeded != 0);
        self.mark(.sram_ecc);
    }

    fn readFabric(self: Reader) void {
        const call: calls.Call = .nvmlDeviceGetGpuFabricInfoV;
        var info = std.mem.zeroes(nvml.nvmlGpuFabricInfoV_t);
        info.version = nvml.nvmlGpuFabricInfo_v3;
        var code = self.caller.call(call, .{ self.device.handle, &info });
        if (code == nvml.NVML_ERROR_ARGUMENT_VERSION_MISMATCH or code == nvml.NVML_ERROR_INVALID_ARGUMENT) {
            // A driver from before version 3. Version 2 is its beginning.
            info.version = nvml.nvmlGpuFabricInfo_v2;
            code = self.caller.call(call, .{ self.device.handle, &info });
        }
        if (!self.worked(call, code) or info.state == nvml.NVML_GPU_FABRIC_STATE_NOT_SUPPORTED) return;
        self.gpu.fabric_state = info.state;
        self.gpu.fabric_status = info.status;
        self.gpu.fabric_health_mask = info.healthMask;
        self.mark(.fabric);
    }

    fn readMig(self: Reader) void {
        const call: calls.Call = .nvmlDeviceGetMigMode;
        var current: c_uint = 0;
        var pending: c_uint = 0;
        const code = self.caller.call(call, .{ self.device.handle, &current, &pending });
        if (!self.worked(call, code)) return;
        self.gpu.mig_current = current;
        self.gpu.mig_pending = pending;
        self.mark(.mig);
    }
};

/// The hardware or the driver does not have it, which is no fault.
fn isAbsent(code: nvml.nvmlReturn_t) bool {
    return code == nvml.NVML_ERROR_NOT_SUPPORTED or code == nvml.NVML_ERROR_FUNCTION_NOT_FOUND;
}

pub fn signed(code: nvml.nvmlReturn_t) i32 {
    return std.math.cast(i32, code) orelse nvml.NVML_ERROR_UNKNOWN;
}

comptime {
    const v2 = nvml.nvmlGpuFabricInfo_v2_t;
    const v3 = nvml.nvmlGpuFabricInfo_v3_t;
    std.debug.assert(@sizeOf(v2) <= @sizeOf(v3) and @offsetOf(v2, "healthMask") == @offsetOf(v3, "healthMask"));
}
