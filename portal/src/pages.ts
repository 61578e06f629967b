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
  { path: "/vs", at: "/vs", name: "nav.vs", icon: "server", group: "build" },
];

export const Pages = {
  virtualServers: lazy(() => import("./pages/virtual-servers").then((m) => m.VirtualServers)),
  virtualServer: lazy(() => import("./pages/virtual-server").then((m) => m.VirtualServer)),
};
