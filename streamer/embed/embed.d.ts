// Types of Hookcast's browser snippet, /embed.js. Save this file beside your sources, or refer to it:
// /// <reference path="./embed.d.ts" />

declare const Hookcast: Hookcast.Static;

// <hookcast-progress src="/exports/42"> shows a job as an accessible progress bar: src is Hookcast.job's first argument, or channel, token and
// url stand for it. Its attribute state is the job's; hookcast:progress, hookcast:log, hookcast:done and hookcast:failed bubble up from it. Its parts
// are track, bar and text.

declare namespace Hookcast {
  interface Static {
    /** Semantic version of the snippet. */
    readonly version: string;
    /**
     * Subscribes to channels. Connects on its own, after the calling code has run, so that handlers added right
     * away see the first event; reconnects on its own until `close()` or a final answer of the server.
     * @throws TypeError where `channels` is empty.
     */
    connect(options: Options): Connection;
    /**
     * Shows a job (`POST /v1/jobs`). It is there once /embed-job.js is loaded behind /embed.js.
     *
     *     const result = await Hookcast.job('/exports/42').onprogress((p) => console.log(p.percent)).done;
     *
     * @param where An address of the page's own server that answers with the job's `channel` and `token` as JSON, as `POST /v1/jobs` gave
     * them; these themselves; or the address of its stream (`…/v1/stream?channel=…&token=…`).
     */
    job?(where: string | JobPlace, options?: JobOptions): Job;
  }

  interface JobPlace {
    channel: string;
    token?: string;
    /** Where Hookcast streams from. Default: where the script came from. */
    url?: string;
  }

  interface JobOptions {
    url?: string;
    /** For the request to the page's own server, e.g. `{method: 'POST'}` where that begins the work. */
    request?: RequestInit;
    getToken?: Options['getToken'];
    transport?: Options['transport'];
    onstate?: Options['onstate'];
    timings?: Options['timings'];
  }

  interface Job {
    /** Resolves with the job's result. Rejects with a JobFailure where the job failed, timed out or cannot be heard. */
    readonly done: Promise<unknown>;
    /** The last that was told; undefined before that. */
    readonly state: JobState | undefined;
    /** Called with each thing that is told, first with where the job is. */
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
    /** The worker's, "timed_out" or "canceled"; or why the stream is over. */
    code: string;
    /** The last that was told. */
    job?: JobState;
  }

  interface Options {
    /** Where Hookcast streams from, e.g. "https://hooks.example.com". Default: where the script came from. */
    url?: string;
    /** One channel, or up to 50. Their order is part of what a cursor means. */
    channels: string | string[];
    /** A token that never changes. When it expires, so does the connection; "hookcast.expiring" says so ahead. */
    token?: string;
    /**
     * Asked for a token at first, when 70 to 80 % of the last one's life is over or the server says that it soon
     * will be, and when the server refuses one. An open stream goes on under the new token without a break. An empty
     * answer means signed out and closes the connection (reason "token"); an error is retried, less and less often,
     * and closes it after 20 in a row.
     */
    getToken?: () => string | null | undefined | Promise<string | null | undefined>;
    /**
     * Where to start. "auto" is "eventsource" where the browser has it. Each gives way to the next where it cannot
     * serve: "eventsource" (token in the query), "fetch" (token in the Authorization header), "poll" (long poll,
     * for networks that hold streams back). `Connection.transport` says which one is in use.
     */
    transport?: 'auto' | 'eventsource' | 'fetch' | 'poll';
    /**
     * Where to start when this tab remembers no cursor: a cursor, or for one channel the number of the last event
     * that the page has. Without it the stream starts with the next event.
     */
    after?: string | number;
    /**
     * false: forget the cursor on reload. A string keeps cursors apart, e.g. those of two accounts that one tab
     * uses in turn. By default sessionStorage keeps one cursor per url and channels.
     */
    resume?: boolean | string;
    /**
     * Tabs of one origin that listen to the same channels as the same user share one connection: one of them has it
     * and tells the others, and when it goes the next takes over. Without HTTP/2 a browser has six connections to a
     * host, for all tabs. false: this one has its own. Shared only over https (and on localhost), and only where the
     * token says who it is for.
     */
    share?: boolean;
    /** Called on every change of `state` or `reason`. */
    onstate?: (state: State, reason: Reason | undefined) => void;
    /** For tests: milliseconds unless said otherwise. No part of the stable interface. */
    timings?: Partial<Timings>;
  }

