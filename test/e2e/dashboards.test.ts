/**
 * The truth on the panels. A real Prometheus looks on while a gateway is used in a way that is known to the last event;
 * then every query of every panel, variable and annotation is asked as Grafana would ask it. Each has an answer, or is
 * on a list with the reason; and those of known events give the known numbers, to the digit.
 *
 * A rate is extrapolated to the ends of its window. Here the window ends on a scrape and begins before the first one,
 * which saw a zero, so there is nothing to extrapolate: the rate over the whole run, times its length, is the count.
 */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import type { InstrumentName } from '../../src/telemetry/catalogue.ts';
import { instruments } from '../../src/telemetry/catalogue.ts';
import { seriesName } from '../../src/telemetry/metric-names.ts';
import { type Choice, fillIn, labelValuesQuery, readDashboards } from '../support/dashboards.ts';
import { askForPanel, type PanelLine } from '../support/panel-data.ts';
import type { PrometheusLine } from '../support/prometheus.ts';
import { parsePromql } from '../support/promql.ts';
import { skipWithout } from '../support/real-part.ts';
import { companions, events, type RecordedRun, recordRun } from '../support/recorded-run.ts';

/** Instruments that not every machine has. Where one of these is missing, queries that need it have no answer. */
const dependOnTheMachine: Partial<Record<InstrumentName, string>> = {
  'tidegauge.process.thread.cpu.time': 'needs /proc/self/task',
  'container.cpu.time': 'needs a control group',
  'container.memory.usage': 'needs a control group',
  'container.memory.working_set': 'needs a control group',
  'container.memory.rss': 'needs a control group',
  'container.memory.available': 'needs a control group with a memory limit',
  'container.paging.faults': 'needs a control group',
  'tidegauge.container.cpu.periods': 'needs a control group with a CPU quota',
  'tidegauge.container.cpu.throttled.periods': 'needs a control group with a CPU quota',
  'tidegauge.container.cpu.throttled.time': 'needs a control group with a CPU quota',
  'tidegauge.container.memory.limit': 'needs a control group with a memory limit',
  'tidegauge.container.memory.high': 'needs cgroup v2 and a high mark',
  'tidegauge.container.memory.peak': 'needs a control group',
  'tidegauge.container.memory.events': 'needs a control group',
  'tidegauge.container.pressure.time': 'needs cgroup v2 and a kernel that tells pressure',
};

const rateIntervalSeconds = 4;

