// The chat page: live messages over Socket.IO. The page's own HTML is the start; what came after it is asked for
// by its number, so nothing is missed or shown twice, however often the connection breaks.
import { io } from "socket.io-client";

const TYPING_EVERY = 3000;
const TYPING_LASTS = 5000;
const ANSWER_WITHIN = 8000;
const GATHER = 150;
const SEEN_EVERY = 1000;

class Chat {
  constructor(root) {
    this.root = root;
    this.words = root.dataset;
    this.id = Number(root.dataset.chat);
    this.me = Number(root.dataset.me);
    this.last = Number(root.dataset.last); // all up to here are on the page
    this.delivered = Number(root.dataset.delivered);
    this.read = Number(root.dataset.read);
    this.readByMe = this.last;
    this.waiting = new Map(); // client id -> what is not stored yet
    this.typists = new Map();
    this.find = (name) => root.querySelector(`[data-chat-${name}]`);
    this.scroll = this.find("scroll");
    this.list = this.find("list");
    this.form = this.find("form");
    this.field = this.form.elements.body;
    this.state = document.querySelector("[data-chat-state]");
    const zone = { timeZone: root.dataset.zone };
    const lang = `${document.documentElement.lang}-u-nu-latn`; // digits as on the page: browsers differ on Arabic's
    this.clock = new Intl.DateTimeFormat(lang, { ...zone, hour: "numeric", minute: "2-digit" });
    this.dayName = new Intl.DateTimeFormat(lang, { ...zone, dateStyle: "medium" });
    this.dayKey = new Intl.DateTimeFormat("sv-SE", { ...zone, dateStyle: "short" });
    for (const line of this.list.querySelectorAll(".wm-chat-day")) {
      line.firstElementChild.textContent = this.nearDay(line.dataset.day) ?? line.textContent.trim();
    }
    this.listen();
    this.connect();
    this.toEnd();
  }

  // -- The connection --------------------------------------------------------------------------------------------

  connect() {
    this.socket = io("/chat", {
      transports: ["websocket"],
      reconnectionDelay: 500,
      reconnectionDelayMax: 5000,
    });
    this.socket.on("connect", () => this.join());
    this.socket.on("disconnect", () => this.say("offline"));
    this.socket.on("connect_error", () => this.refused());
    this.socket.on("message", (message) => this.hear(message));
    this.socket.on("marks", (marks) => this.mark(marks));
    this.socket.on("typing", (who) => this.typing(who));
  }

  async ask(event, data) {
    const answer = await this.socket.timeout(ANSWER_WITHIN).emitWithAck(event, { conversation_id: this.id, ...data });
    if (answer.error) throw Object.assign(new Error(answer.error.message), { code: answer.error.code });
    return answer;
  }

  /** Hear the room, and get what came meanwhile. */
  async join() {
    try {
      await this.catchUp();
      this.say("online");
      this.noteSeen();
      this.flush();
    } catch (error) {
      if (this.isOver(error)) this.end();
      else if (this.socket.connected) setTimeout(() => this.socket.connected && this.join(), 1000);
    }
  }

  /** Ask for what comes after the last message here, until all is here; one look at a time. */
  catchUp() {
    this.lookup ??= this.look().finally(() => {
      this.lookup = undefined;
    });
    return this.lookup;
  }

  async look() {
    let answer;
    do {
      answer = await this.ask("join", { after_seq: this.last });
      for (const message of answer.messages) this.add(message);
    } while (answer.more && answer.messages.length);
    for (const part of answer.parts) this.mark({ conversation_id: this.id, ...part });
  }

  isOver(error) {
    return error.code === "not_found" || error.code === "sign_in_needed";
  }

  /** A web socket that is refused does not say why; the list of conversations does. */
  async refused() {
    this.say("offline");
    if (this.asking || this.ended) return;
    this.asking = true;
    try {
      const answer = await fetch("/messages/", { method: "HEAD", redirect: "manual" });
      if (answer.type === "opaqueredirect") this.end();
    } catch {
      // no connection at all: the next try will tell
    }
    this.asking = false;
  }

  end() {
    this.ended = true;
    this.socket.disconnect();
    this.say("ended");
  }

  say(state) {
    if (this.ended) state = "ended";
    if (this.saying === state) return;
    this.saying = state;
    this.state.textContent = this.words[`word${state[0].toUpperCase()}${state.slice(1)}`];
  }

  // -- What others do --------------------------------------------------------------------------------------------

  hear(message) {
    if (message.conversation_id !== this.id || message.seq <= this.last) return;
    if (message.seq > this.last + 1) {
      this.catchUp().then(() => this.noteSeen(), () => {}); // something is missing in between
      return;
    }
    this.add(message);
    this.noteSeen();
  }

