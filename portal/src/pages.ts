// Where everything is: the navigation, the palette and the router read this table.

import type { Key } from "./i18n";
import type { IconName } from "./ui/icons";
import { lazily } from "./ui/lazily";

export interface Place {
  path: string; // of the router
  at: string;   // to go there
  name: Key;
  icon: IconName;
  group: "observe" | "build" | "operate";
}

export const places: Place[] = [
  { path: "/", at: "/", name: "nav.home", icon: "home", group: "observe" },
  { path: "/logs", at: "/logs", name: "logs", icon: "logs", group: "observe" },
  { path: "/vs", at: "/vs", name: "nav.vs", icon: "server", group: "build" },
  { path: "/timers", at: "/timers", name: "timers", icon: "timer", group: "build" },
  { path: "/events", at: "/events", name: "events", icon: "zap", group: "build" },
  { path: "/queue", at: "/queue", name: "queue", icon: "inbox", group: "observe" },
  { path: "/players", at: "/players", name: "players", icon: "users", group: "operate" },
  { path: "/audit", at: "/audit", name: "audit", icon: "shield", group: "operate" },
  { path: "/access", at: "/access", name: "access", icon: "key", group: "operate" },
];

export const Pages = {
  home: lazily(() => import("./pages/home").then((m) => m.Home)),
  players: lazily(() => import("./pages/players").then((m) => m.Players)),
  player: lazily(() => import("./pages/players").then((m) => m.PlayerPage)),
  audit: lazily(() => import("./pages/audit").then((m) => m.Audit)),
  access: lazily(() => import("./pages/access").then((m) => m.Access)),
  timers: lazily(() => import("./pages/timers").then((m) => m.Timers)),
  timer: lazily(() => import("./pages/timers").then((m) => m.TimerPage)),
  events: lazily(() => import("./pages/events").then((m) => m.Events)),
  queue: lazily(() => import("./pages/queue").then((m) => m.Queue)),
  execution: lazily(() => import("./pages/queue").then((m) => m.ExecutionPage)),
  logs: lazily(() => import("./pages/logs").then((m) => m.Logs)),
  request: lazily(() => import("./pages/request").then((m) => m.RequestPage)),
  virtualServers: lazily(() => import("./pages/virtual-servers").then((m) => m.VirtualServers)),
  virtualServer: lazily(() => import("./pages/virtual-server").then((m) => m.VirtualServer)),
};
