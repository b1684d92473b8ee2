// Servers of server-sent events by other projects, for tests: `node servers.mjs PORT FILE`. /better, /express and
// /channel each stream the numbers 1, 2, 3, … as POST /publish?to= adds them. Each number is written to the file before
// it is sent, and a server that is started again on the file continues there. better-sse and sse-channel get the file
// as their history; express-sse keeps no history.
import fs from 'node:fs';
import http from 'node:http';
import { createRequire } from 'node:module';
const require = createRequire(process.cwd() + '/');
const betterSSE = require.resolve('better-sse').replace(/\.cjs$/, '.mjs');
const { createSession } = await import(betterSSE).catch(() => require('better-sse'));
const SSE = require('express-sse');
const Channel = require('sse-channel');

const [port, file] = process.argv.slice(2);
const kept = fs.openSync(file, 'a+');
const whole = fs.readFileSync(kept, 'utf8').replace(/[^\n]*$/, ''); // without a line that was cut short
fs.ftruncateSync(kept, whole.length);
let last = whole.split('\n').length - 1;

const event = (n) => ({ id: n, event: 'number', data: String(n) });
const sessions = new Set();
const express = new SSE();
const history = Array.from({ length: last }, (_, i) => event(i + 1));
const channel = new Channel({ historySize: 100000, history, retryTimeout: 50 });

const routes = {
  async '/better'(req, res) {
    const session = await createSession(req, res, { retry: 50 });
    for (let n = Number(session.lastId || 0) + 1; n <= last; n++) session.push(n, 'number', String(n));
    sessions.add(session);
    session.once('disconnected', () => sessions.delete(session));
  },
  '/express': (req, res) => express.init(req, res),
  '/channel': (req, res) => channel.addClient(req, res),
  '/publish'(req, res, query) {
    while (last < Number(query.get('to'))) {
      fs.writeSync(kept, ++last + '\n');
      for (const s of sessions) s.push(last, 'number', String(last));
      express.send(last, 'number');
      channel.send(event(last));
    }
    res.end('ok');
  },
};
const server = http.createServer((req, res) => {
  const url = new URL(req.url, 'http://a');
  const route = routes[url.pathname];
  if (!route) return res.writeHead(404).end();
  res.flush ??= () => {};
  return route(req, res, url.searchParams);
});
server.listen(Number(port), '127.0.0.1');
