// Types of Hookcast's browser snippet, /embed.js. Save this file next to your sources, or refer to it:
// /// <reference path="./embed.d.ts" />

declare const Hookcast: Hookcast.Static;

// <hookcast-progress src="/exports/42"> shows a job as an accessible progress bar. src is the first argument of
// Hookcast.job; channel, token and url may replace it. Its attribute state is the job's. The events hookcast:progress,
// hookcast:log, hookcast:done and hookcast:failed bubble up from it. Its parts are track, bar and text.

declare namespace Hookcast {
  interface Static {
    /** Semantic version of the snippet. */
    readonly version: string;
    /**
     * Subscribes to channels. Connects on its own, after the calling code has run, so that handlers added right
     * away see the first event; reconnects on its own until `close()` or a final answer of the server.
     * @throws TypeError if `channels` is empty.
     */
    connect(options: Options): Connection;
    /**
     * Follows a job (`POST /v1/jobs`). Needs /embed-job.js, loaded after /embed.js.
     *
     *     const result = await Hookcast.job('/exports/42').onprogress((p) => console.log(p.percent)).done;
     *
     * @param where An address of the page's own server that answers with the job's `channel` and `token` as JSON, as
     * returned by `POST /v1/jobs`; or these values; or the address of its stream (`…/v1/stream?channel=…&token=…`).
     */
    job?(where: string | JobPlace, options?: JobOptions): Job;
  }

  interface JobPlace {
    channel: string;
    token?: string;
    /** Address of Hookcast. Default: the origin of the script. */
    url?: string;
  }

  interface JobOptions {
    url?: string;
    /** Options of the request to the page's own server, e.g. `{method: 'POST'}` if the request starts the work. */
    request?: RequestInit;
    getToken?: Options['getToken'];
    transport?: Options['transport'];
    onstate?: Options['onstate'];
    timings?: Options['timings'];
  }

  interface Job {
    /** Resolves with the job's result. Rejects with a JobFailure if it failed or timed out, or its stream ended. */
    readonly done: Promise<unknown>;
    /** The last reported state; undefined before the first report. */
    readonly state: JobState | undefined;
    /** Called with each reported state, first with the present one. */
    onprogress(fn: (state: JobState) => void): Job;
    /** Called with each line of the log from now on. */
    onlog(fn: (line: string) => void): Job;
    /** Stops listening; `done` is rejected with the code "close". The work goes on. */
    close(): void;
  }

  interface JobState {
    job: string;
    name?: string;
    state: 'running' | 'completed' | 'failed' | 'timed_out';
    /** 0 to 100; never falls. */
    percent: number;
    step?: string;
    message?: string;
    revision: number;
    lines?: string[];
    result?: unknown;
    error?: { code: string; message: string };
  }

  interface JobFailure extends Error {
    /** The worker's code, "timed_out" or "canceled"; or the reason why the stream ended. */
    code: string;
    /** The last reported state. */
    job?: JobState;
  }

  interface Options {
    /** Address of Hookcast, e.g. "https://hooks.example.com". Default: the origin of the script. */
    url?: string;
    /** One channel, or up to 50. A cursor depends on their order. */
    channels: string | string[];
    /** A fixed token. The connection ends when it expires; "hookcast.expiring" announces that. */
    token?: string;
    /**
     * Called for the first token, when 70 to 80 % of the last token's life is over or the server announces its end,
     * and when the server refuses a token. An open stream continues under the new token without a break. An empty
     * result means signed out and closes the connection (reason "token"). An error is retried at growing intervals;
     * 20 in a row close the connection.
     */
    getToken?: () => string | null | undefined | Promise<string | null | undefined>;
    /**
     * The first transport to try. "auto" is "eventsource" if the browser has it. If one does not work, the next is
     * tried: "eventsource" (token in the query), "fetch" (token in the Authorization header), "poll" (long poll, for
     * networks that block streams). `Connection.transport` is the one in use.
     */
    transport?: 'auto' | 'eventsource' | 'fetch' | 'poll';
    /**
     * The start if this tab has stored no cursor: a cursor, or for one channel the number of the last event that the
     * page has. Without it the stream starts with the next event.
     */
    after?: string | number;
    /**
     * false: drop the cursor on reload. A string separates cursors, e.g. those of two accounts that one tab uses in
     * turn. By default sessionStorage keeps one cursor per url and channels.
     */
    resume?: boolean | string;
    /**
     * Tabs of one origin that listen to the same channels as the same user share one connection: one tab has it and
     * passes events to the others; when it closes, the next one takes over. Without HTTP/2 a browser allows six
     * connections to a host over all tabs. false: this tab has its own. Connections are shared only over https (and on
     * localhost), and only if the token names its user.
     */
    share?: boolean;
    /** Called on every change of `state` or `reason`. */
    onstate?: (state: State, reason: Reason | undefined) => void;
    /** For tests: milliseconds unless stated otherwise. Not part of the stable interface. */
    timings?: Partial<Timings>;
  }

