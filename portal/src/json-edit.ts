// Changes single members of a JSON text and leaves every other byte as somebody wrote it: the order, the blanks,
// numbers with more digits than a double has.

interface Member {
  key: string;
  start: number; // of the key
  from: number;  // of the value
  to: number;    // behind the value
}

interface Place {
  open: number; // the '{'
  members: Member[];
  close: number; // the '}'
}

// The next token at or behind a place: its bounds.
function token(text: string, at: number): [number, number] {
  const pattern = /[ \t\r\n]*("(?:[^"\\]|\\.)*"|[{}[\],:]|[^ \t\r\n{}[\],:"]+)/y;
  pattern.lastIndex = at;
  const found = pattern.exec(text);
  if (!found) throw new SyntaxError(`no JSON at ${at}`);
  return [pattern.lastIndex - found[1]!.length, pattern.lastIndex];
}

// Behind the value that begins at or behind a place.
function behindValue(text: string, at: number): number {
  let depth = 0;
  let end = at;
  do {
    const [from, to] = token(text, end);
    if (text[from] === "{" || text[from] === "[") depth++;
    if (text[from] === "}" || text[from] === "]") depth--;
    end = to;
  } while (depth > 0);
  return end;
}

function objectAt(text: string, at: number): Place {
  const [open, first] = token(text, at);
  if (text[open] !== "{") throw new SyntaxError(`no object at ${open}`);
  const members: Member[] = [];
  let end = first;
  for (;;) {
    const [start, to] = token(text, end);
    if (text[start] === "}") return { open, members, close: start };
    if (text[start] === ",") {
      end = to;
      continue;
    }
    const [, colon] = token(text, to);
    const [from] = token(text, colon);
    end = behindValue(text, colon);
    members.push({ key: JSON.parse(text.slice(start, to)) as string, start, from, to: end });
  }
}

function without({ members }: Place, text: string, at: number): string {
  const [last, gone, next] = [members[at - 1], members[at]!, members[at + 1]];
  if (next) return text.slice(0, gone.start) + text.slice(next.start);
  if (last) return text.slice(0, last.to) + text.slice(gone.to);
  return text.slice(0, gone.start).trimEnd() + text.slice(gone.to).trimStart();
}

// How deep one step is indented; "": all stands on one line.
const stepOf = (text: string): string => /^\s*\{\r?\n([ \t]+)/.exec(text)?.[1] ?? (text.includes("\n") ? "  " : "");

function withMember({ open, members, close }: Place, text: string, name: string, depth: number): string {
  const last = members.at(-1);
  if (last) return `${text.slice(0, last.to)},${text.slice(open + 1, members[0]!.start) || " "}${name}${text.slice(last.to)}`;
  const step = stepOf(text);
  return step === ""
    ? `${text.slice(0, open + 1)}${name}${text.slice(close)}`
    : `${text.slice(0, open + 1)}\n${step.repeat(depth + 1)}${name}\n${step.repeat(depth)}${text.slice(close)}`;
}

// As JSON.stringify, indented as its place in the text asks for.
function written(text: string, value: unknown, depth: number): string {
  const step = stepOf(text);
  return step === "" ? JSON.stringify(value) : JSON.stringify(value, null, step).replaceAll("\n", `\n${step.repeat(depth)}`);
}

// The text, which must be JSON, with the member at a path set; `undefined` takes it away. The objects on the way
// must be there.
export function setMember(text: string, path: readonly [string, ...string[]], value: unknown): string {
  JSON.parse(text);
  let place = objectAt(text, 0);
  for (const name of path.slice(0, -1)) {
    const next = place.members.find((each) => each.key === name);
    if (!next) throw new RangeError(`no ${name}`);
    place = objectAt(text, next.from);
  }
  const key = path.at(-1)!;
  const at = place.members.findIndex((each) => each.key === key);
  const found = place.members[at];
  if (value === undefined) return found ? without(place, text, at) : text;
  // What is there already stays as it is written.
  if (found && JSON.stringify(JSON.parse(text.slice(found.from, found.to))) === JSON.stringify(value)) return text;
  if (found) return text.slice(0, found.from) + written(text, value, path.length) + text.slice(found.to);
  return withMember(place, text, `${JSON.stringify(key)}: ${written(text, value, path.length)}`, path.length - 1);
}
