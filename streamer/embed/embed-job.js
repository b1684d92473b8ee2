/* Hookcast embed-job 0.1.0 (Apache-2.0): the progress of slow work in the browser. Load it after embed.js.
 * /embed.d.ts, next to this file, documents every member. No eval, no innerHTML, no cookie. */
(function (g) {
  'use strict';
  const H = g.Hookcast, none = () => {};
  if (!H || !H.connect || !g.Promise || H.job) return; // a browser without these shows the content of the page
  const report = (e) => { setTimeout(() => { throw e; }); };
  const failure = (code, message, data) => Object.assign(new Error(message), { code, job: data });

  // Returns a promise of the place of a job. where is an address of the own server that answers with {channel, token},
  // or these values, or the address of a stream.
  const locate = (where, request) => {
    if (typeof where === 'object') return Promise.resolve(where);
    const at = new URL(where, g.location.href), base = at.pathname.replace(/\/v1\/stream$/, ''), q = at.searchParams;
    if (base !== at.pathname && q.get('channel')) {
      return Promise.resolve({ url: at.origin + base, channel: q.get('channel'), token: q.get('token') || undefined });
    }
    const init = { headers: { Accept: 'application/json' }, credentials: 'same-origin', cache: 'no-store' };
    return fetch(at.href, Object.assign(init, request)).then((r) => r.ok ? r.json()
      : Promise.reject(failure('http-' + r.status, 'the server answered the request for the job with ' + r.status)));
  };

  function job(where, options) {
    const o = options || {}, told = [], logged = [];
    let last, conn, over = false, settle;
    const done = new Promise((resolve, reject) => { settle = [resolve, reject]; });
    done.catch(none); // a page may not use done
    const call = (fns, v) => fns.slice().forEach((fn) => { try { fn(v); } catch (e) { report(e); } });
    const finish = (which, v) => {
      if (over) return;
      over = true;
      settle[which](v);
      if (conn) conn.close();
    };
    const take = (e) => {
      const d = e.data;
      if (over || !/^job\./.test(e.type) || !d || typeof d !== 'object') return;
      if (last && d.revision < last.revision) return; // older than the last one
      last = d;
      if (d.lines) d.lines.forEach((line) => call(logged, line));
      call(told, d);
      if (d.state === 'completed') finish(0, d.result);
      else if (d.state !== 'running') finish(1, failure(d.error && d.error.code, d.error && d.error.message, d));
    };
    // Every tab has its own connection and stores no cursor: each new subscriber gets the state of the job.
    locate(where, o.request).then((at) => {
      if (over) return;
      conn = H.connect({
        url: at.url || o.url, channels: at.channel, token: at.token, getToken: o.getToken, transport: o.transport,
        timings: o.timings, resume: false, share: false,
        onstate: (s, why) => {
          if (o.onstate) o.onstate(s, why);
          if (s === 'closed') finish(1, failure(why, 'the stream of the job ended: ' + why, last));
        }
      }).on('*', take);
    }).catch((e) => finish(1, e));

    const self = {
      done,
      onprogress(fn) {
        told.push(fn);
        if (last) Promise.resolve(last).then(fn).catch(report);
        return self;
      },
      onlog(fn) {
        logged.push(fn);
        return self;
      },
      close() { finish(1, failure('close', 'the page stopped listening to the job', last)); },
      get state() { return last; }
    };
    return self;
  }
  H.job = job;

  // --- <hookcast-progress src="/exports/42">, or channel="…" token="…", and url="…" if embed.js came from elsewhere
  if (!g.customElements || !g.HTMLElement || g.customElements.get('hookcast-progress')) return;
  class Progress extends g.HTMLElement {
    connectedCallback() {
      const doc = this.ownerDocument, at = (k) => this.getAttribute(k) || undefined;
      const set = (k, v) => {
        if (v === undefined) this.removeAttribute(k);
        else if (this.getAttribute(k) !== v) this.setAttribute(k, v);
      };
      const fire = (name, detail) => this.dispatchEvent(new CustomEvent('hookcast:' + name, { detail, bubbles: true }));
      const make = (part, css, role) => {
        const x = doc.createElement('div');
        x.setAttribute('part', part);
        Object.assign(x.style, css);
        if (role) x.setAttribute('role', role);
        return x;
      };
      if (!this.shadowRoot) {
        const root = this.attachShadow({ mode: 'open' });
        const track = make('track', {
          height: '0.75em', background: 'rgba(128, 128, 128, 0.3)', borderRadius: '1em', overflow: 'hidden'
        });
        this.bar = make('bar', {
          height: '100%', width: '0', background: 'currentColor', borderRadius: '1em', transition: 'width 0.25s'
        });
        this.text = make('text', { marginTop: '0.25em' }, 'status');
        track.appendChild(this.bar);
        root.appendChild(track);
        root.appendChild(this.text);
      }
      const named = at('aria-label') || at('aria-labelledby');
      this.style.display = this.style.display || 'block';
      if (!at('role')) set('role', 'progressbar');
      set('aria-valuemin', '0');
      set('aria-valuemax', '100');
      if (!named) set('aria-label', 'Progress');
      const show = (d) => {
        const text = (d.error && d.error.message) || [d.step, d.message].filter(Boolean).join(': ');
        set('state', d.state);
        set('aria-valuenow', String(d.percent));
        set('aria-valuetext', [d.percent + '%', text].filter(Boolean).join(', '));
        if (!named && d.name) set('aria-label', d.name);
        this.bar.style.width = d.percent + '%';
        if (this.text.textContent !== text) this.text.textContent = text;
      };
      const mine = this.job = job(at('src') || { url: at('url'), channel: at('channel'), token: at('token') });
      mine.onprogress((d) => {
        show(d);
        fire('progress', d);
      }).onlog((line) => fire('log', line)).done.then((result) => fire('done', result), (e) => {
        if (this.job !== mine) return; // removed from the page
        if (!e.job) show({ state: 'failed', percent: 0, error: e });
        fire('failed', e);
      });
    }
    disconnectedCallback() {
      const mine = this.job;
      this.job = null;
      if (mine) mine.close();
    }
  }
  g.customElements.define('hookcast-progress', Progress);
})(self);
