/**
 * The form of the repository itself: who may import what, and what must not be there. The sentences of
 * ARCHITECTURE.md about the layout are proved here; a rule that is changed is changed in both places.
 */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { describe, test } from 'node:test';

const root = join(import.meta.dirname, '../..');
/** Tracked files and new ones, as git sees them; nothing that is ignored. */
const files = execFileSync('git', ['ls-files', '--cached', '--others', '--exclude-standard'], {
  cwd: root,
  encoding: 'utf8',
})
  .split('\n')
  .filter((file) => file !== '' && existsSync(join(root, file)));
const read = (file: string): string => readFileSync(join(root, file), 'utf8');
const sources = files.filter((file) => /^src\/.*\.tsx?$/.test(file));

type Import = { from: string; isTypeOnly: boolean };

function importsOf(file: string): Import[] {
  const statements = read(file).matchAll(
    /^(?:import|export)\s+(type\s)?[^;]*?from\s+'([^']+)'|^import\s+'([^']+)'/gm,
  );
  return [...statements].map((match) => {
    const name = (match[2] ?? match[3])!;
    const from = name.startsWith('.') ? relative(root, join(root, dirname(file), name)) : name;
    return { from, isTypeOnly: match[1] !== undefined };
  });
}

/** Which files import a package, or a part of it. */
function importersOf(packageName: string): string[] {
  return sources.filter((file) =>
    importsOf(file).some(({ from }) => from === packageName || from.startsWith(`${packageName}/`)),
  );
}

describe('libraries are each known in one place', () => {
  const homes: Record<string, RegExp> = {
    ws: /^src\/gateway\/(listener|client-socket)\.ts$/,
    '@nats-io': /^src\/bus\/nats-[a-z]+\.ts$/,
    '@opentelemetry': /^src\/telemetry\//,
    koa: /^src\/http\//,
    '@koa': /^src\/http\//,
    zod: /^src\/config\.ts$/,
    pino: /^src\/main\.ts$/,
  };
  for (const [name, home] of Object.entries(homes)) {
    test(name, () => {
      const importers = importersOf(name);
      assert.ok(importers.length > 0, `nobody imports ${name}`);
      assert.deepEqual(
        importers.filter((file) => !home.test(file)),
        [],
      );
    });
  }
});

describe('dependencies point one way', () => {
  /** Folder -> what it may import from the rest of src. Types of figures and readings are shared words. */
  const allowed: Record<string, RegExp> = {
    'src/gateway/': /^src\/(gateway\/|bus\/(subjects|subject-index)\.ts$)/,
    'src/bus/': /^src\/(bus\/|named-files\.ts$)/,
    'src/telemetry/':
      /^src\/(telemetry\/|(gateway\/(close-codes|admission|protocol|ledger)|bus\/bus|readiness|shown-value|named-files|ticker|last-kept|shared|reports\/readings)\.ts$)/,
    'src/reports/': /^src\/reports\//,
    'src/http/':
      /^src\/(http\/|reports\/|(bus\/(bus|subjects)|gateway\/(admission|close-codes)|durations|readiness|last-kept|shared)\.ts$)/,
  };
  const sharedTypes =
    /^src\/(telemetry\/figures|reports\/(readings|connections)|readiness|config|ticker|bus\/bus|gateway\/recorder|http\/dependencies)\.ts$/;
  for (const [folder, rule] of Object.entries(allowed)) {
    test(folder, () => {
      const strays = sources
        .filter((file) => file.startsWith(folder))
        .flatMap((file) => importsOf(file).map((one) => ({ file, ...one })))
        .filter(({ from }) => from.startsWith('src/'))
        .filter(({ from, isTypeOnly }) => !rule.test(from) && !(isTypeOnly && sharedTypes.test(from)))
        .map(({ file, from }) => `${file} -> ${from}`);
      assert.deepEqual(strays, []);
    });
  }
});

