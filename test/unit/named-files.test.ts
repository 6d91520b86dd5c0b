import assert from 'node:assert/strict';
import { generateKeyPairSync } from 'node:crypto';
import { test } from 'node:test';
import { checkCertificates, checkPrivateKey, faultsOfFiles } from '../../src/named-files.ts';

const pem = (kind: string): Buffer => Buffer.from(`-----BEGIN ${kind}-----\nAAAA\n-----END ${kind}-----\n`);

test('an authority is certificates in PEM, with trust settings of OpenSSL or without', () => {
  checkCertificates(pem('TRUSTED CERTIFICATE'));
  assert.throws(() => checkCertificates(pem('CERTIFICATE')), /asn1|PEM|wrong tag|too long|not enough/i);
  assert.throws(() => checkCertificates(Buffer.from('none')), /it holds no certificate in PEM/);
});

test('a private key is one that needs no passphrase', () => {
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const format = { type: 'pkcs8', format: 'pem' } as const;
  checkPrivateKey(Buffer.from(privateKey.export(format)));
  const locked = privateKey.export({ ...format, cipher: 'aes-256-cbc', passphrase: 'open sesame' });
  for (const content of [Buffer.from(locked), pem('CERTIFICATE')])
    assert.throws(() => checkPrivateKey(content), /no private key in PEM that needs no passphrase/);
});

test('a file that no setting names has no fault', () => {
  const fail = (path: string): never => {
    throw new Error(`${path} is not there`);
  };
  assert.deepEqual(
    faultsOfFiles([
      ['ONE', undefined, fail],
      ['OTHER', '/x', fail],
    ]),
    ['OTHER: /x is not there'],
  );
});
