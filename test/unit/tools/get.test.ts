/**
 * Getting parts without building any: Go is a shell script here, and so is what it builds.
 */

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { createTempFolder } from '../../support/child.ts';
import { findPart, getPart, isAtLeast, listParts, programVersion } from '../../tools/get.ts';
import { partNames, partStamp, parts } from '../../tools/parts.ts';

type Machine = {
  env: NodeJS.ProcessEnv;
  cache: string;
  bin: string;
  /** What `go mod download` brings, whatever is asked for. */
  download: string;
  goCalls: () => string[];
};

/** A machine with an empty cache and nothing on the PATH but the shell's own programs. */
function machine(t: TestContext): Machine {
  const folder = createTempFolder('get-test');
  t.after(folder.remove);
  const [bin, cache] = [join(folder.path, 'bin'), join(folder.path, 'cache')];
  const download = join(folder.path, 'download');
  mkdirSync(bin);
  mkdirSync(download);
  const calls = join(folder.path, 'go-calls');
  writeFileSync(calls, '');
  return {
    env: { PATH: `${bin}:/usr/bin:/bin`, TEST_PARTS_FOLDER: cache, GO_CALLS: calls, GO_DOWNLOAD: download },
    cache,
    bin,
    download,
    goCalls: () => readFileSync(calls, 'utf8').split('\n').slice(0, -1),
  };
}

function addProgram(folder: string, name: string, script: string): void {
  writeFileSync(join(folder, name), `#!/bin/sh\n${script}\n`, { mode: 0o755 });
}

/** Notes each call, and writes a program that knows its version where `go build -o` wants it. */
function addGo({ bin }: Machine, build = 'true'): void {
  addProgram(
    bin,
    'go',
    `echo "$1 $CGO_ENABLED $GOFLAGS" >> "$GO_CALLS"
case $1 in
version) echo "go version go1.26.0 linux/amd64" ;;
mod) echo '{"Dir":"'$GO_DOWNLOAD'","GoMod":"'$GO_DOWNLOAD/go.mod'"}' ;;
build)
  ${build}
  while [ "$1" != -o ]; do shift; done
  printf '#!/bin/sh\\necho nats-server: v2.15.2\\n' > "$2" ;;
esac`,
  );
}

const quiet = (): void => undefined;

