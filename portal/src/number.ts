// 64-bit numbers come as strings.
export function num(value: string | number | undefined): number {
  return Number(value ?? 0);
}
