//! What crosses the border to JavaScript. src/native/shim.ts reads these by offset: a change here is a change there,
//! and of the version.

/// Raised with every change of an export or a struct.
pub const version: u32 = 1;

/// The process at the other end of a unix socket, as it was when it connected.
pub const Peer = extern struct {
    /// 0 where the process is not visible from our pid namespace.
    pid: i32,
    /// The overflow uid where the peer's user has no name in our user namespace; so with the gid.
    uid: u32,
    gid: u32,

    comptime {
        if (@sizeOf(Peer) != 12) @compileError("Peer has changed its size");
        if (@offsetOf(Peer, "pid") != 0) @compileError("Peer.pid has moved");
        if (@offsetOf(Peer, "uid") != 4) @compileError("Peer.uid has moved");
        if (@offsetOf(Peer, "gid") != 8) @compileError("Peer.gid has moved");
    }
};
