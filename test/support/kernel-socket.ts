/** What the kernel knows of one TCP connection of this machine, by iproute2's ss. Linux only. */
import { execFile } from 'node:child_process';
import type { TestContext } from 'node:test';
import { promisify } from 'node:util';

export type KernelSocket = { bytesAcked: number; bytesReceived: number; unacked: number };

const run = promisify(execFile);

/** For use inside a test: false after the test has been marked as skipped, upon which it must return. */
export async function requireSs(t: Pick<TestContext, 'skip'>): Promise<boolean> {
  try {
    await run('ss', ['-V']);
    return true;
  } catch (error) {
    if (process.env.CI === 'true') throw new Error('ss is missing; it comes with iproute2', { cause: error });
    t.skip('needs ss, which comes with iproute2');
    return false;
  }
}

/** The end of the connection that has this local port and this remote one. */
export async function kernelSocket(localPort: number, remotePort: number): Promise<KernelSocket> {
  const filter = `( sport = :${localPort} and dport = :${remotePort} )`;
  const { stdout } = await run('ss', ['--tcp', '--info', '--no-header', '--numeric', '--oneline', filter]);
  // What is nought is left out.
  const figure = (name: string): number => Number(new RegExp(`\\b${name}:(\\d+)`).exec(stdout)?.[1] ?? 0);
  return {
    bytesAcked: figure('bytes_acked'),
    bytesReceived: figure('bytes_received'),
    unacked: figure('unacked'),
  };
}