  /**
   * - connecting: the first attempt, or one after a sleep or a change of network
   * - open: events arrive
   * - waiting: between attempts and during further ones; `reason` says why the last one ended
   * - closed: for good
   */
  type State = 'connecting' | 'open' | 'waiting' | 'closed';

  /**
   * Waiting: "quota" (over a limit; it connects once the limit allows), "goodbye" (the server restarts), "network",
   * "silent" (no heartbeats), "blocked" (something on the network blocks streams), "expired", "token" (getToken
   * failed), "http-503" and the like.
   * Closed: "close" (by the page), "ended" (the channel is complete), "denied", "expired", "token", "stopped" (204),
   * "http-403" and the like.
   */
  type Reason =
    | 'quota' | 'goodbye' | 'network' | 'silent' | 'blocked'
    | 'close' | 'ended' | 'denied' | 'expired' | 'token' | 'stopped'
    | `http-${number}`;

  interface Connection {
    readonly state: State;
    readonly reason: Reason | undefined;
    /** Position after the last event: opaque, at most 1 KB, valid for every transport. "" before the first event. */
    readonly cursor: string;
    /** "tab": another tab has the connection. */
    readonly transport: 'eventsource' | 'fetch' | 'poll' | 'tab';
    /**
     * Calls fn for every event of that type; "*" means every event and every gap. An error thrown by fn goes to
     * window.onerror (with details if the script tag has crossorigin="anonymous") and has no other effect.
     */
    on(type: 'hookcast.gap', fn: (gap: Gap) => void): this;
    on(type: ControlType, fn: (control: Control) => void): this;
    on(type: '*', fn: (event: Event | Gap) => void): this;
    on<T = unknown>(type: string, fn: (event: Event<T>) => void): this;
    /** Removes fn, or every handler of the type. */
    off(type: string, fn?: (event: any) => void): this;
    /** Ends the connection for good. The next `connect` gets the events after the cursor. */
    close(): void;
  }

  /** One event of a channel. */
  interface Event<T = unknown> {
    id: string;
    /** Its number in the channel: 1, 2, 3, … */
    seq: number;
    channel: string;
    type: string;
    /** The payload: parsed if it is JSON, else a string. */
    data: T;
    /** "base64" if the payload is not valid UTF-8; `data` is then base64. */
    encoding?: 'base64';
    /** The source that received it; absent if it was published. */
    source?: string | null;
    /** Present, and false, if the source verifies nothing. */
    verified?: false;
    /** RFC 3339, UTC. */
    time: string;
    /** The first event with the same delivery id, whose body differs. */
    duplicate_of?: string;
  }

  /** Events that this page will not get: it should reload the data that it shows. */
  interface Gap {
    type: 'hookcast.gap';
    channel: string;
    /** The first and the last missing number; absent if unknown. */
    from?: number;
    to?: number;
    /** The channel was restored or the cursor was invalid: numbers may start again. */
    reset?: boolean;
  }

  type ControlType =
    | 'hookcast.quota' | 'hookcast.goodbye' | 'hookcast.denied'
    | 'hookcast.expiring' | 'hookcast.expired' | 'hookcast.ended';

  /** A message of the server other than an event, e.g. `{ type: "hookcast.quota", code, limit }`. */
  interface Control {
    type: ControlType;
    [field: string]: unknown;
  }

  /** Milliseconds, except `wait`. */
  interface Timings {
    /** A stream without a first frame for this long, twice in a row, counts as blocked. 10 s */
    open: number;
    /** Heartbeat interval until the server's first frame sets it. 40 s */
    heartbeat: number;
    /** Silence for two heartbeats and this long ends an attempt. 10 s */
    slack: number;
    /** Back-off: shortest and longest. 500 ms, 30 s */
    min: number;
    max: number;
    /** How often to check the clock. 5 s */
    tick: number;
    /** A tick that is this late means that the machine slept. 30 s */
    drift: number;
    /** Maximum seconds of a long poll. 25 */
    wait: number;
    /** How long to poll before trying to stream again. 10 min */
    climb: number;
  }
}

/** `<script src=".../embed.js" data-channels="…">` dispatches these on data-target's element, else on document. */
interface HookcastDOMEvents {
  'hookcast:event': CustomEvent<Hookcast.Event | Hookcast.Gap>;
  'hookcast:state': CustomEvent<{ state: Hookcast.State; reason?: Hookcast.Reason }>;
}

interface DocumentEventMap extends HookcastDOMEvents {}
interface HTMLElementEventMap extends HookcastDOMEvents {}

interface HTMLScriptElement {
  /** The connection of a tag with data-channels, once the document is parsed. */
  hookcast?: Hookcast.Connection;
}

/**
 * Attributes of the script tag, all optional except the first: data-channels (separated by commas or spaces), data-url,
 * data-token, data-token-url (answers with JSON `{"token"}` and is fetched when getToken would be called), data-target
 * (a selector; each event is appended there as a line of text, the last 500 are kept), data-transport, data-after.
 */
interface Window {
  readonly Hookcast: Hookcast.Static;
}
