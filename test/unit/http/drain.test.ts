/** POST /drain over a real server: who may ask, and what is answered. */
import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { type HttpApp, startHttpApp } from '../../support/http-app.ts';

const apps: HttpApp[] = [];
after(() => Promise.all(apps.map((app) => app.close())));

async function start(given: Parameters<typeof startHttpApp>[0]): Promise<{ app: HttpApp; asked(): number }> {
  let asked = 0;
  const app = await startHttpApp({
    dependencies: {
      drain: () => {
        asked += 1;
        return { connections: 17 };
      },
    },
    ...given,
  });
  apps.push(app);
  return { app, asked: () => asked };
}

const authorization = 'Bearer open-sesame';
const settings = { adminToken: 'open-sesame' };

test('it begins a drain, and answers the same when asked again', async () => {
  const { app, asked } = await start({ settings });
  for (let time = 1; time <= 2; time += 1) {
    const answer = await app.get('/drain', { method: 'POST', headers: { authorization } });
    assert.equal(answer.status, 202);
    assert.deepEqual(await answer.json(), { status: 'draining', connections: 17 });
    assert.equal(asked(), time);
  }
});

test('it is refused without the right token, and without any set also on this machine', async () => {
  const withToken = await start({ settings });
  for (const headers of [{}, { authorization: 'Bearer another-one' }]) {
    const answer = await withToken.app.get('/drain', { method: 'POST', headers });
    assert.equal(answer.status, 401);
  }
  const without = await start({});
  const answer = await without.app.get('/drain', { method: 'POST', headers: { authorization } });
  assert.equal(answer.status, 403);
  const { error } = (await answer.json()) as { error: { code: string; message: string } };
  assert.equal(error.code, 'no_admin_token');
  assert.match(error.message, /TIDEGAUGE_ADMIN_TOKEN/);
  assert.deepEqual([withToken.asked(), without.asked()], [0, 0]);
});

test('a parameter that it does not know, and another method, begin nothing', async () => {
  const { app, asked } = await start({ settings });
  const unknown = await app.get('/drain?window=1s', { method: 'POST', headers: { authorization } });
  assert.equal(unknown.status, 400);
  const got = await app.get('/drain', { headers: { authorization } });
  assert.deepEqual([got.status, got.headers.get('allow')], [405, 'OPTIONS, POST']);
  assert.equal(asked(), 0);
});

test('it is on the admin port where there is one, and not on the port for clients', async () => {
  const clients = await start({ settings, role: 'clients' });
  const admin = await start({ settings, role: 'admin' });
  const post = async (app: HttpApp) =>
    (await app.get('/drain', { method: 'POST', headers: { authorization } })).status;
  assert.deepEqual([await post(clients.app), await post(admin.app)], [404, 202]);
});
