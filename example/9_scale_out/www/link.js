// SPDX-License-Identifier: BSL-1.0
// A client's side of the chat, without a page: it comes back by itself, learns what it missed, and says again what may be lost.

const first = 250; // milliseconds before the first new attempt, and the longest time before a later one
const longest = 10000;
const answerTime = 10000; // for an answer to what was said, and for a connection to begin

// Half of each step is waited for sure, the rest by chance: those who lost the same worker do not come back at once.
export class Backoff {
  constructor() { this.step = first; }
  next(chance = Math.random()) {
    const wait = this.step / 2 * (1 + chance);
    this.step = Math.min(this.step * 2, longest);
    return Math.round(wait);
  }
  reset() { this.step = first; }
}

// Tells by `on`: state(text, isGood), welcome(who), left(), message(message), gap(), waiting(list of what is not sent yet).
export class Link {
  constructor(url, room, name, on) {
    Object.assign(this, { url, room, name, on, last: '', unsent: new Map(), count: 0, backoff: new Backoff() });
    const letters = crypto.getRandomValues(new Uint32Array(3));
    this.self = Array.from(letters, (n) => n.toString(36)).join('');
    this.connect();
  }

  say(text) {
    const tag = `${this.self}-${++this.count}`;
    this.unsent.set(tag, { tag, text, why: '', retries: new Backoff() });
    this.send(this.unsent.get(tag));
    this.on.waiting([...this.unsent.values()]);
  }

  connect() {
    this.on.state('connecting', false);
    const socket = this.socket = new WebSocket(this.url);
    const timer = setTimeout(() => socket.close(), answerTime);
    socket.onopen = () => socket.send(JSON.stringify({ type: 'join', room: this.room, name: this.name, last: this.last }));
    socket.onmessage = (event) => this.take(JSON.parse(event.data), timer);
    socket.onclose = (event) => {
      clearTimeout(timer);
      const wait = this.backoff.next();
      const why = event.reason ? `: ${event.reason}` : '';
      this.on.left();
      this.on.state(`lost${why}; again in ${(wait / 1000).toFixed(1)} s`, false);
      for (const each of this.unsent.values()) { clearTimeout(each.timer); each.why = 'not connected'; }
      this.on.waiting([...this.unsent.values()]);
      setTimeout(() => this.connect(), wait);
    };
  }

  take(words, timer) {
    switch (words.type) {
      case 'welcome':
        clearTimeout(timer);
        this.backoff.reset();
        this.on.welcome(words);
        this.redis(words.redis);
        for (const each of this.unsent.values()) this.send(each);
        break;
      case 'redis': this.redis(words.up); break;
      case 'message':
        this.last = words.id;
        this.on.message(words);
        break;
      case 'gap': this.on.gap(); break;
      case 'sent':
        clearTimeout(this.unsent.get(words.tag)?.timer);
        this.unsent.delete(words.tag);
        this.on.waiting([...this.unsent.values()]);
        break;
      case 'failed': {
        const each = this.unsent.get(words.tag);
        if (!each) break;
        clearTimeout(each.timer);
        each.why = words.why;
        each.timer = setTimeout(() => this.send(each), each.retries.next());
        this.on.waiting([...this.unsent.values()]);
        break;
      }
    }
  }

  redis(up) {
    this.on.state(up ? 'connected' : 'connected; Redis is away', up);
  }

  // With the same tag each time: the room takes it once.
  send(each) {
    if (this.socket.readyState !== WebSocket.OPEN) return;
    clearTimeout(each.timer);
    this.socket.send(JSON.stringify({ type: 'say', tag: each.tag, text: each.text }));
    each.timer = setTimeout(() => this.send(each), answerTime);
  }
}
