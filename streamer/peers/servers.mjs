// Servers of server-sent events of others, for one test: /better, /express and /channel each stream what POST /publish?n= adds. POST /cut breaks
// every connection. It prints its address.
import http from 'node:http';
import { createRequire } from 'node:module';
const require = createRequire(process.cwd() + '/');
const { createSession } = await import(require.resolve('better-sse').replace(/\.cjs$/, '.mjs')).catch(() => require('better-sse'));
const SSE = require('express-sse');
const Channel = require('sse-channel');

const log = [];
const sessions = new Set();
const express = new SSE();
const channel = new Channel({ historySize: 100000, retryTimeout: 50 });

const routes = {
  async '/better'(req, res) {
    const session = await createSession(req, res, { retry: 50 });
    for (const n of log.slice(Number(session.lastId || 0))) session.push(n, 'number', String(n));
    sessions.add(session);
    session.once('disconnected', () => sessions.delete(session));
  },
  '/express': (req, res) => express.init(req, res),
  '/channel': (req, res) => channel.addClient(req, res),
  '/publish'(req, res, query) {
    for (let i = Number(query.get('n')); i > 0; i--) {
      const n = log.length + 1;
      log.push(n);
      for (const s of sessions) s.push(n, 'number', String(n));
      express.send(n, 'number');
      channel.send({ id: n, event: 'number', data: String(n) });
    }
    res.end('ok');
  },
  '/cut'(req, res) {
    res.end('ok', () => setTimeout(() => server.closeAllConnections(), 5));
  },
};
const server = http.createServer((req, res) => {
  const url = new URL(req.url, 'http://a');
  const route = routes[url.pathname];
  if (!route) return res.writeHead(404).end();
  res.flush ??= () => {};
  return route(req, res, url.searchParams);
});
server.listen(0, '127.0.0.1', () => console.log('127.0.0.1:' + server.address().port));
process.stdin.resume().on('end', () => process.exit()); // with who has started it