  /**
   * - connecting: the first attempt, or one that follows a sleep or a change of network
   * - open: events flow
   * - waiting: between attempts and during those that follow; `reason` says what ended the last one
   * - closed: for good
   */
  type State = 'connecting' | 'open' | 'waiting' | 'closed';

  /**
   * Waiting: "quota" (over a limit; it connects when there is room), "goodbye" (the server restarts), "network",
   * "silent" (heartbeats stayed out), "blocked" (something on the way holds streams back), "expired", "token"
   * (getToken failed), "http-503" and the like.
   * Closed: "close" (by you), "ended" (the channel is complete), "denied", "expired", "token", "stopped" (204),
   * "http-403" and the like.
   */
  type Reason =
    | 'quota' | 'goodbye' | 'network' | 'silent' | 'blocked'
    | 'close' | 'ended' | 'denied' | 'expired' | 'token' | 'stopped'
    | `http-${number}`;

  interface Connection {
    readonly state: State;
    readonly reason: Reason | undefined;
    /** Position after the last event seen: opaque, at most 1 KB, valid on every transport. "" before the first. */
    readonly cursor: string;
    /** "tab": another tab has the connection. */
    readonly transport: 'eventsource' | 'fetch' | 'poll' | 'tab';
    /**
     * Calls fn for every event of that type; "*" is every event and every gap. An error that fn throws goes to
     * window.onerror (in full where the script tag has crossorigin="anonymous") and disturbs nothing else.
     */
    on(type: 'hookcast.gap', fn: (gap: Gap) => void): this;
    on(type: ControlType, fn: (control: Control) => void): this;
    on(type: '*', fn: (event: Event | Gap) => void): this;
    on<T = unknown>(type: string, fn: (event: Event<T>) => void): this;
    /** Removes fn, or every handler of the type. */
    off(type: string, fn?: (event: any) => void): this;
    /** Ends the connection for good. What comes after the cursor is left for the next `connect`. */
    close(): void;
  }

  /** One event of a channel. */
  interface Event<T = unknown> {
    id: string;
    /** Its number in the channel: 1, 2, 3, … */
    seq: number;
    channel: string;
    type: string;
    /** The payload: parsed where it is JSON, else a string. */
    data: T;
    /** "base64" where the payload is not UTF-8; `data` is then base64. */
    encoding?: 'base64';
    /** The source that it came in by; absent where it was published. */
    source?: string | null;
    /** There, and false, where the source verifies nothing. */
    verified?: false;
    /** RFC 3339, UTC. */
    time: string;
    /** The event that had this delivery id first, with another body. */
    duplicate_of?: string;
  }

  /** Events that this page will not get: load what it shows anew. */
  interface Gap {
    type: 'hookcast.gap';
    channel: string;
    /** The first and the last missing number; absent where they cannot be told. */
    from?: number;
    to?: number;
    /** The channel was restored or the cursor was of no use: numbers may start again. */
    reset?: boolean;
  }

  type ControlType =
    | 'hookcast.quota' | 'hookcast.goodbye' | 'hookcast.denied' | 'hookcast.expiring' | 'hookcast.expired' | 'hookcast.ended';

  /** What the server said beside events, e.g. `{ type: "hookcast.quota", code, limit }`. */
  interface Control {
    type: ControlType;
    [field: string]: unknown;
  }

  /** Milliseconds, except `wait`. */
  interface Timings {
    /** A stream without a first frame for so long, twice in a row, is taken for blocked. 10 s */
    open: number;
    /** Heartbeat interval until the server's first frame tells it. 40 s */
    heartbeat: number;
    /** Silence of two heartbeats and this ends an attempt. 10 s */
    slack: number;
    /** Back-off: shortest and longest. 500 ms, 30 s */
    min: number;
    max: number;
    /** How often to look at the clock. 5 s */
    tick: number;
    /** A tick late by so much means that the machine slept. 30 s */
    drift: number;
    /** What a long poll asks for, in seconds. 25 */
    wait: number;
    /** How long to poll before streaming is tried again. 10 min */
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
 * Attributes of the script tag, all optional but the first: data-channels (separated by commas or spaces), data-url,
 * data-token, data-token-url (answers JSON `{"token"}`, asked as getToken would be), data-target (a selector; each
 * event is appended there as a line of text, the last 500 stay), data-transport, data-after.
 */
interface Window {
  readonly Hookcast: Hookcast.Static;
}
