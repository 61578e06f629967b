import { useEffect, useState } from "preact/hooks";

// A value when it has stayed the same for so long.
export function useLater<T>(value: T, ms: number): T {
  const [later, setLater] = useState(value);
  useEffect(() => {
    const timer = setTimeout(() => setLater(value), ms);
    return () => clearTimeout(timer);
  }, [value, ms]);
  return later;
}

// Each thing once, by what tells it from others.
export function once<T>(list: T[], key: (each: T) => string | undefined): T[] {
  return [...new Map(list.map((each) => [key(each), each])).values()];
}
