/**
 * The chart and the image on a real Kubernetes node: everything that `helm install` promises, tried.
 *
 * One cluster serves all tests, in the order in which they stand: they tell the life of a release. Pods start as slowly
 * as the machine is busy, so nothing is asserted about how long something takes, but for what the gateway itself
 * spreads over time.
 */

import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import type { NatsConnection } from '@nats-io/transport-node';
import { chartPath, type HelmName } from '../support/chart.ts';
import { groupOfPod } from '../support/cluster/control-group-of-pod.ts';
import { isReady, type Kubectl, patiently, sampleValue, type Thing } from '../support/cluster/kubectl.ts';
import { skipWithoutCluster } from '../support/cluster/needs.ts';
import { PodWatch } from '../support/cluster/pod-watch.ts';
import { Publisher } from '../support/cluster/publisher.ts';
import {
  createSurroundings,
  natsImage,
  nodePort,
  objectsIn,
  type Surroundings,
  startNats,
  surroundingParts,
} from '../support/cluster/surroundings.ts';
import { skipWithout } from '../support/real-part.ts';
import { RoamingClients } from '../support/roaming-clients.ts';
import { until } from '../support/until.ts';
import { connectClient, connectRaw, handshake } from '../support/ws-client.ts';

const skip = (await skipWithoutCluster()) || (await skipWithout(...surroundingParts));

const adminPort = 3003;
const ofGateway = 'app.kubernetes.io/name=tidegauge';
const mib = 1024 ** 2;
const drain = { delaySeconds: 2, windowSeconds: 5 };
/** What the tests need otherwise than the chart has it: a way in, short times, and little of the machine. */
const common = [
  ...['service.type=NodePort', 'rollout.minReadySeconds=2', 'resources.requests.cpu=20m'],
  ...['resources.requests.memory=64Mi', 'probes.readiness.periodSeconds=1'],
  `settings.TIDEGAUGE_DRAIN_DELAY=${drain.delaySeconds}s`,
  `settings.TIDEGAUGE_DRAIN_WINDOW=${drain.windowSeconds}s`,
  'settings.TIDEGAUGE_SUBJECTS=tide.>',
];

