import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import {
  collectorModules,
  type GoModule,
  isPartName,
  partNames,
  partStamp,
  parts,
  renderGoMod,
  renderManifest,
  stagedModules,
} from '../../tools/parts.ts';

/** Every Go module that the table names. */
function pinnedModules(): GoModule[] {
  return partNames.flatMap((name) => {
    const { recipe } = parts[name];
    if (recipe.kind === 'go' || recipe.kind === 'manifests') return [recipe];
    if (recipe.kind === 'collector') return [recipe.builder, ...collectorModules(recipe)];
    return [];
  });
}

describe('parts', () => {
  it('pins every module to one exact version', () => {
    const modules = pinnedModules();
    assert.ok(modules.length > 10);
    for (const { module, version } of modules) assert.match(version, /^v\d+\.\d+\.\d+$/, module);
  });

  it('names a version for every part that is built, as the program itself says it', () => {
    for (const name of partNames) {
      const { recipe, version, expectedSeconds } = parts[name];
      if (recipe.kind === 'system') continue;
      assert.match(version, /^\d+\.\d+\.\d+$/, name);
      assert.ok(expectedSeconds > 0, name);
    }
  });

  it('builds nothing for the system, and says how else it is had', () => {
    for (const name of partNames) {
      const { recipe } = parts[name];
      if (recipe.kind !== 'system') continue;
      assert.ok(recipe.paths.length > 0 && recipe.paths.every((path) => path.startsWith('/')), name);
      assert.match(recipe.remedy, /install/);
    }
  });

  it('takes its own names for names and nothing else', () => {
    assert.ok(partNames.every(isPartName));
    for (const word of ['', 'nats', 'constructor', '--list']) assert.equal(isPartName(word), false, word);
  });

  it('builds everything of Kubernetes from one version', () => {
    const ofKubernetes = partNames
      .map((name) => parts[name])
      .filter(({ recipe }) => recipe.kind === 'go' && recipe.module === 'k8s.io/kubernetes');
    assert.equal(ofKubernetes.length, 6);
    for (const { version, recipe } of ofKubernetes) {
      assert.ok(recipe.kind === 'go');
      const [major, minor, patch] = version.split('.');
      assert.equal(recipe.version, `v${version}`);
      assert.equal(recipe.stagedVersion, `v0.${minor}.${patch}`);
      assert.ok(recipe.ldflags.includes(`.gitVersion=v${version} `));
      assert.ok(
        recipe.ldflags.endsWith(`.gitMajor=${major} -X k8s.io/component-base/version.gitMinor=${minor}`),
      );
    }
  });

  it('builds Prometheus and promtool from one version of one module', () => {
    const [server, tool] = [parts.prometheus, parts.promtool];
    assert.ok(server.recipe.kind === 'go' && tool.recipe.kind === 'go');
    assert.deepEqual(
      [server.version, server.recipe.module, server.recipe.version],
      [tool.version, tool.recipe.module, tool.recipe.version],
    );
  });
});

describe('partStamp', () => {
  it('changes with any word of the recipe, and with nothing else', () => {
    const part = parts['nats-server'];
    assert.ok(part.recipe.kind === 'go');
    const stamp = partStamp(part);
    assert.match(stamp, /^2\.15\.2 [0-9a-f]{12}$/);
    assert.equal(partStamp({ ...part, expectedSeconds: 1, purpose: 'another' }), stamp);
    assert.notEqual(partStamp({ ...part, recipe: { ...part.recipe, ldflags: '' } }), stamp);
    assert.notEqual(partStamp({ ...part, version: '2.15.3' }), stamp);
  });

  it('differs from part to part', () => {
    const built = partNames.filter((name) => parts[name].recipe.kind !== 'system');
    assert.equal(new Set(built.map((name) => partStamp(parts[name]))).size, built.length);
  });
});

describe('renderManifest', () => {
  it('lists every component with its version, under its kind', () => {
    const { recipe, version } = parts.otelcol;
    assert.ok(recipe.kind === 'collector');
    const text = renderManifest(version, recipe);
    assert.match(text, /^ {2}version: 0\.155\.0$/m);
    assert.match(text, /^receivers:\n {2}- gomod: \S+\/otlpreceiver v0\.155\.0\nprocessors:$/m);
    const { frame, ...components } = recipe;
    const listed = [...text.matchAll(/- gomod: (\S+) (\S+)/g)].map(
      ([, module, moduleVersion]) => `${module} ${moduleVersion}`,
    );
    const wanted = collectorModules({ ...components, frame: [] }).map(
      (entry) => `${entry.module} ${entry.version}`,
    );
    assert.deepEqual(listed.sort(), wanted.sort());
    assert.ok(frame.every(({ module }) => !text.includes(`${module} `)));
  });
});

describe('stagedModules', () => {
  it('are those required as v0.0.0 exactly', () => {
    const goMod = [
      ...['module k8s.io/kubernetes', 'require (', '\tk8s.io/api v0.0.0', '\tk8s.io/klog/v2 v2.140.0'],
      ...['\tk8s.io/utils v0.0.0-20260210185600-b8788abfbbc2', '\tk8s.io/kms v0.0.0 // indirect', ')'],
      ...['replace (', '\tk8s.io/api => ./staging/src/k8s.io/api', ')'],
    ];
    assert.deepEqual(stagedModules(goMod.join('\n')), ['k8s.io/api', 'k8s.io/kms']);
  });
});

describe('renderGoMod', () => {
  const tide: GoModule = { module: 'example.com/tide', version: 'v1.2.3' };

  it('requires each module at its version, and says which Go it is written for', () => {
    assert.equal(
      renderGoMod([tide]),
      'module tidegauge.invalid/part\n\ngo 1.25.0\n\nrequire (\n\texample.com/tide v1.2.3\n)\n',
    );
  });

  it('replaces modules by their own published versions', () => {
    assert.match(
      renderGoMod([], [tide]),
      /^require \(\n\)\n\nreplace \(\n\texample\.com\/tide => example\.com\/tide v1\.2\.3\n\)\n$/m,
    );
  });
});
