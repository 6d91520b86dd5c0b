/** All cases, by the name of their file. */
import { availabilityCases } from './availability.ts';
import { busCases } from './bus.ts';
import type { Case } from './case.ts';
import { clientCases } from './clients.ts';
import { fleetCases } from './fleet.ts';
import { resourceCases } from './resources.ts';
import { longSloCases, sloCases } from './slo.ts';
import { trustCases } from './trust.ts';

export const alertCases: Readonly<Record<string, readonly Case[]>> = {
  availability: availabilityCases,
  bus: busCases,
  clients: clientCases,
  fleet: fleetCases,
  resources: resourceCases,
  slo: sloCases,
  'slo-long': longSloCases,
  trust: trustCases,
};
