/** Where the process's groups are, from texts alone: hosts, containers, namespaces, hidden and escaped mounts. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { findGroups } from '../../../../src/telemetry/sources/cgroup-path.ts';

const v2 = (root: string, point = '/sys/fs/cgroup', optional = '') =>
  `34 24 0:29 ${root} ${point} rw,relatime ${optional}- cgroup2 cgroup2 rw,nsdelegate\n`;
const v1 = (names: string, root: string, point = `/sys/fs/cgroup/${names}`) =>
  `35 31 0:32 ${root} ${point} rw,relatime - cgroup cgroup rw,${names}\n`;
const find = (path: string, mountinfo: string) => findGroups(`0::${path}\n`, mountinfo).unified;

describe('findGroups', () => {
  it('finds a group on a host, with its parents up to the mount', () => {
    assert.deepEqual(find('/a.slice/b.slice/c.service', v2('/')), [
      {
        version: 2,
        own: '/sys/fs/cgroup/a.slice/b.slice/c.service',
        lineage: [
          '/sys/fs/cgroup/a.slice/b.slice/c.service',
          '/sys/fs/cgroup/a.slice/b.slice',
          '/sys/fs/cgroup/a.slice',
          '/sys/fs/cgroup',
        ],
      },
    ]);
  });

  it('finds the mount itself in a container, with a namespace of its own or without', () => {
    const own = [{ version: 2, own: '/sys/fs/cgroup', lineage: ['/sys/fs/cgroup'] }];
    assert.deepEqual(find('/', v2('/')), own);
    assert.deepEqual(find('/docker/12', v2('/docker/12')), own);
    assert.deepEqual(find('/../12', v2('/../12')), own);
  });

  it('takes only whole names of the root off the path', () => {
    assert.deepEqual(find('/docker/123', v2('/docker/12')), []);
    assert.equal(find('/docker/12/sub', v2('/docker/12'))[0]?.own, '/sys/fs/cgroup/sub');
  });

  it('names no folder for a group below a mount that begins above the namespace, but knows the limits there', () => {
    const above = [{ version: 2, own: undefined, lineage: ['/sys/fs/cgroup'] }];
    assert.deepEqual(find('/', v2('/..')), above);
    assert.deepEqual(find('/', v2('/../..')), above);
    assert.deepEqual(find('/../x', v2('/../..')), above);
    assert.deepEqual(find('/x', v2('/..')), above);
  });

  it('finds nothing for a group outside of what is mounted', () => {
    for (const [path, root] of [
      ['/..', '/'],
      ['/../other', '/'],
      ['/', '/../sibling'],
      ['/../..', '/..'],
      ['/a', '/b'],
    ]) {
      assert.deepEqual(find(path!, v2(root!)), [], `${path} in ${root}`);
    }
  });

  it('finds each v1 controller by its own mount, several to a mount or one', () => {
    const groups = findGroups(
      '4:memory:/m\n3:cpu,cpuacct:/c\n1:name=systemd:/s\n0::/u\n',
      v1('cpu,cpuacct', '/') + v1('memory', '/') + v2('/', '/sys/fs/cgroup/unified'),
    );
    assert.equal(groups.memory[0]?.own, '/sys/fs/cgroup/memory/m');
    assert.equal(groups.cpu[0]?.own, '/sys/fs/cgroup/cpu,cpuacct/c');
    assert.equal(groups.cpuacct[0]?.own, '/sys/fs/cgroup/cpu,cpuacct/c');
    assert.equal(groups.unified[0]?.own, '/sys/fs/cgroup/unified/u');
    assert.deepEqual([groups.memory[0]?.version, groups.unified[0]?.version], [1, 2]);
  });

  it('prefers a mount that names the group, and then the one that shows most of its parents', () => {
    const mounts = v2('/..', '/above') + v2('/a/b', '/narrow') + v2('/', '/wide') + v2('/x', '/elsewhere');
    assert.deepEqual(
      find('/a/b', mounts).map((group) => group.own),
      ['/wide/a/b', '/narrow', undefined],
    );
    assert.deepEqual(
      find('/', v2('/..', '/above') + v2('/', '/here')).map((group) => group.own),
      ['/here', undefined],
    );
  });

  it('sees the last of several mounts on one point', () => {
    assert.deepEqual(find('/a', v2('/b') + v2('/'))[0]?.own, '/sys/fs/cgroup/a');
    assert.deepEqual(find('/a', `${v2('/')}90 24 0:50 / /sys/fs/cgroup rw - tmpfs tmpfs rw\n`), []);
  });

  it('understands optional fields, escaped blanks and a path with colons', () => {
    assert.equal(
      find('/a:b/c', v2('/', '/mnt/my\\040groups', 'shared:9 master:2 '))[0]?.own,
      '/mnt/my groups/a:b/c',
    );
    assert.deepEqual(find('/my group/c', v2('/my\\040group'))[0]?.own, '/sys/fs/cgroup/c');
  });

  it('finds a group below a mount at the root of all folders', () => {
    assert.deepEqual(find('/a', v2('/', '/'))[0]?.lineage, ['/a', '/']);
  });

  it('finds nothing for a removed group, nor in empty or cut texts', () => {
    const nothing = { cpu: [], cpuacct: [], memory: [], unified: [] };
    assert.deepEqual(find('/a (deleted)', v2('/')), []);
    assert.deepEqual(findGroups('', ''), nothing);
    assert.deepEqual(findGroups('0::/a\n', ''), nothing);
    assert.deepEqual(findGroups('', v2('/')), nothing);
    assert.deepEqual(findGroups('0::', v2('/')), nothing);
    assert.deepEqual(findGroups('0::/a', '34 24 0:29 / /sys/fs/cgroup rw - cgroup2'), nothing);
  });

  it('never throws on arbitrary text, nor leaves the mount', () => {
    const name = fc.constantFrom('a', 'b', '..', '.', '', 'c\\040d');
    const path = fc.array(name, { maxLength: 4 }).map((names) => `/${names.join('/')}`);
    const mount = fc.oneof(
      path.map((root) => v2(root)),
      path.map((root) => v1('cpu,memory', root)),
      fc.string({ unit: 'binary' }),
    );
    const membership = fc.oneof(
      path.map((at) => `0::${at}\n`),
      path.map((at) => `3:cpu,cpuacct:${at}\n`),
      fc.string({ unit: 'binary' }),
    );
    fc.assert(
      fc.property(fc.array(membership), fc.array(mount), (memberships, mounts) => {
        const groups = findGroups(memberships.join(''), mounts.join(''));
        for (const folder of Object.values(groups)
          .flat()
          .flatMap((group) => group.lineage)) {
          assert.ok(!folder.split('/').includes('..'), folder);
        }
      }),
      { numRuns: 2000 },
    );
  });
});
