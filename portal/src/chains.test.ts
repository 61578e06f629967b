import { expect, test } from "vitest";
import { byTime, joined, readChain, type ChainRows } from "./chains";

const entry = (n: number) => ({ sequence: String(n), at: `2026-05-04T12:00:${String(n).padStart(2, "0")}Z` });
const chain = (service: string, sequences: number[], whole: boolean): ChainRows => ({ service, rows: sequences.map((n) => ({ ...entry(n), service })), whole });
const told = (rows: { service: string; sequence?: string }[]) => rows.map((row) => row.service + row.sequence).join(" ");

// Pages of a chain that fits nothing in the first `empty` of them, and ends never.
function pagesOf(empty: number) {
  const asked: string[] = [];
  return {
    asked,
    read: async (token: string) => {
      asked.push(token);
      return { entries: asked.length > empty ? [entry(9)] : [], nextPageToken: `t${asked.length}` };
    },
  };
}

test("for the first one that fits it is looked further, and no further", async () => {
  const some = pagesOf(3);
  expect(told((await readChain("data", some.read, 1, 10)).rows)).toBe("data9");
  expect(some.asked).toEqual(["", "t1", "t2", "t3"]);
  const none = pagesOf(100);
  expect((await readChain("data", none.read, 1, 10)).whole).toBe(false);
  expect(none.asked.length).toBe(11);
});

test("what is new is one page, without further looks", async () => {
  const none = pagesOf(100);
  await readChain("data", none.read, 1, 0);
  expect(none.asked).toEqual([""]);
});

test("the newest come in front, each once", () => {
  const { chains, gap } = joined([chain("data", [3, 2], false), chain("queue", [], true)], [chain("data", [5, 4, 3], false), chain("queue", [7], true)]);
  expect(gap).toBe(false);
  expect(told(byTime(chains).rows)).toBe("queue7 data5 data4 data3 data2");
  expect(byTime(chains).more).toBe(true);
});

test("what nobody has read between is a gap", () => {
  expect(joined([chain("data", [3, 2], false)], [chain("data", [60, 59], false)]).gap).toBe(true);
  expect(joined([chain("data", [3, 2], false)], [chain("data", [], false)]).gap).toBe(false); // the newest do not fit
  expect(joined([chain("data", [], false)], [chain("data", [4], true)]).gap).toBe(false); // that is all
});

test("below the oldest of a chain that goes on nothing is shown of others", () => {
  expect(told(byTime([chain("data", [8, 6], false), chain("queue", [7, 5], true)]).rows)).toBe("data8 queue7 data6");
});
