/** The time of day for relative times, one tick a second for the whole window. */
class Clock {
  now = $state(Date.now());

  /** Begins to tick; returns how to stop. */
  start(): () => void {
    const timer = setInterval(() => (this.now = Date.now()), 1000);
    return () => clearInterval(timer);
  }
}

export const clock = new Clock();
