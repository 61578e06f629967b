// Ways in which what somebody typed may name a player.

import type { FindPlayerRequest } from "./gen/identity";

export type Way = "any" | "player" | "email" | "custom" | "device" | "oidc";

function oidc(q: string): FindPlayerRequest {
  const at = q.indexOf(":");
  return { oidc: { provider: q.slice(0, at), subject: q.slice(at + 1) } };
}

// In which order to ask; whoever is found first it is.
export function questionsOf(by: Way, q: string): FindPlayerRequest[] {
  switch (by) {
    case "player":
      return [{ playerId: q }];
    case "email":
      return [{ email: q }];
    case "custom":
      return [{ customId: q }];
    case "device":
      return [{ deviceId: q }];
    case "oidc":
      return [oidc(q)];
    default:
      return [
        ...(/^plr_\w+$/.test(q) ? [{ playerId: q }] : []),
        ...(q.includes("@") ? [{ email: q }] : []),
        { customId: q },
        { deviceId: q },
        ...(/^[^:]+:./.test(q) ? [oidc(q)] : []),
      ];
  }
}
