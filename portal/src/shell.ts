// The command line that a page shows, for people who paste it into a shell.

// One word of it, between quotes unless it is plain.
export function word(text: string): string {
  return /^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replace(/'/g, "'\\''")}'`;
}

// A JSON text as one word on one line.
export const jsonWord = (text: string): string => word(text.replace(/\s+/g, " "));

// " --name value" for each that has one.
export function flags(values: Record<string, string | undefined>): string {
  return Object.entries(values).map(([name, value]) => (value ? ` --${name} ${word(value)}` : "")).join("");
}