describe('dashboards', { skip: await skipWithout('prometheus', 'nats-server') }, () => {
  let run: RecordedRun;
  let missing: Set<string>;
  const dashboards = readDashboards();

  before(async () => {
    run = await recordRun();
    const names = new Set((await run.prometheus.series()).map(({ __name__ = '' }) => __name__));
    const absent = instruments.filter(({ name, unit, kind }) => {
      const series = seriesName(name, unit, kind);
      return !names.has(kind === 'histogram' ? `${series}_count` : series);
    });
    missing = new Set(absent.map(({ name }) => name));
  });
  after(async () => await run?.stop());

  const choice = (): Choice => ({
    options: { job: ['tidegauge'] },
    rateIntervalSeconds,
    rangeSeconds: run.endSeconds - run.startSeconds,
  });
  const range = () => ({ startSeconds: run.startSeconds, endSeconds: run.endSeconds, stepSeconds: 1 });

  test('every instrument has series but those that the machine does not have', () => {
    const unexplained = [...missing].filter(
      (name) => dependOnTheMachine[name as InstrumentName] === undefined,
    );
    assert.deepEqual(unexplained, []);
    if (run.container === true) assert.ok(!missing.has('tidegauge.container.memory.limit'));
  });

  for (const dashboard of dashboards) {
    test(`every query of a panel of ${dashboard.title} has an answer`, async () => {
      const silent: string[] = [];
      for (const panel of dashboard.panels) {
        const lines = await askForPanel(run.prometheus, dashboard, panel, choice(), range());
        for (const { refId, expr } of panel.targets ?? []) {
          const isAnswered = lines.some((line) => line.refId === refId && hasFigure(line));
          const asked = parsePromql(expr).selectors.map(({ name }) => name);
          const lacks = [...missing].some((name) => asked.some((series) => isSeriesOf(series, name)));
          if (!isAnswered && !lacks) silent.push(`${panel.title}, ${refId}: ${expr}`);
        }
      }
      assert.deepEqual(silent, []);
    });

    test(`every variable of ${dashboard.title} finds its values`, async () => {
      const found: Record<string, string[]> = {};
      for (const variable of dashboard.templating.list.filter(({ type }) => type === 'query')) {
        const { match, label } = labelValuesQuery(variable);
        found[label] = await run.prometheus.labelValues(label, fillIn(match, dashboard, choice()));
      }
      // Nobody clusters here, and nothing is namespaced: "All" lets absent labels pass, as the panels have shown.
      assert.deepEqual(found, {
        cluster: [],
        namespace: [],
        job: ['tidegauge'],
        instance: [run.instance, run.companion].sort(),
      });
    });

    test(`the annotations of ${dashboard.title} mark the drain, and the alerts that fired, if any`, async () => {
      const marked = async (annotation: string): Promise<PrometheusLine[]> => {
        const { expr } = dashboard.annotations.list.find(({ name }) => name === annotation)!;
        return await run.prometheus.queryRange(fillIn(expr!, dashboard, choice()), range());
      };
      const instances = (await marked('Drains')).map(({ labels }) => labels.instance);
      assert.deepEqual(instances, [run.instance]);
      // Most alerts have to hold for longer than a run; on a slow machine one about latency may fire all the same.
      const namesOf = (lines: PrometheusLine[]) => lines.map(({ labels }) => labels.alertname).sort();
      const fired = await run.prometheus.queryRange('ALERTS{alertstate="firing"}', range());
      assert.deepEqual(namesOf(await marked('Alerts')), namesOf(fired));
    });
  }

  /** What a panel says of the first gateway over the whole run: by line, a rate times its time, or an increase. */
  async function overall(uid: string, title: string): Promise<Record<string, number>> {
    const dashboard = dashboards.find((one) => one.uid === uid)!;
    const panel = dashboard.panels.find((one) => one.title === title)!;
    const spanSeconds = Math.ceil(run.endSeconds - run.startSeconds) + 5;
    const lines = await askForPanel(
      run.prometheus,
      dashboard,
      panel,
      {
        ...choice(),
        chosen: { instance: run.instance },
        rateIntervalSeconds: spanSeconds,
        rangeSeconds: spanSeconds,
      },
      { startSeconds: run.endSeconds, endSeconds: run.endSeconds, stepSeconds: 1 },
    );
    const isRate = (refId: string): boolean =>
      parsePromql(panel.targets!.find((target) => target.refId === refId)!.expr).selectors.some(
        ({ functions }) => functions[0] === 'rate',
      );
    return Object.fromEntries(
      lines.map(({ name, refId, points }) => {
        const value = points.at(-1)![1];
        return [name, isRate(refId) ? rounded(value * spanSeconds) : rounded(value)];
      }),
    );
  }

  test('1,000 connects: all of them opened, and 25 refused, by reason', async () => {
    assert.deepEqual(await overall('tidegauge-delivery', 'Handshakes by outcome'), {
      begun: events.opened + 25,
      opened: events.opened,
      refused: 25,
      'in progress': 0,
    });
    const refusals = await overall('tidegauge-delivery', 'Refusals by reason');
    assert.deepEqual(aboveZero(refusals), events.refused);
    assert.deepEqual(await overall('tidegauge-delivery', 'Refused'), { handshakes: 25 });
  });

  test('400 closes of known kinds, then a drain of 600', async () => {
    const reasons = await overall('tidegauge-delivery', 'Closes by reason');
    assert.deepEqual(aboveZero(reasons), events.closed);
    assert.deepEqual(await overall('tidegauge-delivery', 'Closes by who began it'), {
      client: events.closed.normal + events.closed.going_away + events.closed.client_error,
      network: events.closed.no_close_frame,
      server:
        events.closed.protocol_error +
        events.closed.message_too_big +
        events.closed.policy +
        events.closed.slow_consumer +
        events.closed.drain,
    });
    const readiness = await overall('tidegauge-fleet', 'Instances by readiness');
    assert.deepEqual(aboveZero(readiness), { draining: 1 });
    assert.deepEqual(await overall('tidegauge-fleet', 'Connections open'), { all: 0, 'do not keep up': 0 });
    assert.deepEqual(await overall('tidegauge-fleet', 'Instances'), {
      ready: 0,
      'not ready': 1,
      'not scraped': 0,
    });
  });

  test('50,000 messages came in, and each listener got its own', async () => {
    const { small, bulky } = events.messages;
    assert.deepEqual(await overall('tidegauge-delivery', 'Messages from and to the bus'), {
      'from it': small + bulky,
      'to it': 0,
      'suppressed as duplicates': 0,
    });
    assert.ok(run.seen.smallMessages.every((heard) => heard === small));
    const { matched, sent, dropped } = await overall(
      'tidegauge-delivery',
      'What was asked for, and what became of it',
    );
    assert.equal(matched, sent! + dropped!);
    // What was sent and was not small went to the slow client, before it was cut.
    const toSlow = sent! - run.seen.smallMessages.length * small;
    assert.ok(toSlow >= 0 && toSlow < bulky, `${toSlow} to the slow client`);
  });

  test('one outage of the bus, and everybody was told', async () => {
    assert.deepEqual(aboveZero(await overall('tidegauge-delivery', 'Outages of the bus')), {
      'lost: connection_lost': events.busOutages,
      'came back': events.busOutages,
      'clients were told': events.busOutages,
    });
    assert.deepEqual(aboveZero(await overall('tidegauge-delivery', 'Gaps that clients were told of')), {
      bus: run.seen.toldOfOutage,
    });
    assert.deepEqual(await overall('tidegauge-delivery', 'Clients told of a gap'), {
      messages: run.seen.toldOfOutage,
    });
  });

  test('one slow client: what waited for it was dropped, and for nobody else', async () => {
    const reasons = aboveZero(await overall('tidegauge-delivery', 'Dropped deliveries by reason'));
    const { dropped } = await overall('tidegauge-delivery', 'What was asked for, and what became of it');
    assert.ok(reasons.slow_consumer! >= 1);
    assert.deepEqual(
      Object.keys(reasons).filter((reason) => !['slow_consumer', 'closed'].includes(reason)),
      [],
    );
    assert.equal((reasons.slow_consumer ?? 0) + (reasons.closed ?? 0), dropped);
    assert.deepEqual(await overall('tidegauge-delivery', 'Dropped'), { deliveries: dropped });
  });

  test('Fleet says the same as Delivery, in its own panels', async () => {
    const { small, bulky } = events.messages;
    const closed = await overall('tidegauge-delivery', 'Closes by who began it');
    assert.deepEqual(await overall('tidegauge-fleet', 'Clients that come and go'), {
      opened: events.opened,
      'closed by client': closed.client,
      'closed by network': closed.network,
      'closed by server': closed.server,
      refused: 25,
    });
    const { matched, sent, dropped } = await overall(
      'tidegauge-delivery',
      'What was asked for, and what became of it',
    );
    assert.deepEqual(await overall('tidegauge-fleet', 'Messages in'), {
      'from the bus': small + bulky,
      'published to it': 0,
    });
    assert.deepEqual(await overall('tidegauge-fleet', 'Deliveries asked for and made'), { matched, sent });
    assert.deepEqual(await overall('tidegauge-fleet', 'Deliveries'), { deliveries: sent });
    assert.deepEqual(await overall('tidegauge-delivery', 'To clients'), { deliveries: sent });
    assert.deepEqual(await overall('tidegauge-delivery', 'From the bus'), { messages: small + bulky });
    const reasons = await overall('tidegauge-fleet', 'Deliveries dropped');
    assert.deepEqual(reasons, await overall('tidegauge-delivery', 'Dropped deliveries by reason'));
    assert.equal(
      Object.values(reasons).reduce((sum, count) => sum + count, 0),
      dropped,
    );
    assert.deepEqual(await overall('tidegauge-fleet', 'Connections'), { connections: 0 });
    const link = await overall('tidegauge-fleet', 'Instances by state of the bus');
    assert.deepEqual(aboveZero(link), { closed: 1 });
  });

  test('the table of all instances has each of them, with its own figures', async () => {
    const fleet = dashboards.find(({ uid }) => uid === 'tidegauge-fleet')!;
    const table = fleet.panels.find(({ type }) => type === 'table')!;
    const lines = await askForPanel(run.prometheus, fleet, table, choice(), range());
    const columns = table.transformations!.find(({ id }) => id === 'organize')!.options.renameByName;
    const column = (heading: string): Record<string, number> => {
      const [field] = Object.entries(columns as Record<string, string>).find(([, name]) => name === heading)!;
      const refId = field.replace('Value #', '');
      return Object.fromEntries(
        lines
          .filter((line) => line.refId === refId)
          .map(({ labels, points }) => [labels.instance!, points[0]![1]]),
      );
    };
    assert.deepEqual(column('Reasons not ready'), { [run.instance]: 1, [run.companion]: 0 });
    assert.deepEqual(column('Connections'), { [run.instance]: 0, [run.companion]: companions });
    assert.deepEqual(column('Drift'), { [run.instance]: 0, [run.companion]: 0 });
    for (const heading of ['Up for', 'Deliveries/s', 'Saturation', 'CPU', 'Memory']) {
      assert.deepEqual(Object.keys(column(heading)).sort(), [run.instance, run.companion].sort(), heading);
    }
    assert.equal(column('Deliveries/s')[run.instance], 0);
    assert.ok(column('Deliveries/s')[run.companion]! > 0);
  });

  test('nonsense was counted, and the account holds', async () => {
    const rejected = await overall('tidegauge-delivery', 'Messages that could not be used');
    assert.deepEqual(aboveZero(rejected), { malformed: events.malformed });
    assert.deepEqual(await overall('tidegauge-instance', 'Accounts that do not add up'), {
      [run.instance]: 0,
    });
    assert.deepEqual(aboveZero(await overall('tidegauge-instance', 'Figures that could not be read')), {});
  });
});

function hasFigure({ points }: PanelLine): boolean {
  return points.some(([, value]) => Number.isFinite(value));
}

function isSeriesOf(series: string, instrumentName: string): boolean {
  const { name, unit, kind } = instruments.find((one) => one.name === instrumentName)!;
  const family = seriesName(name, unit, kind);
  return kind === 'histogram' ? series.startsWith(`${family}_`) : series === family;
}

function aboveZero(values: Record<string, number>): Record<string, number> {
  return Object.fromEntries(Object.entries(values).filter(([, value]) => value !== 0));
}

/** Whole where it is so but for the last digits of a quotient. */
function rounded(value: number): number {
  const whole = Math.round(value);
  return Math.abs(value - whole) < 1e-6 * Math.max(1, whole) ? whole : value;
}