  add(message) {
    if (message.seq <= this.last) return;
    const stay = this.atEnd();
    this.last = message.seq;
    const mine = message.author_id === this.me;
    if (mine) {
      this.settle(message.client_id);
      this.readByMe = message.seq; // so says the server, too
    }
    this.place(this.item(message, mine), this.unsent()[0]?.item ?? null);
    this.find("start")?.remove();
    if (!mine) {
      this.stopTyping(message.author_id);
      this.announce(message);
      // Whoever writes has seen what stands above.
      this.mark({ conversation_id: this.id, person_id: message.author_id, delivered_seq: message.seq, read_seq: message.seq });
    }
    if (stay || mine) this.toEnd();
  }

  /** What is stored waits no more. */
  settle(clientId) {
    this.waiting.get(clientId)?.item.remove();
    this.waiting.delete(clientId);
  }

  /** Stored messages stand before those that wait to be. */
  place(item, before = null) {
    const day = item.dataset.day;
    const days = this.list.querySelectorAll(".wm-chat-day");
    if (days[days.length - 1]?.dataset.day !== day) {
      const line = element("li", "wm-chat-day");
      line.dataset.day = day;
      line.append(element("span", "", this.dayText(day, item.dataset.at)));
      this.list.insertBefore(line, before);
    }
    this.list.insertBefore(item, before);
  }

  dayText(day, at) {
    return this.nearDay(day) ?? this.dayName.format(new Date(at));
  }

  nearDay(day) {
    if (day === this.dayKey.format(new Date())) return this.words.wordToday;
    return day === this.dayKey.format(new Date(Date.now() - 864e5)) ? this.words.wordYesterday : undefined;
  }

  item(message, mine) {
    const at = new Date(message.sent_at);
    const item = element("li", mine ? "wm-said wm-mine" : "wm-said");
    const author = mine ? this.me : message.author_id;
    Object.assign(item.dataset, { day: this.dayKey.format(at), at: message.sent_at, author });
    if (message.seq) item.dataset.seq = message.seq;
    const above = [...this.list.querySelectorAll("[data-seq]")].pop();
    if (!mine && Number(above?.dataset.author) !== author) item.append(direction(element("span", "wm-said-who", message.author_name)));
    item.append(direction(element("p", "wm-said-text", message.body)));
    const when = element("span", "wm-said-when");
    const time = element("time", "", this.clock.format(at));
    time.dateTime = message.sent_at;
    when.append(time);
    if (mine) {
      const state = element("span", "wm-said-state", message.seq ? this.stateOf(message.seq) : this.words.wordSending);
      state.dataset.state = "";
      when.append(" ", state);
    }
    item.append(when);
    return item;
  }

  stateOf(seq) {
    if (seq <= this.read) return this.words.wordRead;
    return seq <= this.delivered ? this.words.wordDelivered : this.words.wordSent;
  }

  mark(marks) {
    if (marks.conversation_id !== this.id || marks.person_id === this.me) return;
    this.delivered = Math.max(this.delivered, marks.delivered_seq);
    this.read = Math.max(this.read, marks.read_seq);
    for (const item of this.list.querySelectorAll(".wm-mine[data-seq]")) {
      const text = this.stateOf(Number(item.dataset.seq));
      const state = item.querySelector("[data-state]");
      if (state.textContent.trim() !== text) state.textContent = text;
    }
  }

  typing({ conversation_id, person_id, name }) {
    if (conversation_id !== this.id || person_id === this.me) return;
    clearTimeout(this.typists.get(person_id)?.timer);
    const timer = setTimeout(() => this.stopTyping(person_id), TYPING_LASTS);
    this.typists.set(person_id, { name, timer });
    this.showTyping();
  }

  stopTyping(personId) {
    clearTimeout(this.typists.get(personId)?.timer);
    if (this.typists.delete(personId)) this.showTyping();
  }

  showTyping() {
    const names = [...this.typists.values()].map((one) => one.name).join(", ");
    this.find("typing").textContent = names ? this.words.wordTyping.replace("{name}", () => names) : "";
  }

  announce(message) {
    const text = this.words.wordNew.replace("{name}", () => message.author_name);
    this.find("live").textContent = text.replace("{text}", () => message.body);
  }

  // -- What was got and seen -------------------------------------------------------------------------------------

  /** Delivered at once; read only while somebody looks at the page. Many at a time make one event, and those of
      a lively conversation one each second. */
  noteSeen() {
    this.seenTimer ??= setTimeout(() => this.tellSeen(), Math.max(GATHER, (this.toldAt ?? 0) + SEEN_EVERY - Date.now()));
  }

