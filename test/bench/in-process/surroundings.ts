/** What the benches inside one process share: clients that cost nothing, and exact heap sizes. */
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { FakeClient } from '../../support/fake-client.ts';

/** A client that takes everything at once, keeps nothing of it, and says nothing. */
export class WillingClient extends FakeClient {
  writes = 0;

  override write(): boolean {
    this.writes += 1;
    return true;
  }
}

setFlagsFromString('--expose-gc');
const collectGarbage = runInNewContext('gc') as () => void;

/** Bytes of the heap that something holds on to: garbage is collected first, twice, for what finalizers let go. */
export function heldBytes(): number {
  collectGarbage();
  collectGarbage();
  return process.memoryUsage().heapUsed;
}
