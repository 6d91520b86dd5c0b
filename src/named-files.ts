/**
 * Files that settings name, which are read and checked at the start: a wrong path, or the wrong file, must not come up at
 * the first connection. A file's contents are in no message.
 */
import { createPrivateKey, X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';

/**
 * Reads a file, and has it checked by a function that throws.
 * @param what what the file is to hold, for the message
 * @throws Error when it cannot be read or used
 */
export function readNamedFile(what: string, path: string, check: (content: Buffer) => void): Buffer {
  let content: Buffer;
  try {
    content = readFileSync(path);
  } catch (error) {
    throw new Error(`the ${what} file ${path} cannot be read: ${(error as Error).message}`, { cause: error });
  }
  try {
    check(content);
  } catch (error) {
    throw new Error(`the ${what} file ${path} cannot be used: ${(error as Error).message}`, { cause: error });
  }
  return content;
}

/**
 * Node takes no notice of an authority that it does not understand, and then trusts nobody.
 * @throws Error when there is no certificate in PEM, or one that cannot be understood
 */
export function checkCertificates(content: Buffer): void {
  const certificates =
    content.toString('latin1').match(/-----BEGIN (?:X509 |TRUSTED )?CERTIFICATE-----[\s\S]*?-----END .*/g) ??
    [];
  if (certificates.length === 0) throw new Error('it holds no certificate in PEM');
  // Those with trust settings are OpenSSL's own, which it reads as an authority and in no other place.
  const plain = certificates.filter((one) => !one.startsWith('-----BEGIN TRUSTED'));
  for (const certificate of plain) new X509Certificate(certificate);
}

/** @throws Error when there is no private key in PEM, or one that needs a passphrase */
export function checkPrivateKey(content: Buffer): void {
  try {
    createPrivateKey(content);
  } catch (error) {
    // OpenSSL's own words for it name its decoder.
    throw new Error('it holds no private key in PEM that needs no passphrase', { cause: error });
  }
}

/** What `read` throws for each file as a fault that begins with its setting; nothing for a file that no setting names. */
export function faultsOfFiles(
  files: readonly (readonly [setting: string, path: string | undefined, read: (path: string) => unknown])[],
): string[] {
  return files.flatMap(([setting, path, read]) => {
    try {
      if (path !== undefined) read(path);
      return [];
    } catch (error) {
      return [`${setting}: ${(error as Error).message}`];
    }
  });
}
