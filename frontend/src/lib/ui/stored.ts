/** Small choices of this window (theme, column widths, splits), kept by the web view. Losing them is harmless. */
export function load<T>(key: string, fallback: T): T {
  try {
    const text = localStorage.getItem(`slipway:${key}`);
    return text === null ? fallback : (JSON.parse(text) as T);
  } catch {
    return fallback;
  }
}

export function save(key: string, value: unknown): void {
  try {
    localStorage.setItem(`slipway:${key}`, JSON.stringify(value));
  } catch {
    // A full or forbidden store only means that the choice is not remembered.
  }
}
