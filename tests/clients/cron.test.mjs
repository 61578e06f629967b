// Cron expressions by croner: what it accepts and when it fires next, on random (expression, zone, instant)
// triples. There is one difference, in the years that may be named; the last test shows it.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { test } from "node:test";

import { Cron } from "croner";

const TRIPLES = 10000;
const when = `${process.env.ROOT}/core/cron/when`;

// The same numbers each time: mulberry32.
function generator(seed) {
  return () => {
    seed = (seed + 0x6d2b79f5) | 0;
    let t = Math.imul(seed ^ (seed >>> 15), 1 | seed);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

const random = generator(20250227);
const below = (n) => Math.floor(random() * n);
const one = (list) => list[below(list.length)];
const between = (low, high) => low + below(high - low + 1);

const months = ["JAN", "feb", "Mar", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"];
const days = ["SUN", "mon", "Tue", "WED", "THU", "FRI", "SAT"];

function range(low, high) {
  const from = between(low, high);
  return `${from}-${between(from, high)}`;
}

function item(low, high, names) {
  switch (below(6)) {
    case 0:
      return `*/${between(1, high - low + 1)}`;
    case 1:
      return range(low, high);
    case 2:
      return `${range(low, high)}/${between(1, high - low + 1)}`;
    case 3:
      return names ? one(names) : String(between(low, high));
    default:
      return String(between(low, high));
  }
}

function field(low, high, names, any = 0.4) {
  if (random() < any) return one(["*", "*", "*", "?"]);
  return Array.from({ length: random() < 0.7 ? 1 : between(2, 4) }, () => item(low, high, names)).join(",");
}

function dayOfMonth() {
  if (random() < 0.25) return one(["L", "LW", "L,15", `${between(1, 31)}W`, `1W,${between(2, 31)}W`, "31"]);
  return field(1, 31, null, 0.5);
}

function dayOfWeek() {
  if (random() < 0.3) {
    return one([
      `${between(0, 7)}#${between(1, 5)}`,
      `${one(days)}#${between(1, 5)}`,
      `${between(0, 7)}L`,
      `${one(days)}L`,
      "MON-FRI",
      "FRI-SUN",
      "1-5#2",
      `+${between(0, 6)}`,
      `+${one(days)}`,
    ]);
  }
  return field(0, 7, days, 0.5);
}

function year() {
  return random() < 0.6 ? "*" : one([String(between(2020, 2060)), "2024-2040/4", "*/3", "2030,2037,2038,2039"]);
}

function expression() {
  if (random() < 0.03) return one(["@yearly", "@monthly", "@weekly", "@daily", "@hourly", "@Midnight"]);
  const five = [field(0, 59), field(0, 23), dayOfMonth(), field(1, 12, months, 0.6), dayOfWeek()];
  switch (below(4)) {
    case 0:
      return ["0", ...five, year()].join(" ");
    case 1:
      return [field(0, 59), ...five].join(" ");
    default:
      return five.join(" ");
  }
}

// Where offsets are odd, change often, by half an hour, far ahead of UTC, or where a day was left out.
const odd = [
  "UTC", "Europe/Berlin", "America/New_York", "America/St_Johns", "Australia/Lord_Howe", "Africa/Casablanca",
  "Asia/Kathmandu", "Asia/Shanghai", "Pacific/Apia", "Pacific/Kiritimati", "Pacific/Chatham", "America/Nuuk",
  "Asia/Gaza", "Africa/Cairo", "America/Asuncion", "Asia/Tehran", "Europe/Dublin", "Antarctica/Troll",
];
const zones = [...odd, ...odd, ...odd, ...Intl.supportedValuesOf("timeZone").filter((z) => /^[A-Z][a-z]+\//.test(z))];

function changes(zone, around) {
  // An instant near a change of the clocks: walk until the offset differs.
  const format = new Intl.DateTimeFormat("en-US", { timeZone: zone, timeZoneName: "longOffset" });
  const offset = (s) => format.format(new Date(s * 1000));
  for (let s = around; s < around + 400 * 86400; s += 7 * 86400) {
    if (offset(s) === offset(s + 7 * 86400)) continue;
    let low = s;
    let high = s + 7 * 86400;
    while (high - low > 1) {
      const middle = Math.floor((low + high) / 2);
      if (offset(middle) === offset(low)) low = middle;
      else high = middle;
    }
    return high;
  }
  return around;
}

function instant(zone) {
  const plain = Date.UTC(between(2000, 2060), below(12), between(1, 28)) / 1000 + below(86400);
  switch (below(8)) {
    case 0:
      return changes(zone, plain) + between(-90000, 90000);
    case 1:
      return changes(zone, plain) + between(-4000, 8000);
    case 2:
      return Date.UTC(one([2023, 2024, 2027, 2028, 2096]), 1, 28) / 1000 + below(3 * 86400);
    case 3:
      return 2 ** 31 + between(-86400, 86400);
    default:
      return plain;
  }
}

function triple() {
  const zone = one(zones);
  return { zone, after: instant(zone), text: expression() };
}

function theirs({ zone, after, text }) {
  let cron;
  try {
    cron = new Cron(text, { timezone: zone });
  } catch {
    return "bad";
  }
  const next = cron.nextRun(new Date(after * 1000));
  return next === null ? "none" : String(next.getTime() / 1000);
}

function ours(triples) {
  const input = triples.map((t) => `${t.zone}\t${t.after}\t${t.text}\n`).join("");
  const run = spawnSync(when, { input, encoding: "utf8", maxBuffer: 1 << 26 });
  assert.equal(run.status, 0, run.stderr);
  return run.stdout.trimEnd().split("\n");
}

test("10,000 random triples come when croner says", () => {
  const triples = Array.from({ length: TRIPLES }, triple);
  const answers = ours(triples);
  const expected = triples.map(theirs);
  const different = triples
    .map((t, i) => ({ ...t, ours: answers[i], theirs: expected[i] }))
    .filter((t) => t.ours !== t.theirs);
  assert.deepEqual(different.slice(0, 5), []);
  // The triples say something only when most come, and some never do.
  assert.ok(expected.filter((e) => /^[0-9]+$/.test(e)).length > 0.8 * TRIPLES);
  assert.ok(expected.includes("none") && expected.includes("bad"));
});

test("what croner refuses or takes, so do we", () => {
  const texts = [
    "", "*", "* * * *", "* * * * * * * *", "60 * * * *", "* 24 * * *", "* * 0 * *", "* * 32 * *", "* * * 0 *",
    "* * * 13 *", "* * * * 8", "a * * * *", "*/0 * * * *", "*/61 * * * *", "*/60 * * * *", "5/10 * * * *", "/5 * * * *",
    "5-1 * * * *", "1- * * * *", "-1 * * * *", "1,,2 * * * *", ",1 * * * *", "1, * * * *", "* * W * *", "* * W5 * *",
    "* * 5W-7 * *", "* * 5-7W * *", "* * LW,5 * *", "* * L,LW * *", "* * 5L * *", "* * L5 * *", "* * l,2 * *", "* * lw * *",
    "* * * * L", "* * * * 5L", "* * * * 5#0", "* * * * 5#6", "* * * * 5#", "* * * * #1", "* * * * 5#1#2", "* * * * 5#L",
    "* * * * MON#2", "* * * * FRIL", "* * * * *#1", "* * * * */2#1", "* * * * */1#1", "* * * * 1-5/2#1", "* * * * 1#2/2",
    "* * * * *L", "* * * * MONDAY", "* * * JANUARY *", "* * * * MONTUE", "* * * * MON,TUE", "* * * * SAT-SUN", "* * * * SUN-SAT",
    "* * * * 5-7", "* * * * 7-7", "* * * * +", "* * * * +5", "* * * * +MON", "* * 13 * +FRI", "@reboot", "@never", "@daily",
    " @daily ", "@DAILY", "0 0 0 1 1 * 1970", "0 0 0 1 1 * 10000", "* * * * * * 0", "?/5 * * * *", "* * ? * ?", "00005 * * * *",
    "1.5 * * * *", "1 2 3 4 5 6", "+5 * * * *", "* * * * MON-", "* * * * -SUN", "* * 5-5W * *", "* * 5/1W * *", "* * *W * *",
    "* * * * 1-MON", "* * * JAN-3 *", "* * * JAN/2 *", "* * * JAN-DEC/2 *", "0 0 30 2 *", "0 0 31 4,6,9,11 *", "*\t*\t*\t*\t*",
  ];
  const after = Date.UTC(2025, 5, 15, 10, 20, 30) / 1000;
  const triples = texts.map((text) => ({ zone: "Europe/Berlin", after, text }));
  const answers = ours(triples.map((t) => ({ ...t, text: t.text.replaceAll("\t", "  ") })));
  const got = triples.map((t, i) => [t.text, answers[i]]);
  const expected = triples.map((t) => [t.text, theirs(t)]);
  assert.deepEqual(got, expected);
});

test("the one difference: years before 1970 and from 3000 on are refused, croner takes 1 to 9999", () => {
  const triples = ["1969", "3000", "9999"].map((y) => ({ zone: "UTC", after: 0, text: `0 0 0 1 1 * ${y}` }));
  assert.deepEqual(ours(triples), ["bad", "bad", "bad"]);
  for (const t of triples) assert.notEqual(theirs(t), "bad");
});