describe('what is copied away stands on its own', () => {
  /** Generators know names only; the local stack is a tool of development, and finds its programs as tests do. */
  const allowed: Record<string, RegExp> = {
    'otel/generate.ts': /^otel\/(registry|schema)\.ts$/,
    'otel/registry.ts': /^(src\/telemetry\/(catalogue(\/\w+)?|conventions|metric-names)|otel\/schema)\.ts$/,
    'otel/schema.ts': /^$/,
    'otel/programs.ts': /^$/,
    'otel/stack.ts': /^(otel\/programs|test\/tools\/(get|parts)|test\/support\/ports)\.ts$/,
  };
  test('otel', () => {
    const otel = files.filter((file) => /^otel\/.*\.ts$/.test(file));
    assert.deepEqual(otel.sort(), Object.keys(allowed).sort());
    const strays = otel.flatMap((file) =>
      importsOf(file)
        .filter(({ from }) => /^(?:src|test|otel|grafana|helm)\//.test(from) && !allowed[file]!.test(from))
        .map(({ from }) => `${file} -> ${from}`),
    );
    assert.deepEqual(strays, []);
  });
});

test('what is generated for Grafana knows the catalogue, and closed sets for their types', () => {
  const strays = files
    .filter((file) => /^grafana\/.*\.ts$/.test(file))
    .flatMap((file) => importsOf(file).map((one) => ({ file, ...one })))
    .filter(({ from }) => !/^(?:grafana\/|node:)/.test(from))
    .filter(({ from }) => !/^src\/telemetry\/(?:catalogue|catalogue\/\w+|metric-names)\.ts$/.test(from))
    .filter(({ from, isTypeOnly }) => !(isTypeOnly && /^src\/gateway\/(?:admission|ledger)\.ts$/.test(from)))
    .map(({ file, from }) => `${file} -> ${from}`);
  assert.deepEqual(strays, []);
});

test('no file of what is generated for Grafana is dead', () => {
  const reached = new Set<string>();
  const visit = (file: string): void => {
    if (reached.has(file)) return;
    reached.add(file);
    for (const { from } of importsOf(file)) if (from.startsWith('grafana/')) visit(from);
  };
  visit('grafana/generate.ts');
  // Only tests ask what is left out of the panels.
  reached.add('grafana/uncharted.ts');
  assert.deepEqual(
    files.filter((file) => /^grafana\/.*\.ts$/.test(file) && !reached.has(file)),
    [],
  );
});

test("the chart's generator knows the settings, and nothing else of the service", () => {
  const strays = files
    .filter((file) => /^helm\/[^/]+\.ts$/.test(file))
    .flatMap((file) => importsOf(file).map(({ from }) => ({ file, from })))
    .filter(({ from }) => !/^(?:helm\/|node:|yaml$|src\/(?:config|telemetry\/otel-env)\.ts$)/.test(from));
  assert.deepEqual(strays, []);
});

test('the environment is read by the process edge only', () => {
  assert.deepEqual(
    sources.filter((file) => /process\.env\b/.test(read(file))),
    ['src/main.ts'],
  );
});

test('no source file is dead', () => {
  const reached = new Set<string>();
  const visit = (file: string): void => {
    if (reached.has(file)) return;
    reached.add(file);
    for (const { from } of importsOf(file)) if (from.startsWith('src/')) visit(from);
  };
  // demo.ts is started by main as a process of its own; generate.ts is run by `npm run generate`.
  for (const entry of ['src/main.ts', 'src/demo.ts', 'src/generate.ts']) visit(entry);
  assert.deepEqual(
    sources.filter((file) => !reached.has(file)),
    [],
  );
});

test('every test file is run by a script', () => {
  const scripts = JSON.parse(read('package.json')).scripts as Record<string, string>;
  const folders = new Set(
    files.filter((file) => /^test\/.*\.test\.ts$/.test(file)).map((file) => file.split('/')[1]!),
  );
  const run = `${scripts.test} ${scripts['test:e2e']}`;
  for (const folder of folders)
    assert.ok(new RegExp(`[/{,]${folder}[},/]`).test(run), `test/${folder} is run by no script`);
});

test('nothing is unfinished, switched off, or tied to one machine', () => {
  const marks = /\b(?:TODO|FIXME|XXX|HACK)\b|\b(?:test|describe|it)\.(?:only|todo)\(|\/(?:root|work|tmp)\//;
  const offenders = files
    .filter((file) => /\.(?:ts|tsx|js|json|md|html|yaml|yml)$|^\.ci\/run$|Dockerfile$/.test(file))
    .filter(
      (file) =>
        file !== 'package-lock.json' &&
        !file.startsWith('test/unit/telemetry/data/') &&
        file !== 'test/tidy/house-rules.test.ts',
    )
    .filter((file) => marks.test(read(file)));
  assert.deepEqual(offenders, []);
});

test('versions are exact', () => {
  const { dependencies, devDependencies, overrides } = JSON.parse(read('package.json'));
  for (const [name, version] of Object.entries({ ...dependencies, ...devDependencies, ...overrides })) {
    assert.match(version as string, /^\d+\.\d+\.\d+$/, name);
  }
});
