'use strict'
// Runs the two snippets, in the files named on the command line, in a minimal page with the API of a browser of 2018
// and an EventSource that the test controls. Prints the result as JSON.
const fs = require('fs'), util = require('util'), vm = require('vm')

const sources = []
class EventSource {
  constructor(url) {
    this.url = url
    this.heard = {}
    sources.push(this)
  }
  addEventListener(name, f) { (this.heard[name] = this.heard[name] || []).push(f) }
  close() {}
  emit(name, data, lastEventId) {
    const event = { type: name, data, lastEventId }
    for (const f of this.heard[name] || []) f(event)
    if (this['on' + name]) this['on' + name](event)
  }
}

const nothing = () => {}
const defined = []
const page = {
  EventSource, HTMLElement: class {}, CustomEvent: class {}, URL, URLSearchParams,
  TextDecoder: util.TextDecoder, TextEncoder: util.TextEncoder,
  setTimeout, clearTimeout, setInterval, clearInterval, addEventListener: nothing, removeEventListener: nothing,
  atob: text => Buffer.from(text, 'base64').toString('binary'), navigator: { onLine: true },
  location: { href: 'http://page.test/', origin: 'http://page.test' },
  customElements: { define: name => defined.push(name), get: nothing },
  document: {
    currentScript: {
      src: 'http://hookcast.test/embed.js', dataset: {}, getAttribute: () => null, hasAttribute: () => false,
    },
    visibilityState: 'visible', readyState: 'complete', addEventListener: nothing, removeEventListener: nothing,
    dispatchEvent: nothing, querySelectorAll: () => [],
  },
}
page.window = page.self = page
vm.createContext(page)
for (const file of process.argv.slice(2)) vm.runInContext(fs.readFileSync(file, 'utf8'), page, { filename: file })

const ended = events => {
  const result = { v8: process.versions.v8, defined, job: typeof page.Hookcast.job, url: sources[0].url, events }
  process.stdout.write(JSON.stringify(result), () => process.exit())
}
page.Hookcast.connect({
  url: 'http://hookcast.test', channels: ['orders'], getToken: () => Promise.resolve('a.token.b'),
}).on('paid', event => ended([event]))
const opened = setInterval(() => { // the snippet gets the token first
  if (!sources.length) return
  clearInterval(opened)
  sources[0].emit('open')
  sources[0].emit('hookcast.open', '{"connection_id":"con_1"}', '0')
  sources[0].emit('message', '{"id":"evt_1","seq":1,"channel":"orders","type":"paid","data":{"n":1}}', '1')
}, 5)
