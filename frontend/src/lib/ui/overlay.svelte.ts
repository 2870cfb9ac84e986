/** What lies above the pages: one menu, one question, and messages. Widgets render it; anyone may ask for it. */
export interface MenuItem {
  label: string;
  /** The key that does the same in the list the menu belongs to. */
  key?: string;
  run: () => void;
  danger?: boolean;
  disabled?: boolean;
  checked?: boolean;
  /** Draws a line above. */
  group?: boolean;
}

export interface Question {
  title: string;
  text: string;
  /** What will be lost, if anything. */
  loss?: string;
  action: string;
  danger?: boolean;
  answer: (yes: boolean) => void;
}

export interface Message {
  id: number;
  kind: 'info' | 'ok' | 'error';
  text: string;
  hint?: string;
  action?: { label: string; run: () => void };
}

class Overlay {
  menu = $state.raw<{ x: number; y: number; items: MenuItem[]; label: string } | null>(null);
  question = $state.raw<Question | null>(null);
  messages = $state.raw<Message[]>([]);
  #next = 0;

  openMenu(x: number, y: number, items: MenuItem[], label: string): void {
    if (items.length > 0) this.menu = { x, y, items, label };
  }

  ask(question: Omit<Question, 'answer'>): Promise<boolean> {
    return new Promise((resolve) => {
      this.question = {
        ...question,
        answer: (yes) => {
          this.question = null;
          resolve(yes);
        },
      };
    });
  }

  /** Shows a message; errors stay until dismissed. */
  tell(kind: Message['kind'], text: string, more: Pick<Message, 'hint' | 'action'> = {}): void {
    const id = (this.#next += 1);
    this.messages = [...this.messages.slice(-3), { id, kind, text, ...more }];
    if (kind !== 'error') setTimeout(() => this.dismiss(id), more.action ? 8000 : 4000);
  }

  dismiss(id: number): void {
    this.messages = this.messages.filter((message) => message.id !== id);
  }
}

export const overlay = new Overlay();
