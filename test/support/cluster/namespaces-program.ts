/** Makes the namespaces of a cluster, says so, and stays until it is killed: for tests of what becomes of them then. */

import { createNamespaces } from './namespaces.ts';

const namespaces = await createNamespaces();
await namespaces.start('sleeper', '/usr/bin/sleep', ['3600']);
console.log(JSON.stringify({ folder: namespaces.folder, cable: namespaces.cable }));
setInterval(() => undefined, 60_000);
