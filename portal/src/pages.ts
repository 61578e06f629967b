// Where everything is: the navigation, the palette and the router read this table.

import { lazy } from "preact-iso";
import type { Key } from "./i18n";
import type { IconName } from "./ui/icons";

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
  { path: "/players", at: "/players", name: "players", icon: "users", group: "operate" },
  { path: "/audit", at: "/audit", name: "audit", icon: "shield", group: "operate" },
  { path: "/access", at: "/access", name: "access", icon: "key", group: "operate" },
];

export const Pages = {
  home: lazy(() => import("./pages/home").then((m) => m.Home)),
  players: lazy(() => import("./pages/players").then((m) => m.Players)),
  player: lazy(() => import("./pages/players").then((m) => m.PlayerPage)),
  audit: lazy(() => import("./pages/audit").then((m) => m.Audit)),
  access: lazy(() => import("./pages/access").then((m) => m.Access)),
  logs: lazy(() => import("./pages/logs").then((m) => m.Logs)),
  request: lazy(() => import("./pages/request").then((m) => m.RequestPage)),
  virtualServers: lazy(() => import("./pages/virtual-servers").then((m) => m.VirtualServers)),
  virtualServer: lazy(() => import("./pages/virtual-server").then((m) => m.VirtualServer)),
};
