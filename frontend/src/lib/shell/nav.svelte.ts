import { load, save } from '$lib/ui/stored';

export const pages = [
  'machine',
  'containers',
  'ports',
  'traffic',
  'pipelines',
  'history',
  'settings',
] as const;
export type PageName = (typeof pages)[number];

export const pageTitles: Record<PageName, string> = {
  machine: 'Machine',
  containers: 'Containers',
  ports: 'Ports',
  traffic: 'Traffic',
  pipelines: 'Pipelines',
  history: 'History',
  settings: 'Settings',
};

/** What the one search field at the top does on each page. */
export const filterHints: Record<PageName, string> = {
  machine: 'Find in console',
  containers: 'Filter containers',
  ports: 'Filter ports',
  traffic: 'Filter flows and packets',
  pipelines: 'Filter runs',
  history: 'Filter history',
  settings: 'Find a setting',
};

export type Theme = 'system' | 'light' | 'dark';

/** Where the person is: the page, each page's filter, and how the window looks. */
export class Nav {
  page = $state<PageName>('machine');
  filters = $state<Record<PageName, string>>({
    machine: '',
    containers: '',
    ports: '',
    traffic: '',
    pipelines: '',
    history: '',
    settings: '',
  });
  theme = $state<Theme>(load<Theme>('theme', 'system'));
  palette = $state(false);
  shortcuts = $state(false);

  go(page: PageName, filter?: string): void {
    this.page = page;
    if (filter !== undefined) this.filters[page] = filter;
  }

  get filter(): string {
    return this.filters[this.page];
  }
  set filter(text: string) {
    this.filters[this.page] = text;
  }

  setTheme(theme: Theme): void {
    this.theme = theme;
    save('theme', theme);
  }
}

/** All words of the filter must occur somewhere in the text. */
export function matches(filter: string, text: string): boolean {
  const low = text.toLowerCase();
  return filter
    .toLowerCase()
    .split(/\s+/)
    .every((word) => low.includes(word));
}
