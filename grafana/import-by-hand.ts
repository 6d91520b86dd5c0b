/**
 * The variant for "Import" in Grafana's menu, which asks for the data source once and puts the answer in the place of
 * an input. File provisioning knows no inputs, so there the data source is left to the variable alone.
 */
import type { Json, JsonObject } from './classic.ts';

const input = 'DS_PROMETHEUS';

export function renderForImport(dashboard: JsonObject): JsonObject {
  const { templating, panels } = dashboard as { templating: { list: JsonObject[] }; panels: JsonObject[] };
  const chosen = `\${${input}}`;
  const kinds = [...new Set(panels.map(({ type }) => String(type)))].filter((type) => type !== 'row').sort();
  return {
    __inputs: [
      {
        name: input,
        label: 'Prometheus',
        description: 'The data source that has the figures of the gateway',
        type: 'datasource',
        pluginId: 'prometheus',
        pluginName: 'Prometheus',
      },
    ],
    __elements: {},
    __requires: [
      { type: 'grafana', id: 'grafana', name: 'Grafana', version: '11.0.0' },
      { type: 'datasource', id: 'prometheus', name: 'Prometheus', version: '1.0.0' },
      ...kinds.map((id) => ({ type: 'panel', id, name: id, version: '' })),
    ],
    ...dashboard,
    // Whoever imports by hand is to be able to change it by hand.
    editable: true,
    templating: {
      list: templating.list.map(
        (variable): Json =>
          variable.type === 'datasource'
            ? { ...variable, current: { text: chosen, value: chosen } }
            : variable,
      ),
    },
  };
}
