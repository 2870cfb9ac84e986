import { load, save } from './stored';

const steps = [0.9, 1, 1.1, 1.25, 1.5];

/** How large text is, from 90 % to 150 %. Everything is measured in rem and grows along. */
class TextScale {
  value = $state(load('scale', 1));

  /** Goes one step up or down; 0 returns to 100 %. */
  step(by: -1 | 0 | 1): void {
    const at = steps.indexOf(this.value);
    this.value = by === 0 ? 1 : (steps[Math.max(0, Math.min(steps.length - 1, (at < 0 ? 1 : at) + by))] ?? 1);
    save('scale', this.value);
    this.apply();
  }

  apply(): void {
    document.documentElement.style.setProperty('--scale', String(this.value));
  }
}

export const textScale = new TextScale();
