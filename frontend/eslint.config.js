import js from '@eslint/js';
import svelte from 'eslint-plugin-svelte';
import globals from 'globals';
import ts from 'typescript-eslint';
import svelteConfig from './svelte.config.js';

// A process without a locale gives the web view the language "C", on which Intl
// throws. lib/ui/format.ts writes numbers and times without it.
const localeTraps = ['toLocaleString', 'toLocaleDateString', 'toLocaleTimeString', 'localeCompare'];

export default ts.config(
  { ignores: ['dist/', 'node_modules/', 'src/lib/bridge/wailsjs/'] },
  js.configs.recommended,
  ...ts.configs.recommended,
  ...svelte.configs.recommended,
  { languageOptions: { globals: { ...globals.browser, ...globals.node } } },
  {
    files: ['**/*.svelte', '**/*.svelte.ts'],
    languageOptions: { parserOptions: { parser: ts.parser, extraFileExtensions: ['.svelte'], svelteConfig } },
  },
  {
    rules: {
      'no-undef': 'off', // the type checker does this
      'max-lines': ['error', 500],
      '@typescript-eslint/no-unused-vars': ['error', { argsIgnorePattern: '^_' }],
      'no-restricted-globals': [
        'error',
        { name: 'Intl', message: 'Throws where no locale is set; use lib/ui/format.' },
      ],
      'no-restricted-properties': [
        'error',
        ...localeTraps.map((property) => ({
          property,
          message: 'Throws where no locale is set; use lib/ui/format.',
        })),
      ],
      'svelte/prefer-svelte-reactivity': 'off', // large tables live in $state.raw on purpose
    },
  },
  { files: ['**/*.gen.ts'], rules: { 'max-lines': 'off' } },
  { files: ['**/*.svelte'], rules: { 'max-lines': ['error', 250] } },
  { files: ['**/*.svelte.ts'], rules: { 'max-lines': ['error', 200] } },
  {
    files: ['src/**'],
    ignores: ['src/lib/bridge/**'],
    rules: {
      'no-restricted-imports': [
        'error',
        {
          patterns: [
            {
              group: ['**/wailsjs/**', '**/bridge/wails', '**/bridge/fake/**'],
              message: 'Only lib/bridge talks to Wails; use the Bridge.',
            },
          ],
        },
      ],
    },
  },
);
