/** The time of day for relative times, one tick a second for the whole window while it is seen. */
class Clock {
  now = $state(Date.now());

  /** Begins to tick; returns how to stop. */
  start(): () => void {
    const tick = () => {
      if (!document.hidden) this.now = Date.now();
    };
    const timer = setInterval(tick, 1000);
    document.addEventListener('visibilitychange', tick);
    return () => {
      clearInterval(timer);
      document.removeEventListener('visibilitychange', tick);
    };
  }
}

export const clock = new Clock();
