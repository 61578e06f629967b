// What the generated calls are: a path of the Connect protocol with who may use it.

export type Role = "viewer" | "developer" | "admin";

export interface Method<In, Out> {
  readonly path: string;
  // The least role of an operator; null: operators as such may not.
  readonly role: Role | null;
  // Only for operators whose role holds in every title.
  readonly everyTitle: boolean;
  // Never there: carries the types.
  readonly types?: (input: In) => Out;
}

export type Streaming<In, Out> = Method<In, Out> & { readonly streams: true };

export function method<In, Out>(path: string, role: Role | null, everyTitle: boolean): Method<In, Out> {
  return { path, role, everyTitle };
}

export function streaming<In, Out>(path: string, role: Role | null, everyTitle: boolean): Streaming<In, Out> {
  return { path, role, everyTitle, streams: true };
}
