test {
    _ = @import("assign.zig");
    _ = @import("identity.zig");
    _ = @import("selection.zig");
    _ = @import("command_test.zig");
}
