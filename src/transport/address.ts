import { isIP } from "node:net";

/** Whether only this machine reaches an address. A name other than localhost may stand for anything. */
export function isLoopback(host: string): boolean {
  switch (isIP(host)) {
    case 4:
      return host.startsWith("127.");
    case 6:
      return /^(0{0,4}:){1,7}0{0,3}1$/.test(host) || /^::ffff:127(\.\d{1,3}){3}$/i.test(host);
    default:
      return host.toLowerCase() === "localhost";
  }
}

/** `host:port`, with the brackets that IPv6 needs. */
export function formatAddress(host: string, port: number): string {
  return host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`;
}
