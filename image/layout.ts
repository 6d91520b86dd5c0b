/**
 * The root file system of the image, in three layers that change ever more often: the platform (Node, the libraries that
 * it is linked with, certificates, names of users), the dependencies, the program.
 *
 *   node image/layout.ts OUT [MODULES]     MODULES: a node_modules folder without development dependencies
 *
 * The Dockerfile runs this in its build stage, and ./main.ts where there is no engine: so there is one layout. Node is the
 * one that runs this; libraries and certificates are those of the system that it runs on, a Debian or a descendant.
 * There is no shell, no package manager and nothing that could be run besides Node.
 */

import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  realpathSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { basename, dirname, extname, join } from 'node:path';

/** The layers in the order in which they lie on each other: folders of these names. */
export const layerNames = ['platform', 'dependencies', 'program'] as const;

export const nodePath = '/usr/local/bin/node';
export const programFolder = '/app';
/** Nobody's number on a usual machine; files belong to root, so it may read and not change them. */
export const userId = 65532;

const commonLicences = '/usr/share/common-licenses';
const certificates = '/etc/ssl/certs/ca-certificates.crt';
const root = join(import.meta.dirname, '..');

/** Makes the layers in `out`, which must not exist yet. */
export function createLayout(out: string, modules: string): void {
  const [platform, dependencies, program] = layerNames.map((name) => join(out, name)) as [
    string,
    string,
    string,
  ];
  layPlatform(platform);
  layDependencies(join(dependencies, programFolder, 'node_modules'), modules);
  layProgram(join(program, programFolder));
}

function layPlatform(folder: string): void {
  const libraries = librariesOf(process.execPath);
  place(process.execPath, folder, nodePath);
  for (const library of libraries) place(library, folder, library);
  if (!existsSync(certificates)) throw new Error(`there is no ${certificates}: install ca-certificates`);
  place(certificates, folder, certificates);
  place('/etc/os-release', folder, '/etc/os-release');
  for (const name of packagesOf([...libraries, certificates])) layPackageRecord(folder, name);
  // Texts that those terms refer to.
  if (existsSync(commonLicences)) cpSync(commonLicences, join(folder, commonLicences), { recursive: true });
  write(folder, '/usr/share/doc/node/copyright', nodeTerms());
  write(folder, '/etc/passwd', passwd());
  write(folder, '/etc/group', `root:x:0:\ntidegauge:x:${userId}:\n`);
  write(folder, '/etc/nsswitch.conf', 'hosts: files dns\n');
  mkdirSync(join(folder, 'tmp'));
  chmodSync(join(folder, 'tmp'), 0o1777);
}

/** The package that brings Node has no text of its licence with it. */
function nodeTerms(): string {
  const { version } = process;
  return `Node.js ${version}, of the Node.js contributors and the OpenJS Foundation. Its terms, and those of what it contains:
https://github.com/nodejs/node/blob/${version}/LICENSE
`;
}

function passwd(): string {
  return [
    'root:x:0:0:root:/:/sbin/nologin',
    `tidegauge:x:${userId}:${userId}:tidegauge:${programFolder}:/sbin/nologin`,
    '',
  ].join('\n');
}

/** The paths of the shared libraries that a program is linked with, the loader among them. */
function librariesOf(program: string): string[] {
  const lines = execFileSync('ldd', [program], { encoding: 'utf8' }).split('\n');
  const missing = lines.find((line) => line.includes('not found'));
  if (missing !== undefined) throw new Error(`a library of Node is not installed:${missing.trimEnd()}`);
  return lines.flatMap((line) => /(\/\S+) \(0x/.exec(line)?.[1] ?? []).sort();
}

/**
 * A scanner looks for these records to learn what is in an image and whether it has known holes; the terms under which
 * the files may be passed on lie beside them.
 */
function layPackageRecord(folder: string, name: string): void {
  const record = execFileSync('dpkg-query', ['--status', name], { encoding: 'utf8' });
  write(folder, `/var/lib/dpkg/status.d/${name.replace(/:.*/, '')}`, record);
  const terms = `/usr/share/doc/${name.replace(/:.*/, '')}/copyright`;
  if (existsSync(terms)) place(terms, folder, terms);
}

/** The Debian packages that brought these files; those that no package brought are left out. */
function packagesOf(paths: string[]): string[] {
  const names = paths.flatMap((path) => {
    if (path === certificates) return ['ca-certificates'];
    // Packages list a file where they put it; in a system with a merged /usr that is not always where it is found.
    const real = realpathSync(path);
    for (const candidate of [path, real, path.replace(/^\/usr/, ''), real.replace(/^\/usr/, '')]) {
      const owner = ownerOf(candidate);
      if (owner !== undefined) return [owner];
    }
    return [];
  });
  return [...new Set(names)].sort();
}

function ownerOf(path: string): string | undefined {
  try {
    const answer = execFileSync('dpkg-query', ['--search', path], { encoding: 'utf8', stdio: 'pipe' });
    return /^(\S+): /.exec(answer)?.[1];
  } catch {
    // Not of a package under this name.
    return undefined;
  }
}

/** What Node can run, and the licences; types, maps and manuals are for those who develop. */
function layDependencies(folder: string, modules: string): void {
  cpSync(modules, folder, { recursive: true, verbatimSymlinks: true });
  const isLicence = (name: string): boolean => /^(?:licen[cs]e|copying|notice)/i.test(name);
  for (const entry of readdirSync(folder, { recursive: true, withFileTypes: true })) {
    const path = join(entry.parentPath, entry.name);
    const isOfDevelopers = ['.map', '.ts', '.mts', '.cts', '.md'].includes(extname(entry.name));
    if (entry.isFile() && isOfDevelopers && !isLicence(entry.name)) rmSync(path);
  }
  // Links to programs that nobody can start there, and npm's own notes.
  rmSync(join(folder, '.bin'), { recursive: true, force: true });
  rmSync(join(folder, '.package-lock.json'), { force: true });
}

function layProgram(folder: string): void {
  for (const name of ['package.json', 'LICENSE', 'src'])
    cpSync(join(root, name), join(folder, name), { recursive: true });
}

/** A copy of what a path leads to, whatever links there are on the way. */
function place(source: string, folder: string, target: string): void {
  const path = join(folder, target);
  mkdirSync(dirname(path), { recursive: true });
  cpSync(realpathSync(source), path);
}

function write(folder: string, target: string, text: string): void {
  const path = join(folder, target);
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, text);
}

if (import.meta.main) {
  const [out, modules = join(root, 'node_modules')] = process.argv.slice(2);
  if (out === undefined) throw new Error(`usage: ${basename(import.meta.filename)} OUT [MODULES]`);
  createLayout(out, modules);
}