describe('getPart', () => {
  it('builds what is missing, once, with nothing of C and of this tree', async (t) => {
    const here = machine(t);
    addGo(here);
    assert.equal(findPart('nats-server', here.env), undefined);
    const lines: string[] = [];
    const part = await getPart('nats-server', { env: here.env, onProgress: (line) => lines.push(line) });
    assert.deepEqual(part, { path: join(here.cache, 'nats-server') });
    assert.equal(await programVersion(join(here.cache, 'nats-server')), '2.15.2');
    assert.equal(
      readFileSync(join(here.cache, 'nats-server.version'), 'utf8'),
      `${partStamp(parts['nats-server'])}\n`,
    );
    assert.deepEqual(here.goCalls(), ['version  ', 'get 0 -mod=mod', 'build 0 -mod=mod']);
    assert.match(lines[0] ?? '', /^nats-server 2\.15\.2: building with go1\.26\.0; up to 50 s/);
    assert.match(lines.at(-1) ?? '', /\d+ s, built: /);

    assert.deepEqual(await getPart('nats-server', { env: here.env, onProgress: quiet }), part);
    assert.equal(here.goCalls().length, 3, 'the second time it is only found');
    assert.deepEqual(readdirSync(here.cache).sort(), ['nats-server', 'nats-server.version']);
  });

  it('builds with C where the recipe needs it, and takes staged modules from where they are published', async (t) => {
    const here = machine(t);
    addGo(here, 'cp go.mod "$GO_DOWNLOAD/go.mod.used"');
    writeFileSync(
      join(here.download, 'go.mod'),
      'require (\n\tk8s.io/api v0.0.0\n\tk8s.io/utils v0.1.0\n)\n',
    );
    const part = await getPart('kubelet', { env: here.env, onProgress: quiet });
    assert.deepEqual(part, { path: join(here.cache, 'kubelet') });
    assert.deepEqual(here.goCalls(), ['version  ', 'mod 0 -mod=mod', 'get 1 -mod=mod', 'build 1 -mod=mod']);
    const used = readFileSync(join(here.download, 'go.mod.used'), 'utf8');
    assert.match(used, /\nreplace \(\n\tk8s\.io\/api => k8s\.io\/api v0\.36\.3\n\)\n$/);
  });

  it('joins manifests into one file of several documents', async (t) => {
    const here = machine(t);
    addGo(here);
    const { recipe } = parts['keda-crds'];
    assert.ok(recipe.kind === 'manifests');
    mkdirSync(join(here.download, recipe.folder), { recursive: true });
    for (const [index, file] of recipe.files.entries())
      writeFileSync(
        join(here.download, recipe.folder, file),
        `${index === 0 ? '---\n' : ''}number: ${index}\n`,
      );
    const part = await getPart('keda-crds', { env: here.env, onProgress: quiet });
    assert.ok('path' in part);
    assert.equal(readFileSync(part.path, 'utf8'), '---\nnumber: 0\n---\nnumber: 1\n');
    assert.equal(findPart('keda-crds', here.env), part.path);
  });

  it('builds anew what is of another version', async (t) => {
    const here = machine(t);
    addGo(here);
    await getPart('nats-server', { env: here.env, onProgress: quiet });
    writeFileSync(join(here.cache, 'nats-server.version'), '2.15.1 0123456789ab\n');
    assert.equal(findPart('nats-server', here.env), undefined);
    await getPart('nats-server', { env: here.env, onProgress: quiet });
    assert.equal(findPart('nats-server', here.env), join(here.cache, 'nats-server'));
  });

  it('says with which words Go failed, and leaves nothing behind', async (t) => {
    const here = machine(t);
    addGo(here, 'echo "no such module" >&2; exit 1');
    const part = await getPart('nats-server', { env: here.env, onProgress: quiet });
    assert.ok('missing' in part);
    assert.match(part.missing, /go build ended with code 1:\nno such module/);
    assert.deepEqual(readdirSync(here.cache), []);
  });

  it('names the remedy where there is no Go', async (t) => {
    const here = machine(t);
    const env = { ...here.env, PATH: here.bin };
    for (const name of ['nats-server', 'otelcol'] as const) {
      const part = await getPart(name, { env, onProgress: quiet });
      assert.ok('missing' in part);
      assert.match(part.missing, /install Go/);
    }
  });

  it('takes a nats-server of the PATH only where there is no Go, and only one that is new enough', async (t) => {
    const here = machine(t);
    const env = { ...here.env, PATH: `/nowhere::${here.bin}` };
    addProgram(here.bin, 'nats-server', 'echo "nats-server: v2.8.4"');
    assert.ok('missing' in (await getPart('nats-server', { env, onProgress: quiet })));
    addProgram(here.bin, 'nats-server', 'echo "nats-server: v2.10.0"');
    assert.deepEqual(await getPart('nats-server', { env, onProgress: quiet }), {
      path: join(here.bin, 'nats-server'),
    });
    addGo(here);
    assert.deepEqual(await getPart('nats-server', { env: { ...here.env }, onProgress: quiet }), {
      path: join(here.cache, 'nats-server'),
    });
  });

  it('builds once for two processes that ask at the same time', async (t) => {
    const here = machine(t);
    // The build ends when both processes are there: the second waits, or it would have called `go build` too.
    addGo(here, 'while ! grep -q waiting "$GO_CALLS"; do sleep 0.02; done');
    const script = `
      import { appendFileSync } from 'node:fs';
      import { getPart } from ${JSON.stringify(new URL('../../tools/get.ts', import.meta.url).href)};
      const onProgress = (line) => line.includes('waiting') && appendFileSync(process.env.GO_CALLS, 'waiting\\n');
      console.log(JSON.stringify(await getPart('nats-server', { onProgress })));`;
    const answers = await Promise.all(
      [1, 2].map(async () => {
        const child = spawn(process.execPath, ['--input-type=module', '-e', script], { env: here.env });
        let output = '';
        child.stdout.setEncoding('utf8').on('data', (text: string) => {
          output += text;
        });
        await once(child, 'close');
        return JSON.parse(output) as unknown;
      }),
    );
    const path = join(here.cache, 'nats-server');
    assert.deepEqual(answers, [{ path }, { path }]);
    assert.deepEqual(
      here
        .goCalls()
        .filter((call) => /build|waiting/.test(call))
        .sort(),
      ['build 0 -mod=mod', 'waiting'],
    );
  });
});

describe('listParts', () => {
  it('says of each part where it is or how it is had', async (t) => {
    const here = machine(t);
    addGo(here);
    await getPart('nats-server', { env: here.env, onProgress: quiet });
    const lines = listParts(here.env);
    assert.deepEqual(
      lines.map((line) => line.split(' ')[0]),
      [...partNames],
    );
    assert.ok(lines[0]?.includes(join(here.cache, 'nats-server')));
    assert.match(lines[1] ?? '', /3\.16\.0 .*node test\/tools\/get\.ts prometheus/);
  });
});

describe('the command line', () => {
  const ask = async (...words: string[]): Promise<{ code: number | null; output: string }> => {
    const child = spawn(process.execPath, [join(import.meta.dirname, '../../tools/get.ts'), ...words], {
      env: { PATH: '/nowhere', HOME: '/nowhere' },
    });
    let output = '';
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding('utf8').on('data', (text: string) => {
        output += text;
      });
    }
    const [code] = (await once(child, 'close')) as [number | null];
    return { code, output };
  };

  it('lists', async () => {
    const { code, output } = await ask('--list');
    assert.deepEqual([code, output.trim().split('\n').length], [0, partNames.length]);
  });

  it('refuses a word that is no part, and shows those that are', async () => {
    const { code, output } = await ask('nats-server', 'nats-servr');
    assert.equal(code, 2);
    assert.match(output, /unknown part: nats-servr\nusage: .*otelcol/);
  });

  it('fails for a part that cannot be had', async () => {
    const { code, output } = await ask('nats-server');
    assert.equal(code, 1);
    assert.match(output, /nats-server is missing: .*install Go/);
  });
});

describe('isAtLeast', () => {
  it('compares number by number', () => {
    for (const version of ['2.9.0', '2.9.1', '2.10.0', '3.0.0'])
      assert.ok(isAtLeast(version, '2.9.0'), version);
    for (const version of ['2.8.9', '1.20.0', '0.9.9'])
      assert.equal(isAtLeast(version, '2.9.0'), false, version);
  });
});
