/** `hb events`: what happens to containers, as it happens. */

import { HbError } from "../errors.ts";
import { type Event, followEvents, pastEvents } from "../lifecycle/event-reader.ts";
import { parseMoment } from "../lifecycle/moment.ts";
import type { EventsOptions } from "../options/containers.ts";
import { toJson } from "../output/json.ts";
import { compileTemplate } from "../output/template.ts";
import { printResult } from "../output.ts";
import { createStore, currentStore } from "../store/layout.ts";

/** The longest a timer can wait; whoever waits longer may ask again. */
const TIMER_MAX_MS = 2 ** 31 - 1;

/** Prints events from `--since` (or now) to `--until` (or for ever). */
export async function events(options: EventsOptions): Promise<number> {
  const store = currentStore();
  createStore(store, process.geteuid?.() ?? 0);
  const now = Date.now();
  const since = moment(options.since, "--since", now);
  const until = moment(options.until, "--until", now);
  const passes = compileFilters(options.filter);
  const format = compileFormat(options.format);
  const show = (event: Event) => {
    const time = Date.parse(event.time);
    if (time < (since ?? 0) || time > (until ?? Number.POSITIVE_INFINITY)) return;
    if (passes(event)) printResult(format(event));
  };
  if (until !== undefined && until <= now) {
    for (const event of pastEvents(store)) show(event);
    return 0;
  }
  const end = new AbortController();
  if (until !== undefined) setTimeout(() => end.abort(), Math.min(until - now, TIMER_MAX_MS));
  await followEvents(store, { past: since !== undefined, signal: end.signal }, show);
  return 0;
}

function moment(text: string | undefined, flag: string, now: number): number | undefined {
  return text === undefined ? undefined : parseMoment(text, flag, now);
}

function compileFormat(format: string | undefined): (event: Event) => string {
  if (format === undefined || format === "") return line;
  if (format === "json" || format === "{{json .}}") return (event) => toJson(message(event));
  const template = compileTemplate(format);
  return (event) => template.render(message(event));
}

/** `TIME container start ID (image=busybox, name=db)`. */
function line(event: Event): string {
  const attributes = Object.entries(attributesOf(event)).sort(([a], [b]) => (a < b ? -1 : 1));
  const list = attributes.map(([key, value]) => `${key}=${value}`).join(", ");
  const { time, type, action, id } = event;
  return `${time} ${type} ${action} ${id}${list === "" ? "" : ` (${list})`}`;
}

function attributesOf({ image, name, attributes }: Event): Record<string, string> {
  return {
    ...attributes,
    ...(image === undefined ? {} : { image }),
    ...(name === undefined ? {} : { name }),
  };
}

/** docker's object. */
function message(event: Event): Record<string, unknown> {
  const { time, type, action, id, image } = event;
  const [, fraction = ""] = /\.(\d+)/.exec(time) ?? [];
  const seconds = Math.floor(Date.parse(time) / 1000);
  return {
    status: action,
    id,
    from: image ?? "",
    Type: type,
    Action: action,
    Actor: { ID: id, Attributes: attributesOf(event) },
    scope: "local",
    time: seconds,
    timeNano: Number(`${seconds}${fraction.padEnd(9, "0").slice(0, 9)}`),
  };
}

type Test = (event: Event, value: string) => boolean;

const tests: Readonly<Record<string, Test>> = {
  container: ({ id, name }, value) => id.startsWith(value) || name === value,
  event: ({ action }, value) => action === value || action.startsWith(`${value}:`),
  image: ({ image }, value) => image === value || image === `${value}:latest`,
  type: ({ type }, value) => type === value,
};

/** Filters of one name are alternatives, names add up. */
function compileFilters(filters: readonly string[]): (event: Event) => boolean {
  const asked = filters.map((text): [string, string] => {
    const [, name = "", value = ""] = /^([a-z]+)=(.*)$/s.exec(text) ?? [];
    if (Object.hasOwn(tests, name)) return [name, value];
    throw new HbError(`Cannot use --filter ${JSON.stringify(text)}`, {
      hint: `use one of: ${Object.keys(tests).join(", ")}, for example event=die`,
    });
  });
  const names = [...new Set(asked.map(([name]) => name))];
  return (event) =>
    names.every((name) =>
      asked.some(([other, value]) => other === name && tests[name]?.(event, value) === true),
    );
}
