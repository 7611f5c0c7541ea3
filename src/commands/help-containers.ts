/** The help texts of the commands about containers. */

/** By command. */
export const containerTexts: Readonly<Record<string, string>> = {
  create: `hb create
`,
  start: `hb start
`,
  restart: `hb restart
`,
  stop: `hb stop
`,
  kill: `hb kill
`,
  pause: `hb pause
`,
  unpause: `hb unpause
`,
  wait: `hb wait
`,
  rm: `hb rm
`,
  rename: `hb rename
`,
  update: `hb update
`,
  ps: `hb ps
`,
  logs: `hb logs
`,
  exec: `hb exec
`,
  attach: `hb attach
`,
  top: `hb top
`,
  stats: `hb stats
`,
  port: `hb port
`,
  diff: `hb diff
`,
  cp: `hb cp
`,
  export: `hb export
`,
  events: `hb events
`,
};
