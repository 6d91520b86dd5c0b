/** The floor of what an answer costs: Node's own HTTP server, which says `ok` to everybody. */
import { serve } from './http-peer.ts';

serve((response) => response.end('ok'));
