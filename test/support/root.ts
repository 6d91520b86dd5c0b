/** The rule of ./real-part.ts for what needs root on Linux: a skip that says so, and with `CI=true` a failure. */

export function skipWithoutRoot(purpose: string): string | false {
  if (process.platform === 'linux' && process.getuid?.() === 0) return false;
  const reason = `${purpose} needs root on Linux`;
  if (process.env.CI === 'true') throw new Error(reason);
  return reason;
}
