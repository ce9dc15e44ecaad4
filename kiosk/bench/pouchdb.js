"use strict";
// PouchDB's side of the sync bench: fills a database, serves it on loopback, or is one client of it, in a process of its own.
// Told by one line of JSON on standard input, answers with one on standard output; `pouchdb.py` says what the fields mean.

const fs = require("fs");
const http = require("http");
const readline = require("readline");
const PouchDB = require("pouchdb-node");

const BATCH = 1000; // ten times its own default, which makes it faster
const PUSH_DOCS = 1000;
const WARM_UP = 3;

const say = (found) => process.stdout.write(JSON.stringify(found) + "\n");
const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
const rssMb = () => process.resourceUsage().maxRSS / 1024;
const cpuS = () => {
  const used = process.cpuUsage();
  return (used.user + used.system) / 1e6;
};

async function timedMs(work) {
  const started = process.hrtime.bigint();
  await work();
  return Number(process.hrtime.bigint() - started) / 1e6;
}

async function fill(job) {
  const db = new PouchDB(job.folder + "/shop");
  let docs = [];
  for await (const line of readline.createInterface({ input: fs.createReadStream(job.rows) })) {
    docs.push(JSON.parse(line));
    if (docs.length === BATCH) await db.bulkDocs(docs.splice(0));
  }
  await db.bulkDocs(docs);
  say({ n_rows: (await db.info()).doc_count });
  await db.close();
}

async function serve(job) {
  const sockets = new Set();
  let requests = 0;
  let closedBytes = 0;
  const databases = PouchDB.defaults({ prefix: job.folder + "/" });
  const app = require("express-pouchdb")(databases, { mode: "minimumForPouchDB" });
  const server = http.createServer((request, response) => {
    requests += 1;
    app(request, response);
  });
  server.on("connection", (socket) => {
    sockets.add(socket);
    socket.on("close", () => {
      sockets.delete(socket);
      closedBytes += socket.bytesWritten;
    });
  });
  const counts = http.createServer((_, response) => {
    const bytes = [...sockets].reduce((sum, socket) => sum + socket.bytesWritten, closedBytes);
    response.end(JSON.stringify({ requests, bytes, cpu_s: cpuS(), rss_mb: rssMb() }));
  });
  for (const each of [server, counts])
    await new Promise((resolve) => each.listen(0, "127.0.0.1", resolve));
  say({
    url: `http://127.0.0.1:${server.address().port}/shop`,
    counts: `http://127.0.0.1:${counts.address().port}/`,
  });
}

const countsOf = async (job) => (await fetch(job.counts)).json();

async function first(job) {
  const local = new PouchDB(job.folder);
  const before = await countsOf(job);
  const cpuBefore = cpuS();
  const ms = await timedMs(() => PouchDB.replicate(job.url, local, { batch_size: BATCH }));
  const cpu = cpuS() - cpuBefore;
  const after = await countsOf(job);
  say({
    took_s: ms / 1000,
    n_rows: (await local.info()).doc_count,
    wire: after.bytes - before.bytes,
    cpu_s: cpu,
    rss_mb: rssMb(),
    server_cpu_s: after.cpu_s - before.cpu_s,
    server_rss_mb: after.rss_mb,
  });
}

async function live(job) {
  const local = new PouchDB(job.folder);
  const remote = new PouchDB(job.url);
  const found = { idle_ms: [], idle_requests: [], idle_wire: [], change_ms: [], push_per_s: [] };
  const pull = () => PouchDB.replicate(remote, local, { batch_size: BATCH });
  const push = () => PouchDB.replicate(local, remote, { batch_size: BATCH });
  await pull();
  for (let n = 0; n < job.runs + WARM_UP; n++) {
    const before = await countsOf(job);
    const ms = await timedMs(pull);
    const after = await countsOf(job);
    if (n < WARM_UP) continue;
    found.idle_ms.push(ms);
    found.idle_requests.push(after.requests - before.requests);
    found.idle_wire.push(after.bytes - before.bytes);
  }
  await changes(job, local, remote, found);
  await push(); // its first one walks through all that was pulled; that is not counted
  for (let n = 0; n < Math.max(3, Math.floor(job.runs / 20)); n++) {
    await local.bulkDocs(Array.from({ length: PUSH_DOCS }, (_, m) => said(`note-${n}-${m}`)));
    let written = 0;
    const ms = await timedMs(async () => (written = (await push()).docs_written));
    if (written !== PUSH_DOCS) throw new Error(`only ${written} documents were pushed`);
    found.push_per_s.push(PUSH_DOCS / (ms / 1000));
    await pull();
  }
  say(found);
}

async function changes(job, local, remote, found) {
  const teller = new PouchDB(job.url);
  const following = local.replicate.from(remote, { live: true, batch_size: BATCH });
  const arriving = local.changes({ since: "now", live: true });
  for (let n = 0; n < job.runs + WARM_UP; n++) {
    const arrived = new Promise((resolve) => arriving.once("change", resolve));
    await pause(20); // the poll is being held
    let put;
    const ms = await timedMs(() => {
      put = teller.put(said(`change-${n}`));
      return arrived;
    });
    await put;
    if (n >= WARM_UP) found.change_ms.push(ms);
  }
  const ended = new Promise((resolve) => following.once("complete", resolve));
  following.cancel();
  arriving.cancel();
  await ended;
}

// What a clerk notes, as our own operation for it has it.
const said = (id) => ({
  _id: id,
  kind: "record_interaction",
  at: 1767787200000000,
  device: "d-1",
  store: "harbour",
  actor: "bench",
  owner: "0123456789abcdef",
  evidence: { level: "S1", how: "found" },
  args: { channel: "store", direction: "in", by: "Lena", text: id },
});

const jobs = { fill, serve, first, live };

readline.createInterface({ input: process.stdin }).once("line", async (line) => {
  const job = JSON.parse(line);
  await jobs[job.what](job);
  if (job.what !== "serve") process.exit(0);
  process.stdin.on("end", () => process.exit(0)); // whoever asked for it is gone
});
