/**
 * The image: what is in it, that the archive made without an engine is what the Dockerfile describes, and that the program
 * is at home in it.
 */

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { globSync, lstatSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { before, describe, it } from 'node:test';
import { layerNames } from '../../image/layout.ts';
import { defaultImageName, makeImage } from '../../image/main.ts';
import { type Child, createTempFolder, untilUp } from '../support/child.ts';
import { startContained } from '../support/contained-process.ts';
import { type UnpackedImage, unpackImage } from '../support/image.ts';
import { skipWithoutRoot } from '../support/root.ts';
import { connectClient } from '../support/ws-client.ts';

const root = join(import.meta.dirname, '../..');
const folder = createTempFolder('image-test');
const file = join(folder.path, 'image.tar');
const dockerfile = readFileSync(join(root, 'Dockerfile'), 'utf8');
const packageJson = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));

let digest = '';
let image: UnpackedImage;

before(async () => {
  digest = await makeImage(await defaultImageName(), file);
  image = unpackImage(file, join(folder.path, 'unpacked'));
});

const allFiles = (): string[] =>
  image.layers.flatMap(({ files }) => files).filter((path) => !path.endsWith('/'));

describe('the archive', () => {
  it('is below 200 MB', () => {
    assert.ok(statSync(file).size < 200e6, `${statSync(file).size}`);
  });

  it('is the same, byte for byte, when it is made again', async () => {
    const again = join(folder.path, 'again.tar');
    assert.equal(await makeImage(await defaultImageName(), again), digest);
    execFileSync('cmp', [file, again]);
  });

  it('has digests that fit, for engines old and new', () => {
    const sum = (path: string): string =>
      `sha256:${createHash('sha256').update(readFileSync(path)).digest('hex')}`;
    for (const layer of image.layers) assert.equal(sum(layer.file), layer.digest);
    assert.deepEqual(
      image.config.rootfs.diff_ids,
      image.layers.map((layer) => layer.digest),
    );
    assert.equal(image.index.manifests[0]?.digest, digest);
    const [docker] = image.dockerManifest;
    assert.deepEqual(docker?.RepoTags, [`tidegauge:${packageJson.version}`]);
    assert.equal(docker?.Config, `blobs/${image.manifest.config.digest.replace(':', '/')}`);
    assert.deepEqual(
      docker?.Layers,
      image.layers.map((layer) => `blobs/${layer.digest.replace(':', '/')}`),
    );
  });
});

describe('what is in it', () => {
  it('has the program as it lies in the tree, and nothing of the development', () => {
    const tracked = execFileSync('git', ['ls-files', '--cached', '--others', '--exclude-standard', 'src'], {
      cwd: root,
      encoding: 'utf8',
    });
    const ours = allFiles().filter(
      (path) => path.startsWith('app/') && !path.startsWith('app/node_modules/'),
    );
    assert.deepEqual(
      ours.map((path) => path.slice('app/'.length)).sort(),
      [...tracked.trim().split('\n'), 'LICENSE', 'package.json'].sort(),
    );
    for (const path of ours)
      assert.ok(readFileSync(join(image.root, path)).equals(readFileSync(join(root, path.slice(4)))), path);
  });

  it('has every production dependency of the lockfile at its version, and no other', () => {
    const lock = JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8')) as {
      packages: Record<string, { version: string; dev?: boolean; optional?: boolean }>;
    };
    const wanted = Object.entries(lock.packages)
      .filter(([path, { dev, optional }]) => path !== '' && dev !== true && optional !== true)
      .map(([path, { version }]) => `${path} ${version}`);
    const app = join(image.root, 'app');
    const found = globSync('node_modules/**/package.json', { cwd: app })
      .filter((path) => /node_modules\/(?:@[^/]+\/)?[^/]+\/package\.json$/.test(path))
      .map((path) => {
        const { version } = JSON.parse(readFileSync(join(app, path), 'utf8'));
        return `${path.slice(0, -'/package.json'.length)} ${version}`;
      });
    assert.deepEqual(found.sort(), wanted.sort());
  });

  it('has one program that can be started, and no shell', () => {
    const programs = allFiles().filter((path) => {
      const found = lstatSync(join(image.root, path));
      return found.isFile() && (found.mode & 0o111) !== 0 && !path.startsWith('app/node_modules/');
    });
    assert.deepEqual(
      programs.filter((path) => !/\.so(\.\d+)*$/.test(path)),
      ['usr/local/bin/node'],
    );
    assert.deepEqual(
      allFiles().filter((path) => /(^|\/)(sh|bash|dash|busybox|npm|npx|apt|dpkg)$/.test(path)),
      [],
    );
  });

  it('belongs to root, so that the program cannot change itself', () => {
    for (const layer of image.layers) {
      const listing = execFileSync('tar', ['--list', '--verbose', '--file', layer.file], {
        encoding: 'utf8',
        maxBuffer: 64e6,
      });
      for (const line of listing.trim().split('\n')) assert.match(line, /^(?:-rw.r-.r-.|d|l)\S* root\/root /);
    }
  });

  it('tells scanners what Debian packages its libraries are of', () => {
    const records = allFiles().filter((path) => path.startsWith('var/lib/dpkg/status.d/'));
    assert.ok(records.length >= 5, records.join());
    for (const path of records)
      assert.match(readFileSync(join(image.root, path), 'utf8'), /^Package: .*\n(?:.*\n)*Version: /);
    assert.match(readFileSync(join(image.root, 'etc/os-release'), 'utf8'), /^VERSION_ID=/m);
  });
});