describe('on a Kubernetes node', { skip }, () => {
  let around: Surroundings;
  before(async () => {
    around = await createSurroundings();
  });
  after(async () => {
    await around?.cluster.stop();
  });

  const release = (helm: HelmName, verb: 'install' | 'upgrade', namespace: string, values: string[]) =>
    around.helm(helm, [
      ...[verb, 'tide', chartPath, '--namespace', namespace, '--wait', '--timeout', '4m'],
      ...values.flatMap((value) => ['--set', value]),
    ]);

  /** The gateway's address for clients outside of the cluster, once the node knows it. */
  const clientAddress = async (kubectl: Kubectl, service = 'tide-tidegauge'): Promise<string> => {
    const address = `${around.cluster.nodeAddress}:${await nodePort(kubectl, service)}`;
    await until('the node leads there', async () => (await fetch(`http://${address}/readyz`)).ok, patiently);
    return address;
  };

  const nothingMoreThan = (objects: string[], kubectl: Kubectl) =>
    until(
      'everything is gone',
      async () => {
        assert.deepEqual(await objectsIn(kubectl), objects);
        return true;
      },
      patiently,
    );

  describe('a release by Helm 4', () => {
    let kubectl: Kubectl;
    let nats: NatsConnection;
    let objectsBefore: string[];
    let address: string;
    const values = [...common, 'settings.NATS_URL=nats://nats:4222'];
    before(async () => {
      kubectl = await around.namespace('tide');
      nats = await startNats(around.cluster, kubectl);
      objectsBefore = await objectsIn(kubectl);
    });
    after(async () => {
      await nats?.close();
    });

    it('is installed where only restricted pods may run, and waited for', async () => {
      await release('helm', 'install', 'tide', values);
      const pods = await kubectl.pods(ofGateway);
      assert.equal(pods.length, 2);
      assert.ok(pods.every(isReady));
      address = await clientAddress(kubectl);
    });

    it('passes helm test', async () => {
      const told = await around.helm('helm', ['test', 'tide', '--namespace', 'tide', '--logs']);
      assert.match(told, /Phase: +Succeeded/);
      assert.match(told, /the message has come back/);
    });

    it('brings messages to a client outside, and shows its figures to nobody there', async () => {
      const client = await connectClient(`ws://${address}/ws`);
      nats.publish('tide.level', '{"level":4.5}');
      await until('the message is there', () => client.messages.includes('{"level":4.5}'), patiently);
      client.socket.close();
      for (const path of ['metrics', 'stats', 'health', 'connections'])
        assert.equal((await fetch(`http://${address}/${path}`)).status, 404, path);
    });

    it('shows the figures of its control group as the node has them', async () => {
      const [pod] = await kubectl.pods(ofGateway);
      const group = await groupOfPod(around.cluster, pod);
      const isV1 = group.version === 1;
      const limit = group.number('memory', isV1 ? 'memory.limit_in_bytes' : 'memory.max');
      assert.equal(limit, 512 * mib);
      /** Name of the figure, what the node says, and how far apart two looks at one moment may be. */
      const witnesses: [name: string, read: () => number, within: number][] = [
        ['tidegauge_container_memory_limit_bytes', () => limit, 0],
        [
          'tidegauge_container_memory_peak_bytes',
          () => group.number('memory', isV1 ? 'memory.max_usage_in_bytes' : 'memory.peak'),
          0,
        ],
        [
          'container_memory_usage_bytes',
          () => group.number('memory', isV1 ? 'memory.usage_in_bytes' : 'memory.current'),
          mib,
        ],
        [
          // The kernel adds it up every two seconds.
          'container_memory_rss_bytes',
          () => group.keyed('memory', 'memory.stat', isV1 ? 'total_rss' : 'anon'),
          4 * mib,
        ],
        [
          // Version 1 rounds user and system time each to its ticks, the sum of which is shown.
          'container_cpu_time_seconds_total',
          () =>
            isV1
              ? group.number('cpuacct', 'cpuacct.usage') / 1e9
              : group.keyed('cpu', 'cpu.stat', 'usage_usec') / 1e6,
          isV1 ? 0.02 : 0,
        ],
      ];
      // The figures move while they are looked at. Whatever the node says before and after has to enclose them.
      await until(
        'all figures are those of the node',
        async () => {
          const before = witnesses.map(([, read]) => read());
          const samples = await kubectl.scrape(pod.metadata.name, adminPort);
          const after = witnesses.map(([, read]) => read());
          for (const [index, [name, , within]] of witnesses.entries()) {
            const shown = samples.filter((sample) => sample.name === name);
            const value = shown.reduce(
              (sum, sample) => sum + sample.value,
              shown.length === 0 ? Number.NaN : 0,
            );
            const [one, other] = [before[index]!, after[index]!];
            const isEnclosed =
              value >= Math.min(one, other) - within && value <= Math.max(one, other) + within;
            assert.ok(isEnclosed, `${name}: ${value}, and the node ${one} to ${other}`);
          }
          const kills = { tidegauge_memory_event: 'oom_kill' };
          assert.equal(sampleValue(samples, 'tidegauge_container_memory_events_total', kills), 0);
          return true;
        },
        patiently,
      );
    });

    describe('with 500 clients', () => {
      const count = 500;
      const intervalMs = 200;
      let clients: RoamingClients;
      let publisher: Publisher;
      let watch: PodWatch;
      before(async () => {
        watch = await PodWatch.start(around.cluster, 'tide', ofGateway);
        publisher = new Publisher(nats, 'tide.number');
        clients = await RoamingClients.connect({
          url: `ws://${address}/ws`,
          count,
          nextNumber: () => publisher.nextNumber,
          lateMessages: 3_000 / intervalMs,
          heedless: 50,
        });
        publisher.start(intervalMs);
      });
      after(async () => {
        await publisher?.stop();
        await clients?.close();
        await watch?.stop();
      });

      /** What the pods count as connected, together. */
      const connected = async (): Promise<number> => {
        const pods = (await kubectl.pods(ofGateway)).filter(isReady);
        const counts = await Promise.all(
          pods.map(async ({ metadata }: Thing) =>
            sampleValue(await kubectl.scrape(metadata.name, adminPort), 'tidegauge_connection_active'),
          ),
        );
        return counts.reduce((sum: number, each) => sum + (each ?? Number.NaN), 0);
      };

      const everybodyConnected = () =>
        until(
          'the pods that are ready have all clients',
          async () => (await connected()) === count,
          patiently,
        );

      /** Does something that moves clients, and holds everybody to what was promised. */
      const withoutHarm = async (pods: number, change: () => Promise<unknown>): Promise<void> => {
        const leaving: string[] = (await kubectl.pods(ofGateway)).map(({ metadata }: Thing) => metadata.name);
        await change();
        const now = await kubectl.readyPods(ofGateway, pods);
        await clients.settled();
        // Whoever is there must hear what comes now.
        publisher.publish();
        await clients.heardAll(publisher.nextNumber - 1);
        assert.deepEqual(clients.faults, []);
        assert.deepEqual(clients.missed(publisher.nextNumber - 1), []);
        assert.equal(clients.closeCodes.get(1006) ?? 0, 0);
        for (const { afterMs, atMs, leftAtMs } of clients.moves) {
          assert.ok(afterMs <= drain.windowSeconds * 1000, `${afterMs}`);
          const tookMs = (leftAtMs ?? Number.NaN) - atMs;
          // The window, and what a busy machine adds to it.
          assert.ok(tookMs <= (drain.windowSeconds + 10) * 1000, `moved after ${tookMs} ms`);
        }
        await everybodyConnected();
        const staying = new Set(now.map(({ metadata }: Thing) => metadata.name));
        const left = leaving.filter((name) => !staying.has(name));
        for (const name of left) assert.equal(watch.exits().get(name), 0, `${name} did not end in order`);
      };

      it('is upgraded: nobody is turned away, cut off or left without a message', async () => {
        const movesBefore = clients.moves.length;
        await withoutHarm(2, () =>
          release('helm', 'upgrade', 'tide', [...values, 'podAnnotations.tide=two']),
        );
        assert.ok(clients.moves.length - movesBefore >= count, 'everybody was told to go');
      });

      it('grows', async () => {
        await withoutHarm(3, () =>
          release('helm', 'upgrade', 'tide', [...values, 'podAnnotations.tide=two', 'replicaCount=3']),
        );
      });

      it('shrinks to a single pod, which then has them all', async () => {
        await withoutHarm(1, () =>
          release('helm', 'upgrade', 'tide', [...values, 'podAnnotations.tide=two', 'replicaCount=1']),
        );
      });

      it('is rolled back', async () => {
        await withoutHarm(2, () =>
          around.helm('helm', ['rollback', 'tide', '1', '--namespace', 'tide', '--wait', '--timeout', '4m']),
        );
        const deployment = await kubectl.json('get', 'deployment', 'tide-tidegauge');
        assert.equal(deployment.spec.template.metadata.annotations.tide, undefined);
      });

      it('gives up one pod to a node that is drained, and holds on to the other', async () => {
        const node = around.cluster.nodeName;
        const [one, other] = await kubectl.readyPods(ofGateway, 2);
        const evict = (pod: Thing): Promise<string> => {
          const { name } = pod.metadata;
          const eviction = {
            apiVersion: 'policy/v1',
            kind: 'Eviction',
            metadata: { name, namespace: 'tide' },
          };
          const path = `/api/v1/namespaces/tide/pods/${name}/eviction`;
          return kubectl.run(['create', '--raw', path, '--filename', '-'], {
            input: JSON.stringify(eviction),
          });
        };
        const gone = ({ metadata }: Thing) =>
          kubectl.run(['wait', '--for=delete', `pod/${metadata.name}`, '--timeout=120s']);
        await withoutHarm(2, async () => {
          await kubectl.run(['cordon', node]);
          try {
            await evict(one);
            // A new pod has no place while the node takes none, so the budget is used up until it has.
            await assert.rejects(evict(other), /disruption budget/);
            await gone(one);
            await everybodyConnected();
            await assert.rejects(evict(other), /disruption budget/);
          } finally {
            await kubectl.run(['uncordon', node]);
          }
          await until('the other may go when there is a new one', () => evict(other), patiently);
          await gone(other);
        });
      });
    });

    it('leaves nothing behind when it is uninstalled', async () => {
      await around.helm('helm', ['uninstall', 'tide', '--namespace', 'tide', '--wait', '--timeout', '4m']);
      await nothingMoreThan(objectsBefore, kubectl);
    });
  });

  describe('a release by Helm 3, with NATS of its own', () => {
    let kubectl: Kubectl;
    let objectsBefore: string[];
    const [repository, tag] = natsImage.split(':') as [string, string];
    const values = [
      ...[...common, 'nats.enabled=true'],
      ...[`nats.container.image.repository=${repository}`, `nats.container.image.tag=${tag}`],
    ];
    before(async () => {
      kubectl = await around.namespace('ebb');
      objectsBefore = await objectsIn(kubectl);
    });

    it('is installed where only restricted pods may run, and passes its test', async () => {
      await release('helm3', 'install', 'ebb', values);
      await kubectl.readyPods(ofGateway, 2);
      assert.match(await around.helm('helm3', ['test', 'tide', '--namespace', 'ebb']), /Phase: +Succeeded/);
    });

    it('is upgraded and rolled back', async () => {
      const annotation = async (): Promise<string | undefined> =>
        (await kubectl.json('get', 'deployment', 'tide-tidegauge')).spec.template.metadata.annotations.tide;
      await release('helm3', 'upgrade', 'ebb', [...values, 'podAnnotations.tide=two']);
      assert.equal(await annotation(), 'two');
      await around.helm('helm3', [
        'rollback',
        'tide',
        '1',
        '--namespace',
        'ebb',
        '--wait',
        '--timeout',
        '4m',
      ]);
      assert.equal(await annotation(), undefined);
    });

    it('leaves nothing behind when it is uninstalled', async () => {
      await around.helm('helm3', ['uninstall', 'tide', '--namespace', 'ebb', '--wait', '--timeout', '4m']);
      await nothingMoreThan(objectsBefore, kubectl);
    });
  });

  describe('a pod that outgrows its memory', () => {
    let kubectl: Kubectl;
    let nats: NatsConnection;
    const limit = 160 * mib;
    /** Bounds that no memory of this size can keep. */
    const values = [
      ...[...common, 'replicaCount=1', 'settings.NATS_URL=nats://nats:4222'],
      ...['resources.limits.memory=160Mi', 'settings.TIDEGAUGE_MAX_BUFFERED=1GiB'],
      ...['settings.TIDEGAUGE_MAX_BUFFERED_AGE=1h', 'podDisruptionBudget.enabled=false'],
    ];
    before(async () => {
      kubectl = await around.namespace('flood');
      nats = await startNats(around.cluster, kubectl);
      await release('helm', 'install', 'flood', values);
    });
    after(async () => {
      await nats?.close();
    });

    it('is killed, seen to have been, and serves again', async () => {
      const address = await clientAddress(kubectl);
      const [pod] = await kubectl.readyPods(ofGateway, 1);
      const { name } = pod.metadata;
      const samples = await kubectl.scrape(name, adminPort);
      assert.equal(sampleValue(samples, 'tidegauge_container_memory_limit_bytes'), limit);

      const witness = await connectClient(`ws://${address}/ws`);
      const reader = await connectRaw(`http://${address}`);
      reader.socket.write(handshake(Number(address.split(':')[1])));
      await until('it is connected', () => reader.text().includes('connectionEstablished'), patiently);
      // Reads nothing from now on, so that everything waits for it in the gateway.
      reader.socket.pause();
      const wave = Buffer.alloc(512 * 1024, 'w');
      const status = async (): Promise<Thing> =>
        (await kubectl.json('get', 'pod', name)).status.containerStatuses[0];
      await until(
        'the pod has been killed',
        async () => {
          for (let count = 0; count < 64; count += 1) nats.publish('tide.wave', wave);
          await nats.flush();
          return (await status()).restartCount > 0;
        },
        patiently,
      );
      assert.equal((await witness.closed).code, 1006);
      const { reason, exitCode } = (await status()).lastState.terminated;
      assert.deepEqual([reason, exitCode], ['OOMKilled', 137]);

      await kubectl.readyPods(ofGateway, 1);
      const again = await connectClient(`ws://${await clientAddress(kubectl)}/ws`);
      nats.publish('tide.level', '{"level":1}');
      await until('a message comes again', () => again.messages.includes('{"level":1}'), patiently);
      again.socket.terminate();
      reader.socket.destroy();
      assert.equal((await status()).restartCount, 1);
    });
  });
});
