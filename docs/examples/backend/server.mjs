#!/usr/bin/env node
/**
 * An example of a scheduling backend over HTTP. README.md says how to start it. It has no users of
 * its own: whoever may reach it may do everything.
 */
import fs from 'node:fs';
import http from 'node:http';

import {Appointments, Refused} from './appointments.mjs';
import {openPlayer} from './player.mjs';
import {Store} from './store.mjs';

const MAX_BODY_BYTES = 65_536;

const env = (name, fallback) => {
  const value = process.env[name] ?? fallback;
  if (value === undefined) throw new Error(`${name} is not set`);
  return value;
};

const player = await openPlayer({
  player: env('PLAYER', 'parley'),
  module: process.env.PLAYER_MODULE,
  url: env('PLAYER_URL', 'http://localhost:7080'),
  publicUrl: process.env.PLAYER_PUBLIC_URL,
  key: {
    id: env('PLAYER_KEY_ID'),
    secret: fs.readFileSync(env('PLAYER_SECRET_FILE'), 'utf8').split('\n')[0],
  },
  consumer: env('CONSUMER', 'appointments'),
});
const store = await Store.open(env('STORE', 'appointments.json'));
const appointments = new Appointments(store, player);

/** By method and path; :id is an appointment. */
const ROUTES = {
  'POST /appointments': (id, body) => appointments.book(body),
  'GET /appointments/:id': (id) => appointments.get(id),
  'POST /appointments/:id/kick': (id, body) => appointments.kick(id, body),
  'POST /appointments/:id/mute-all': (id) => appointments.muteAll(id),
  'POST /appointments/:id/end': (id) => appointments.end(id),
  'POST /appointments/:id/record': (id) => appointments.record(id),
  'GET /appointments/:id/files': (id) => appointments.files(id),
  'GET /appointments/:id/usage': (id) => appointments.usage(id),
  'GET /mails': async () => ({mails: store.mails}),
};

async function bodyOf(request) {
  const parts = [];
  let size = 0;
  for await (const part of request) {
    size += part.length;
    if (size > MAX_BODY_BYTES) throw new Refused(413, 'the body is too big');
    parts.push(part);
  }
  return Buffer.concat(parts);
}

async function answer(request) {
  const {pathname} = new URL(request.url, 'http://localhost');
  const body = await bodyOf(request);
  if (request.method === 'POST' && pathname === '/player-events') {
    if (await player.posted(request.headers, body)) return {};
    throw new Refused(401, 'this is not from the conference service');
  }
  const [, collection, id, action] = pathname.split('/');
  const route = [`/${collection}`, id && ':id', action].filter(Boolean).join('/');
  const handler = ROUTES[`${request.method} ${route}`];
  if (!handler) throw new Refused(404, 'there is nothing here');
  let params = {};
  try {
    if (body.length > 0) params = JSON.parse(body);
  } catch {
    throw new Refused(400, 'the body is no JSON');
  }
  return await handler(id && decodeURIComponent(id), params) ?? {};
}

const server = http.createServer(async (request, response) => {
  let status = request.method === 'POST' && request.url === '/appointments' ? 201 : 200;
  let content;
  try {
    content = await answer(request);
  } catch (error) {
    // What the service refuses is told with its reason; what went wrong here is not.
    status = error instanceof Refused ? error.status : error.reason ? 409 : 500;
    content = {error: status === 500 ? 'internal' : error.message, reason: error.reason};
    if (status === 500) console.error(error.stack);
  }
  response.writeHead(status, {'content-type': 'application/json'});
  response.end(JSON.stringify(content));
});

await appointments.listen();
server.listen(Number(env('PORT', '8080')), '127.0.0.1', () => {
  console.log(`listening on http://127.0.0.1:${server.address().port}`);
});

for (const signal of ['SIGINT', 'SIGTERM']) {
  process.once(signal, async () => {
    server.close();
    server.closeAllConnections();
    await player.close();
  });
}