  async tellSeen() {
    this.seenTimer = undefined;
    const looking = document.visibilityState === "visible" && document.hasFocus();
    const seq = this.last;
    if (!this.socket.connected || seq <= (looking ? this.readByMe : (this.gotByMe ?? this.readByMe))) return;
    this.toldAt = Date.now();
    try {
      await this.ask(looking ? "read" : "delivered", { seq });
      this.gotByMe = seq;
      if (looking) this.readByMe = seq;
    } catch {
      // the next message, look or connection says it again
    }
  }

  // -- Writing ---------------------------------------------------------------------------------------------------

  listen() {
    this.form.addEventListener("submit", (event) => {
      event.preventDefault();
      event.stopImmediatePropagation();
      this.write();
    });
    this.field.addEventListener("keydown", (event) => {
      if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
      event.preventDefault();
      this.write();
    });
    this.field.addEventListener("input", () => {
      this.grow();
      const now = Date.now();
      if (!this.socket.connected || !this.field.value.trim() || now - (this.typedAt ?? 0) < TYPING_EVERY) return;
      this.typedAt = now;
      this.ask("typing", {}).catch(() => {});
    });
    for (const name of ["focus", "visibilitychange"]) {
      (name === "focus" ? window : document).addEventListener(name, () => this.noteSeen());
    }
    window.addEventListener("beforeunload", (event) => {
      if (this.waiting.size) event.preventDefault();
    });
  }

  write() {
    const body = this.field.value.trim();
    if (!body || this.ended) return;
    const message = { client_id: randomId(), body, sent_at: new Date().toISOString() };
    const item = this.item(message, true);
    item.classList.add("wm-unsent");
    this.place(item);
    this.waiting.set(message.client_id, { ...message, item });
    this.find("start")?.remove();
    this.field.value = "";
    this.typedAt = 0;
    this.grow();
    this.toEnd();
    this.flush();
  }

  /** One after the other, in the order they were written. Until the answer comes a message waits here, and is
      sent again with the same id: the server stores it once. */
  async flush() {
    if (this.flushing) return;
    this.flushing = true;
    let one;
    while (this.socket.connected && (one = this.unsent()[0])) {
      if (!(await this.send(one))) break;
    }
    this.flushing = false;
    for (const left of this.unsent()) this.show(left, this.words.wordWaiting);
  }

  unsent() {
    return [...this.waiting.values()].filter((one) => !one.failed);
  }

  /** Whether the next one can be sent. */
  async send(one) {
    try {
      const { message } = await this.ask("send", { client_id: one.client_id, body: one.body });
      // What stands before it is shown before it.
      if (message.seq > this.last + 1) await this.catchUp();
      else this.add(message);
      this.settle(one.client_id);
      return true;
    } catch (error) {
      if (this.isOver(error)) {
        this.end();
        return false;
      }
      if (error.code && !["unavailable", "fault", "too_many", "conflict"].includes(error.code)) {
        this.fail(one, error.message);
        return true;
      }
      setTimeout(() => this.flush(), 2000);
      return false;
    }
  }

  show(one, text) {
    const state = one.item.querySelector("[data-state]");
    if (state) state.textContent = text;
  }

  /** The server does not take it as it is: the reason, and a way to try again. */
  fail(one, reason) {
    one.failed = true;
    one.item.classList.add("wm-failed");
    this.show(one, `${this.words.wordFailed}: ${reason}`);
    const again = element("button", "btn btn-sm", this.words.wordAgain);
    again.type = "button";
    again.addEventListener("click", () => {
      this.waiting.delete(one.client_id);
      one.item.remove();
      this.field.value = one.body;
      this.grow();
      this.field.focus();
    });
    one.item.append(again);
  }

  grow() {
    this.field.rows = Math.min(6, this.field.value.split("\n").length);
  }

  atEnd() {
    return this.scroll.scrollHeight - this.scroll.scrollTop - this.scroll.clientHeight < 80;
  }

  toEnd() {
    this.scroll.scrollTop = this.scroll.scrollHeight;
  }
}

function element(tag, name, text) {
  const made = document.createElement(tag);
  if (name) made.className = name;
  if (text !== undefined) made.textContent = text;
  return made;
}

function direction(made) {
  made.dir = "auto";
  return made;
}

/** crypto.randomUUID exists on secure pages only; a company may be tried out on http. */
function randomId() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  bytes[6] = (bytes[6] & 0x0f) | 0x40;
  bytes[8] = (bytes[8] & 0x3f) | 0x80;
  const hex = [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("");
  return hex.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, "$1-$2-$3-$4-$5");
}

for (const root of document.querySelectorAll("[data-chat]")) new Chat(root);
