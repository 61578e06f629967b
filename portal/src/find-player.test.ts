import { expect, test } from "vitest";
import { questionsOf } from "./find-player";

test("what is typed says in which order to ask", () => {
  expect(questionsOf("any", "plr_01")).toEqual([{ playerId: "plr_01" }, { customId: "plr_01" }, { deviceId: "plr_01" }]);
  expect(questionsOf("any", "ann@example.com")).toEqual([{ email: "ann@example.com" }, { customId: "ann@example.com" }, { deviceId: "ann@example.com" }]);
  expect(questionsOf("any", "steam:76:5").at(-1)).toEqual({ oidc: { provider: "steam", subject: "76:5" } });
  expect(questionsOf("any", "steam:")).toEqual([{ customId: "steam:" }, { deviceId: "steam:" }]);
  expect(questionsOf("device", "plr_01")).toEqual([{ deviceId: "plr_01" }]);
});
