//! Standard output is anybody's: a library that prints would write into the middle of what is told to the server.

const linux = @import("std").os.linux;
const negated = @import("host.zig").negated;

const stdout = 1;
const stderr = 2;

/// Moves standard output to a descriptor that only the caller knows and no child inherits. What is written to standard
/// output from here on goes to standard error. The descriptor, or a negated errno with everything as it was.
pub fn take() i32 {
    const moved = linux.fcntl(stdout, linux.F.DUPFD_CLOEXEC, stderr + 1);
    if (linux.errno(moved) != .SUCCESS) return negated(linux.errno(moved));
    const fd: i32 = @intCast(moved);
    const replaced = linux.errno(linux.dup3(stderr, stdout, 0));
    if (replaced == .SUCCESS) return fd;
    _ = linux.close(fd);
    return negated(replaced);
}
