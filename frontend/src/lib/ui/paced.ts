/**
 * Does work now, and then at most once in `ms`: calls that come meanwhile become
 * one, which is not lost. Work is never under way twice.
 */
export function paced(work: () => Promise<unknown>, ms = 400): () => void {
  let busy = false;
  let again = false;
  async function run(): Promise<void> {
    busy = true;
    do {
      again = false;
      await Promise.all([work(), new Promise((resolve) => setTimeout(resolve, ms))]);
    } while (again);
    busy = false;
  }
  return () => {
    again = true;
    if (!busy) void run();
  };
}
