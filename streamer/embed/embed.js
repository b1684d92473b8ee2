/* Hookcast embed 0.1.0 (Apache-2.0): a channel's events in the browser, in order, with every gap reported.
 * /embed.d.ts, next to this file, documents every option and member. No eval, no innerHTML, no cookie. */
(function (g) {
  'use strict';
  const doc = g.document, script = doc && doc.currentScript, none = () => {};
  const home = script && script.src ? new URL('.', script.src).href : g.location.origin;
  const NATIVE = 0, FETCH = 1, POLL = 2, NAMES = ['eventsource', 'fetch', 'poll'];
  const STOP = '!stop'; // the id of a last frame: never used as a cursor
  const LONGEST = 3e5; // the longest wait that a server may ask for
  const TIMINGS = { // ms
    open: 1e4, // no frame by then, twice: something on the network blocks streams
    heartbeat: 4e4, slack: 1e4, // silence for two heartbeats and this long: dead
    min: 500, max: 3e4, // back-off with full jitter
    tick: 5e3, drift: 3e4, // a tick that is this late: the machine slept
    wait: 25, // maximum seconds of a long poll
    climb: 6e5 // how long to poll before trying to stream again
  };
  // An error of a handler goes to window.onerror and never ends the stream.
  const report = (e) => { setTimeout(() => { throw e; }); };

  // A parser of event streams (WHATWG HTML 9.2.6) that accepts text cut anywhere. TextDecoder removes the BOM.
  function parser(frame, retry) {
    let rest = '', cr = false, type = '', data = '', id = '', at;
    const line = (s) => {
      if (!s) {
        if (data) frame(type, data.slice(0, -1), id);
        else frame('', null, id);
        type = data = '';
        return;
      }
      at = s.indexOf(':');
      const k = at < 0 ? s : s.slice(0, at), v = at < 0 ? '' : s.slice(at + (s[at + 1] === ' ' ? 2 : 1));
      if (k === 'data') data += v + '\n';
      else if (k === 'event') type = v;
      else if (k === 'id' && !v.includes('\0')) id = v;
      else if (k === 'retry' && /^\d+$/.test(v)) retry(+v);
    };
    return (s) => {
      if (!s) return;
      if (cr && s[0] === '\n') s = s.slice(1); // the second half of a CRLF
      cr = s.endsWith('\r');
      const lines = (rest + s).split(/\r\n?|\n/);
      rest = lines.pop();
      lines.forEach(line);
    };
  }

  function connect(o) {
    const channels = [].concat(o.channels || []), base = (o.url || home).replace(/\/+$/, '');
    if (!channels.length) throw new TypeError('Hookcast.connect: channels must name at least one channel');
    const t = Object.assign({}, TIMINGS, o.timings), handlers = new Map(), last = new Map(), undo = [];
    const top = Math.max(NAMES.indexOf(o.transport), g.EventSource ? NATIVE : FETCH);
    const key = ['hookcast', base, channels, o.resume].join(' '); // a cursor depends on the order of the channels
    let state = 'connecting', reason, mode = top, heartbeat = t.heartbeat;
    let life = 0; // number of the present attempt; output of older ones is dropped
    let end = none, timer, opener; // ends the attempt; timer of the next one; timer of the first frame
    let seen, began, ticked = Date.now(), retry, tries = 0, blocked = 0, refusals = 0;
    let token, used, stale, renewing; // used: the token of the attempt; stale: when to get another one
    let conn; // the id of the open stream
    // Tabs of an origin that listen to the same channels as the same user share a connection: the tab that holds a lock
    // connects and passes everything on to the others.
    const locks = o.share !== false && g.BroadcastChannel && g.navigator.locks;
    let leads = !locks, name, tabs, leave = none, held; // held: messages that came while this tab catches up

    // Storage may be absent or forbidden (private mode, sandboxed frames): then a reload starts without a cursor.
    const stored = (v) => {
      try {
        if (o.resume === false) return;
        if (v === undefined) return g.sessionStorage.getItem(key);
        g.sessionStorage.setItem(key, v);
      } catch (e) { none(); }
    };
    let cursor = stored() || (o.after === undefined ? '' : String(o.after));
    const save = (id) => { if (id && id !== STOP) stored(cursor = id); };

    const set = (s, why) => {
      if (state === 'closed' || (s === state && why === reason)) return;
      state = s;
      reason = why;
      if (s !== 'closed') tell({ s, why });
      if (o.onstate) try { o.onstate(s, why); } catch (e) { report(e); }
    };
    const emit = (e, all) => new Set(all ? [e.type, '*'] : [e.type]).forEach((k) =>
      Array.from(handlers.get(k) || []).forEach((fn) => { try { fn(e); } catch (x) { report(x); } }));

    // --- attempts, one at a time
    const stop = () => {
      life++;
      conn = renewing = '';
      clearTimeout(timer);
      clearTimeout(opener);
      timer = 0;
      end();
      end = none;
    };
    const again = (ms) => {
      stop();
      if (state !== 'closed') timer = setTimeout(attempt, Math.min(ms, LONGEST)); // onstate may have closed it
    };
    const backoff = () => t.min + Math.random() * (Math.min(t.max, t.min * 2 ** ++tries) - t.min);
    const fail = (why, ms) => { set('waiting', why); again(ms === undefined ? retry || backoff() : ms); };
    const finish = (why) => {
      stop();
      leave();
      clearInterval(clock);
      undo.splice(0).forEach((fn) => fn());
      set('closed', why);
    };
    const wake = () => { tries = blocked = 0; mode = top; set('connecting'); again(0); };
    // The token was refused or there is none: get another one, at once the first time, then at growing intervals.
    const refused = (why, most) => {
      if (Date.now() - began > t.open) refusals = 0; // the last token worked for a while
      if (g.navigator.onLine !== false) refusals++;
      token = '';
      if (!o.getToken || refusals > most) return finish(why);
      fail(why, refusals > 1 || why === 'token' ? backoff() : 0);
    };

    const learn = (k) => {
      token = k;
      stale = Infinity;
      try { // only to know when to renew; with iat the local clock does not matter
        const c = JSON.parse(atob(k.split('.')[1].replace(/-/g, '+').replace(/_/g, '/')));
        const left = c.exp - (c.iat || Date.now() / 1e3);
        if (c.exp) stale = Date.now() + (left > 0 ? left * (700 + Math.random() * 100) : 3e4);
      } catch (e) { none(); }
    };
    // Puts the open stream under another token. If this fails, the server reports when the old one expires.
    const renew = async () => {
      const me = life, live = () => me === life;
      if (renewing) return;
      renewing = true;
      stale = Infinity;
      try {
        const k = await o.getToken();
        if (!k || !live()) return;
        learn(k);
        if (!conn) return again(0); // a poll
        const res = await fetch(base + '/v1/connections/' + conn + '/renew',
          { method: 'POST', headers: { Authorization: 'Bearer ' + k }, credentials: 'omit' });
        if (live() && !res.ok) fail('http-' + res.status);
      } catch (e) { none(); } finally { if (live()) renewing = false; }
    };

    async function attempt() {
      const me = life, live = () => me === life;
      timer = retry = 0;
      seen = began = Date.now();
      if (!o.getToken) token = o.token;
      else if (!token || Date.now() >= stale) {
        let k;
        try { k = await o.getToken(); } catch (e) { return live() && refused('token', 20); }
        if (!live()) return;
        if (!k) return finish('token'); // signed out
        learn(k);
      }
      used = token;
      if (locks && whose() !== name) join(whose());
      if (!leads) return tell({ ask: 1 });
      if (mode < POLL) opener = setTimeout(unopened, t.open);
      try {
        await [native, stream, poll][mode](live);
      } catch (e) {
        if (!live()) return;
        // If a poll fails too, streaming was not blocked.
        if (mode === POLL && top < POLL) { mode = top; blocked = 1; }
        fail('network');
      }
    }
    const unopened = () => {
      if (++blocked > 1) mode = POLL;
      fail('blocked', mode === POLL ? 0 : undefined);
    };
    const link = (path, more) => {
      const q = new URLSearchParams(more);
      channels.forEach((c) => q.append('channel', c));
      if (cursor) q.append('after', cursor); // as a header it would cause a preflight
      return base + path + '?' + q;
    };
    const get = (url, accept) => {
      const ac = new AbortController(), headers = { Accept: accept };
      end = () => ac.abort();
      if (token) headers.Authorization = 'Bearer ' + token;
      return fetch(url, { headers, signal: ac.signal, cache: 'no-store', credentials: 'omit' });
    };
    // Returns true if the response has no events; then it has been handled.
    const turned = (res) => {
      const s = res.status, why = 'http-' + s, after = res.headers.get('Retry-After');
      if (s === 200) return false;
      if (s === 204) finish('stopped');
      else if (s === 401) refused(why, 3);
      else if (s === 400 && cursor) { // the cursor is no longer valid: report a gap and start without one
        stored(cursor = '');
        fail(why, backoff());
        channels.forEach((channel) => control('gap', { channel, reset: true }));
      } else if (s < 500 && ![408, 425, 429].includes(s)) finish(why);
      else fail(why, backoff() + Math.max(0, after * 1e3 || Date.parse(after) - Date.now() || 0));
      return true;
    };

    // --- tabs
    const tell = (m) => { if (tabs) tabs.postMessage(m); };
    // Returns who the token is for; empty if that is unknown, and then nothing is shared.
    const whose = () => {
      try {
        const c = JSON.parse(atob(token.split('.')[1].replace(/-/g, '+').replace(/_/g, '/')));
        for (const k of ['exp', 'iat', 'nbf', 'jti']) delete c[k];
        return ['hookcast', base, channels, JSON.stringify(c)].join(' ');
      } catch (e) { return ''; }
    };
    const join = (who, steal) => {
      leave();
      name = who;
      leads = !who;
      if (!who) return;
      let free = none, mine = true;
      const wait = new AbortController();
      tabs = new BroadcastChannel(who);
      tabs.onmessage = (m) => hear(m.data);
      leave = () => {
        mine = false;
        leave = none;
        tabs.close();
        tabs = held = name = null;
        leads = !locks;
        wait.abort();
        free();
      };
      locks.request(who, steal ? { steal } : { signal: wait.signal }, () => mine && new Promise((done) => {
        free = done;
        leads = true;
        held = null;
        again(0);
      })).catch(() => { if (mine) join(who), again(0); }); // another tab stole the lock while this one was frozen
    };
    const hear = (m) => {
      if (m.ask) return leads && tell({ at: cursor, s: state, why: reason, heartbeat });
      if (leads && m.id !== STOP) return; // the last message of a leader may come after its lock
      seen = Date.now();
      if (m.heartbeat) heartbeat = m.heartbeat;
      if (held) return held.push(m);
      const n = m.e && last.get(m.e.channel);
      if (m.at && !cursor) save(m.at);
      if (m.at && m.at !== cursor || m.event && n && m.e.seq > n + 1) return behind(m);
      if (m.s) set(m.s, m.why);
      if (m.event) deliver(m.e, m.id);
      else if (m.e) {
        said(m.e, m.id);
        if (m.id === STOP && state !== 'closed') finish('ended');
      }
    };
    // Reads the events from before this tab joined from the log.
    const behind = async (m) => {
      const me = life, live = () => me === life;
      held = [m];
      try { await poll(live, true); } catch (e) { if (live()) fail('network'); }
      const rest = held || [];
      held = null;
      if (live() && !leads) rest.forEach((x) => { delete x.at; hear(x); });
    };

    // --- the three transports
    function native(live) {
      const es = new EventSource(link('/v1/stream', token ? { types: 'off', token } : { types: 'off' }));
      const take = (e) => live() && frame(e.type, e.data, e.lastEventId);
      end = () => es.close();
      es.onmessage = take;
      'open heartbeat gap quota goodbye denied expiring expired ended'.split(' ')
        .forEach((k) => es.addEventListener('hookcast.' + k, take));
      es.onopen = () => { if (live() && !opener) opener = setTimeout(unopened, t.open); };
      es.onerror = () => {
        if (!live()) return;
        opener = clearTimeout(opener);
        if (es.readyState === 2) { mode = FETCH; fail('network'); } // it never reconnects, and only fetch can see why
        else if (state !== 'waiting') set('waiting', 'network'); // the browser reconnects on its own
      };
    }
    async function stream(live) {
      const res = await get(link('/v1/stream', { types: 'off' }), 'text/event-stream');
      if (!live() || turned(res)) return;
      if (!/^text\/event-stream/i.test(res.headers.get('Content-Type'))) return fail('http-200');
      if (!res.body) { mode = POLL; return again(0); }
      const reader = res.body.getReader(), text = new TextDecoder();
      const feed = parser((type, data, id) => {
        if (live()) data === null ? save(id) : frame(type, data, id);
      }, (ms) => { retry = ms; });
      for (;;) {
        const { done, value } = await reader.read();
        if (!live()) return;
        if (done) return fail('network');
        seen = Date.now();
        feed(text.decode(value, { stream: true }));
      }
    }
    async function poll(live, once) { // once: the existing events only
      const until = Date.now() + t.climb;
      for (let wait = 0; ; wait = once ? 0 : t.wait) { // the first one returns at once and shows that polling works
        const res = await get(link('/v1/poll', { wait }), 'application/json');
        if (!live() || turned(res)) return;
        const page = await res.json();
        if (!live()) return;
        seen = Date.now();
        refusals = 0;
        up();
        for (const e of page.data) {
          if (!live()) return; // a handler closed the connection
          e.type === 'hookcast.gap' ? control('gap', e) : deliver(e);
        }
        if (!live()) return;
        save(page.next_cursor);
        if (page.next_cursor === STOP) return finish('ended');
        if (once && !page.data.length) return;
        if (top < POLL && seen > until) { mode = top; blocked = 1; return again(0); }
        if (wait && !page.data.length) await new Promise((done) => setTimeout(done, t.min));
        if (!live()) return;
      }
    }

    // --- frames and events
    const up = () => { tries = blocked = 0; set('open'); return state === 'open'; };
    const deliver = (e, id) => {
      if (e.seq <= last.get(e.channel)) return; // a repeat
      last.set(e.channel, e.seq);
      save(id);
      if (leads) tell({ event: 1, e, id });
      emit(e, true);
    };
    const said = (e, id) => {
      save(id);
      if (e.type === 'hookcast.gap' && e.reset) last.delete(e.channel);
      emit(e, e.type === 'hookcast.gap');
    };
    const frame = (type, text, id) => {
      const name = /^hookcast\.(.*)/.exec(type);
      let e;
      seen = Date.now();
      clearTimeout(opener);
      try { e = JSON.parse(text); } catch (x) { if (!name) report(x); }
      if (name) return control(name[1], e && typeof e === 'object' ? e : { data: text }, id);
      refusals = 0;
      if (up() && e) deliver(e, id);
    };
    const control = (name, e, id) => {
      e.type = 'hookcast.' + name;
      if (name === 'open') {
        save(id);
        if (e.heartbeat_ms > 0) heartbeat = e.heartbeat_ms;
        conn = e.connection_id;
        tell({ at: cursor, heartbeat });
        return up();
      }
      if (name === 'heartbeat') {
        save(id);
        refusals = 0;
        tell({});
        return up();
      }
      const me = life;
      if (/gap|quota|goodbye|ended/.test(name)) tell({ e, id });
      said(e, id);
      if (me !== life) return; // a handler closed the connection
      if (name === 'expiring' && o.getToken) renew();
      // EventSource reconnects with the old token.
      else if (name === 'expired') used === token ? refused(name, 3) : again(0);
      else if (name === 'denied' || id === STOP) finish(name);
      else if (name === 'quota' || name === 'goodbye') mode === NATIVE ? set('waiting', name) : fail(name);
    };

    // --- sleep, silence, changes of network
    const clock = setInterval(() => {
      const now = Date.now(), slept = now - ticked > t.tick + t.drift;
      ticked = now;
      if (slept && !(doc && doc.hidden)) wake(); // ticks of a hidden page are always late
      else if (!timer && now - seen > 2 * heartbeat + t.slack) leads ? fail('silent') : join(name, true);
      else if (leads && o.getToken && state === 'open' && now > stale) renew();
      if (leads) tell({});
    }, t.tick);
    const listen = (to, type, fn) => {
      to.addEventListener(type, fn);
      undo.push(() => to.removeEventListener(type, fn));
    };
    listen(g, 'online', wake);
    listen(g, 'pagehide', () => { stop(); leave(); }); // an open stream keeps a page out of the back/forward cache
    listen(g, 'pageshow', (e) => { if (e.persisted) wake(); });
    if (doc) listen(doc, 'visibilitychange', () => {
      if (!doc.hidden && Date.now() - seen > heartbeat + t.slack) wake();
    });
    again(0); // after the first .on() of the caller

    const self = {
      on(type, fn) {
        if (!handlers.has(type)) handlers.set(type, new Set());
        handlers.get(type).add(fn);
        return self;
      },
      off(type, fn) {
        if (fn) (handlers.get(type) || new Set()).delete(fn);
        else handlers.delete(type);
        return self;
      },
      close() { finish('close'); },
      get state() { return state; },
      get reason() { return reason; },
      get cursor() { return cursor; },
      get transport() { return leads ? NAMES[mode] : 'tab'; }
    };
    return self;
  }

  // If the script is loaded twice, the first one stays; the attributes of each tag count.
  const H = g.Hookcast && g.Hookcast.connect ? g.Hookcast : (g.Hookcast = { version: '0.1.0', connect });

  // --- <script src=".../embed.js" data-channels="orders" data-token="…" data-target="#feed">
  const d = script && script.dataset;
  const start = () => {
    const target = d.target && doc.querySelector(d.target), lines = [];
    const fire = (name, detail) =>
      (target || doc).dispatchEvent(new CustomEvent('hookcast:' + name, { detail, bubbles: true }));
    const ask = () => fetch(d.tokenUrl).then((r) => r.ok ? r.json() : Promise.reject(r.status)).then((b) => b.token);
    script.hookcast = H.connect({
      url: d.url, channels: d.channels.split(/[\s,]+/).filter(Boolean), token: d.token, getToken: d.tokenUrl && ask,
      transport: d.transport, after: d.after, onstate: (state, reason) => fire('state', { state, reason })
    }).on('*', (e) => {
      fire('event', e);
      if (!target) return;
      const body = typeof e.data === 'string' ? e.data : JSON.stringify(e.data);
      lines.push(doc.createTextNode([e.time, e.channel, e.type, body].filter(Boolean).join(' ') + '\n'));
      target.appendChild(lines[lines.length - 1]);
      if (lines.length > 500) lines.shift().remove();
    });
  };
  if (d && d.channels) doc.readyState === 'loading' ? doc.addEventListener('DOMContentLoaded', start) : start();
})(self);
