// Runs JavaScript functions for an rq-rs worker:
//
//     rq-rs worker --exec-server '*=node handler.mjs ./tasks.mjs'
//
// A job names an exported function, as in `resize`, or a path of names, as in `images.resize`. It is called with
// the job's arguments; keyword arguments, if there are any, come last as one object. A promise is awaited. An
// exception fails the job; one with a number `retryIn` asks for another attempt after that many seconds. Output on
// standard error is kept with the job (`rq-rs job logs ID`).
//
// One line of JSON comes in for each job, one goes out: {"id": …} with "ok", or "error" and "retry_in".

import { Console } from "node:console";
import { createInterface } from "node:readline";
import { resolve } from "node:path";
import { pathToFileURL } from "node:url";

const file = process.argv[2];
if (!file) {
  console.error("usage: node handler.mjs TASKS.mjs");
  process.exit(2);
}
// Standard output carries the answers, so console output goes to standard error.
globalThis.console = new Console(process.stderr, process.stderr);
const tasks = await import(pathToFileURL(resolve(file)));

function find(path) {
  const found = path.split(".").reduce((part, name) => part?.[name], tasks);
  if (typeof found !== "function") throw new Error(`${file} exports no function ${path}`);
  return found;
}

async function run(job) {
  const keywords = Object.keys(job.kwargs).length ? [job.kwargs] : [];
  return (await find(job.handler)(...job.args, ...keywords)) ?? null;
}

for await (const line of createInterface({ input: process.stdin })) {
  const job = JSON.parse(line);
  let answer;
  try {
    answer = JSON.stringify({ id: job.id, ok: await run(job) });
  } catch (error) {
    const text = error instanceof Error ? error.stack : String(error);
    const seconds = Number(error?.retryIn ?? NaN);
    answer = JSON.stringify({ id: job.id, error: text, retry_in: Number.isNaN(seconds) ? undefined : seconds });
  }
  process.stdout.write(answer + "\n");
}
