/**
 * An operator, an account and a user for nats-server's decentralised log-in, made on the spot: the text of a
 * server's configuration that trusts them, and the user's credentials file.
 */
import { hash, randomBytes } from 'node:crypto';
import { createAccount, createOperator, createUser, type KeyPair } from '@nats-io/nkeys';

export function createNatsAccount({ userExpiresInSeconds = 3_600 } = {}): {
  serverConfig: string;
  userCredentials: string;
} {
  const [operator, account, user] = [createOperator(), createAccount(), createUser()];
  const unlimited = { subs: -1, data: -1, payload: -1 };
  const operatorToken = sign(operator, operator, 'operator', {});
  const accountToken = sign(account, operator, 'account', {
    limits: { ...unlimited, conn: -1, leaf: -1, imports: -1, exports: -1, wildcards: true },
  });
  const userToken = sign(user, account, 'user', { ...unlimited, pub: {}, sub: {} }, userExpiresInSeconds);
  return {
    serverConfig: `operator: ${operatorToken}\nresolver: MEMORY\nresolver_preload: { ${account.getPublicKey()}: ${accountToken} }\n`,
    userCredentials: [
      '-----BEGIN NATS USER JWT-----',
      userToken,
      '------END NATS USER JWT------',
      '',
      '-----BEGIN USER NKEY SEED-----',
      Buffer.from(user.getSeed()).toString(),
      '------END USER NKEY SEED------',
      '',
    ].join('\n'),
  };
}

/** A token in the form of NATS' JWT, version 2. */
function sign(
  subject: KeyPair,
  issuer: KeyPair,
  type: string,
  claims: object,
  expiresInSeconds = 3_600,
): string {
  const encode = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url');
  const nowSeconds = Math.floor(Date.now() / 1_000);
  const header = encode({ typ: 'JWT', alg: 'ed25519-nkey' });
  const body = encode({
    jti: hash('sha256', randomBytes(16)).slice(0, 32),
    iat: nowSeconds,
    exp: nowSeconds + expiresInSeconds,
    iss: issuer.getPublicKey(),
    sub: subject.getPublicKey(),
    name: `test ${type}`,
    nats: { ...claims, type, version: 2 },
  });
  const signature = issuer.sign(Buffer.from(`${header}.${body}`));
  return `${header}.${body}.${Buffer.from(signature).toString('base64url')}`;
}