describe('the Dockerfile', () => {
  const [build = '', last = ''] = dockerfile.split(/^FROM /m).slice(1);

  it('is built with the Node that the tests run with, by a tag that does not move', () => {
    assert.match(build, new RegExp(`^node:${packageJson.devDependencies.node}-\\w+-slim AS build\n`));
    assert.equal(process.version, `v${packageJson.devDependencies.node}`);
    assert.match(build, /apt-get install .*\blibatomic1\b/);
  });

  it('lays the same layers in the same order', () => {
    assert.match(build, /^RUN node image\/layout\.ts \/layers$/m);
    const copies = [...last.matchAll(/^COPY --from=build \/layers\/(\w+) \/$/gm)].map(([, name]) => name);
    assert.deepEqual(copies, [...layerNames]);
    assert.equal(image.layers.length, copies.length);
    assert.equal((dockerfile.match(/^COPY --from/gm) ?? []).length, copies.length);
  });

  it('installs the same dependencies, and copies all that the layout takes', () => {
    assert.match(build, /^RUN npm ci --omit=dev --ignore-scripts /m);
    const copied = [...build.matchAll(/^COPY (.+) \S+$/gm)].flatMap(([, sources]) => sources!.split(' '));
    assert.deepEqual(copied.sort(), ['LICENSE', 'image', 'package-lock.json', 'package.json', 'src']);
    const admitted = readFileSync(join(root, '.dockerignore'), 'utf8')
      .split('\n')
      .filter((line) => line.startsWith('!'))
      .map((line) => line.slice(1));
    assert.deepEqual(admitted.sort(), copied.sort());
  });

  it('starts the same program as the same user in the same surroundings', () => {
    const { config } = image.config;
    const said = (word: string): string => new RegExp(`^${word} (.*)$`, 'm').exec(last)![1]!;
    assert.match(config.User, /^[1-9]\d*:[1-9]\d*$/);
    assert.equal(config.User, said('USER'));
    assert.deepEqual(config.Entrypoint, JSON.parse(said('ENTRYPOINT')));
    assert.deepEqual(config.Env, said('ENV').split(' '));
    assert.equal(config.WorkingDir, said('WORKDIR'));
    assert.equal(config.StopSignal, said('STOPSIGNAL'));
    assert.deepEqual(Object.keys(config.ExposedPorts), ['3002/tcp', '3003/tcp']);
    assert.equal(config.Labels['org.opencontainers.image.version'], packageJson.version);
    assert.equal(config.Labels['org.opencontainers.image.description'], packageJson.description);
  });
});

describe('a container of it', { skip: skipWithoutRoot('a root of its own') }, () => {
  const start = (settings: string[], command = image.config.config.Entrypoint) => {
    const { User, WorkingDir, Env } = image.config.config;
    const env = [...Env, ...settings];
    return startContained({ root: image.root, user: User, workingFolder: WorkingDir, env, command });
  };
  const listening = (child: Child): Promise<{ url: string }> =>
    untilUp(
      child,
      'it listens',
      () => {
        const line = child
          .log()
          .split('\n')
          .find((text) => text.includes('"msg":"listening"'));
        return line !== undefined && JSON.parse(line);
      },
      { timeoutMs: 30_000 },
    );

  it('serves as the first process, without any right, and leaves at SIGTERM with a word to its clients', async () => {
    const { child, pid } = await start(['HOST=127.0.0.1', 'PORT=0']);
    const { url } = await listening(child);
    const status = readFileSync(`/proc/${pid}/status`, 'utf8');
    assert.match(status, /^Uid:\t65532\t65532\t65532\t65532$/m);
    assert.match(status, /^Groups:\t *$/m);
    assert.match(status, /^CapEff:\t0+$/m);
    assert.match(status, /^NSpid:.*\t1$/m);
    assert.equal((await fetch(`${url}/readyz`)).status, 200);
    const client = await connectClient(`${url.replace('http', 'ws')}/ws`);
    process.kill(pid, 'SIGTERM');
    assert.equal((await client.closed).code, 1012);
    assert.deepEqual(await child.exited, { code: 0, signal: null });
    assert.match(child.log(), /"msg":"gone"/);
  });

  it('says what is wrong with its settings, and ends with 78', async () => {
    const { child } = await start(['PORT=harbour']);
    assert.deepEqual(await child.exited, { code: 78, signal: null });
    assert.match(child.log(), /PORT: "harbour" cannot be used/);
  });

  it('passes its own health check while it serves, and fails it otherwise', async () => {
    const [, ...check] = image.config.config.Healthcheck.Test;
    const command = [image.config.config.Entrypoint[0]!, ...check.slice(1)];
    assert.equal(check[0], 'node');
    const { child } = await start(['PORT=0']);
    const { url } = await listening(child);
    const healthy = await start([`PORT=${new URL(url).port}`], command);
    assert.equal((await healthy.child.exited).code, 0, healthy.child.log());
    await child.kill();
    const unhealthy = await start([`PORT=${new URL(url).port}`], command);
    assert.equal((await unhealthy.child.exited).code, 1, unhealthy.child.log());
  });

  it('believes the authorities of the system', async () => {
    const program = "console.log(require('node:tls').getCACertificates('system').length)";
    const { child } = await start([], [image.config.config.Entrypoint[0]!, '--eval', program]);
    await child.exited;
    assert.ok(Number(child.log()) > 50, child.log());
  });
});
