import { describe, expect, test } from 'vitest';
import type { Bridge, Setting, SettingsChange } from '$lib/bridge';
import { Feed } from '$lib/bridge/feed';
import { checkRequest } from '$lib/ports/ports.svelte';
import { check, groups, Settings } from './settings.svelte';

const memory = { key: 'vm/memory', kind: 'int', unit: 'MiB', min: 512, max: 4096 } as Setting;

test.each([
  ['512', ''],
  ['511', 'At least 512 MiB.'],
  ['4097', 'At most 4096 MiB.'],
  ['1.5', 'This is a whole number.'],
  ['', 'This is a whole number.'],
])('memory of %s', (value, want) => expect(check(memory, value)).toBe(want));

test('a choice is one of those there are', () => {
  const setting = { kind: 'choice', choices: ['auto', 'tcg'] } as Setting;
  expect(check(setting, 'tcg')).toBe('');
  expect(check(setting, 'warp')).toBe('One of: auto, tcg.');
});

test('groups keep the order in which the engine lists settings', () => {
  const list = ['vm/cpus', 'net/dns', 'vm/memory'].map((key) => ({ key }) as Setting);
  expect(groups(list).map((g) => `${g.name}${g.settings.length}`)).toEqual(['vm2', 'net1']);
});

describe('a forward', () => {
  const good = { hostIp: '127.0.0.1', hostPort: '8080', target: 'web:80' };
  test.each([
    [{}, ''],
    [{ hostPort: '' }, ''],
    [{ hostPort: '65536' }, 'hostPort'],
    [{ hostPort: 'http' }, 'hostPort'],
    [{ hostIp: 'localhost' }, 'hostIp'],
    [{ hostIp: '::1' }, ''],
    [{ target: 'web' }, 'target'],
    [{ target: 'web:0' }, 'target'],
    [{ target: 'fd00::1:80' }, ''],
  ])('%o', (change, want) => expect(Object.keys(checkRequest({ ...good, ...change })).join()).toBe(want));
});

test('changes are saved together; a default is saved as no value', async () => {
  const list = [
    { key: 'a', kind: 'text', value: 'x', default: 'd', applies: 'now' },
    { key: 'b', kind: 'text', value: 'y', default: 'e', applies: 'now' },
    { key: 'c', kind: 'text', value: 'z', default: 'z', applies: 'now', isDefault: true },
  ] as Setting[];
  const asked: SettingsChange[] = [];
  const bridge = { settings: async () => list, setSettings: async (c: SettingsChange) => void asked.push(c) };
  const settings = new Settings(bridge as unknown as Bridge, new Feed(bridge as unknown as Bridge));
  await settings.load();
  settings.edit(list[0]!, 'new');
  settings.toDefault(list[1]!);
  settings.edit(list[2]!, 'typed');
  settings.edit(list[2]!, 'z'); // and back
  settings.message = ' why ';
  expect(settings.value(list[1]!)).toBe('e');
  await settings.save();
  expect(asked).toEqual([{ values: { a: 'new', b: '' }, message: 'why' }]);
  expect(settings.changed).toEqual([]);
});
