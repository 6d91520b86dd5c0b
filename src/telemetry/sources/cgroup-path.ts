/**
 * Finds the folders of the control groups that hold this process, from the texts of /proc/self/cgroup and
 * /proc/self/mountinfo. Pure, and reads nothing else. Formats: cgroups(7), cgroup_namespaces(7), proc_pid_mountinfo(5).
 *
 * A process may be in one group per v1 controller and in one v2 group, all in different places. Both texts give paths
 * as seen from the root of the process's cgroup namespace; what a mount shows begins at the mount's own root. A folder
 * is the mount point plus what the group's path adds to the mount's root:
 *
 * | where                              | group's path | mount's root  | folder           |
 * | a host                             | /a.slice/x   | /             | MOUNT/a.slice/x  |
 * | a container with its own namespace | /            | /             | MOUNT            |
 * | a v1 container without             | /docker/1234 | /docker/1234  | MOUNT            |
 * | a namespace below the mount        | /            | /..           | below MOUNT, at a name nobody tells |
 * | a group outside of what is mounted | /../other    | /             | none             |
 */

export const controllers = ['cpu', 'cpuacct', 'memory'] as const;
export type Controller = (typeof controllers)[number];

export type Group = {
  version: 1 | 2;
  /** The group's own folder; undefined where it exists but cannot be named. */
  own: string | undefined;
  /** The folders whose limits bind the process: its own first, then each parent up to the mount point. */
  lineage: string[];
};

/** Groups that might be the process's, by controller and for v2 as a whole; the caller takes the first it can read. */
export type Groups = Record<Controller | 'unified', Group[]>;

export function findGroups(cgroupText: string, mountinfoText: string): Groups {
  const memberships = parseCgroup(cgroupText);
  const mounts = parseMountinfo(mountinfoText);
  const find = (controller: string): Group[] => {
    const path = memberships.get(controller);
    if (path === undefined) return [];
    return mounts
      .filter((mount) => mount.controllers.includes(controller))
      .map((mount) => locate(path, mount))
      .filter((group) => group !== undefined)
      .sort(
        (a, b) =>
          Number(b.own !== undefined) - Number(a.own !== undefined) || b.lineage.length - a.lineage.length,
      );
  };
  return { cpu: find('cpu'), cpuacct: find('cpuacct'), memory: find('memory'), unified: find('') };
}

/** The group's path by v1 controller; under the empty name that of v2. */
export function parseCgroup(text: string): Map<string, string> {
  const paths = new Map<string, string>();
  for (const line of text.split('\n')) {
    const match = /^(\d+):([^:]*):(\/.*)$/.exec(line);
    const [, hierarchy, names = '', path = ''] = match ?? [];
    // A group that was removed while the process stayed in it has no folder any more.
    if (match === null || path.endsWith(' (deleted)')) continue;
    if (hierarchy === '0') paths.set('', path);
    else for (const name of names.split(',')) if (name !== '') paths.set(name, path);
  }
  return paths;
}

type Mount = { root: string; point: string; controllers: string[] };

/** The cgroup mounts; a v2 one has the controller of the empty name. */
export function parseMountinfo(text: string): Mount[] {
  const byPoint = new Map<string, Mount>();
  for (const line of text.split('\n')) {
    const [mountFields, superFields] = line.split(' - ', 2);
    const [, , , root, point] = mountFields?.split(' ') ?? [];
    const [type, , options] = superFields?.split(' ') ?? [];
    if (root === undefined || point === undefined || options === undefined) continue;
    const mount = { root: unescapePath(root), point: unescapePath(point) };
    // Of several mounts on one point the last is the one to be seen; another kind of mount hides it as well.
    if (type === 'cgroup') byPoint.set(point, { ...mount, controllers: options.split(',') });
    else if (type === 'cgroup2') byPoint.set(point, { ...mount, controllers: [''] });
    else byPoint.delete(point);
  }
  return [...byPoint.values()];
}

function locate(path: string, mount: Mount): Group | undefined {
  const version = mount.controllers[0] === '' ? 2 : 1;
  const group = names(path);
  const root = names(mount.root);
  const common = root.findIndex((name, index) => name !== group[index]);
  if (common === -1) {
    const below = group.slice(root.length);
    if (below.includes('..')) return undefined;
    const lineage = below.map((_, index) => join(mount.point, below.slice(0, below.length - index)));
    lineage.push(mount.point);
    return { version, own: lineage[0], lineage };
  }
  // Where only steps upwards are left of the root, the mount shows a parent of the group without saying which child
  // leads to it: the parent's limits bind, but its use is not the group's.
  const above = root.slice(common).every((name) => name === '..');
  return above ? { version, own: undefined, lineage: [mount.point] } : undefined;
}

function names(path: string): string[] {
  return path.split('/').filter((name) => name !== '');
}

function join(point: string, below: readonly string[]): string {
  return [point === '/' ? '' : point, ...below].join('/');
}

/** The kernel writes blank, tab, newline and backslash as three octal digits. */
function unescapePath(path: string): string {
  return path.replace(/\\([0-3][0-7]{2})/g, (_, digits: string) =>
    String.fromCharCode(Number.parseInt(digits, 8)),
  );
}
