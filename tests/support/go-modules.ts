/** How go says that its modules are not here and cannot be had. */
export const NO_MODULES =
  /dial tcp|lookup |i\/o timeout|TLS handshake|proxyconnect|module lookup disabled|toolchain not available/;
