/** The help texts of the commands about containers. */

import { fileTexts } from "./help-files.ts";

const exec = `hb exec [FLAGS] CONTAINER COMMAND [ARGUMENT...]

  hb exec -it web sh
  hb exec -u postgres db psql -c 'select 1'
  hb exec -d web sh -c 'sleep 60; touch /tmp/done'

Runs another command in a running container, with the container's environment, user, limits and
rights. Ctrl-C and the end of hb are the end of the command; with -t, ctrl-p ctrl-q leaves it
running.

  -d, --detach                  leave the command running; hb ends when it has started
      --detach-keys KEYS        with -t, what leaves it running: ctrl-p,ctrl-q unless said
                                otherwise, "" for none
  -e, --env KEY[=VALUE]         set a variable; without a value, the caller's
      --env-file FILE           one KEY=VALUE a line
  -i, --interactive             pass standard input on
      --privileged              every capability hb can give, no seccomp filter
  -t, --tty                     a terminal of the container's own
  -u, --user USER[:GROUP]       name or number, looked up in the container
  -w, --workdir DIR             where the command starts

Exit status: the command's own, 128+n for signal n; 1 the container is not running, 125 hb failed,
126 the command cannot be executed, 127 it was not found.
`;

const ps = `hb ps [FLAGS]

  hb ps -a
  hb ps -q --filter label=ci
  hb ps --format '{{.Names}}: {{.Status}}'

Lists the containers that run. It is right after any crash: a container runs exactly while its
supervisor holds its lock.

  -a, --all                     those that ended or were never started, too
  -f, --filter NAME=VALUE       ancestor, before, exited, expose, health, id, label, name, network,
                                publish, since, status or volume; of one name any, of several all
      --format table|json       columns, or one JSON object a line
      --format TEMPLATE         a line for each, see 'hb help images'; 'table TEMPLATE' for columns
  -n, --last NUMBER             the latest ones, also -l, --latest for the one
      --no-trunc                whole ids and commands
  -q, --quiet                   only the ids
  -s, --size                    what each has written
`;

const port = `hb port CONTAINER [PORT[/PROTOCOL]]

  hb port web
  hb port web 80

Prints where the published ports of a running container lead from.
`;

const top = `hb top CONTAINER [PS-ARGUMENT...]

  hb top db
  hb top db -o pid,rss,args

Prints the processes of a running container, with the ids they have outside of it. Arguments are
those of the host's ps(1) and must make it print PID.
`;

const events = `hb events [FLAGS]

  hb events
  hb events --since 1h --until 0s --filter event=die
  hb events --format '{{.Action}} {{.Actor.Attributes.name}}'

Prints what happens to containers, as it happens.

  -f, --filter NAME=VALUE       container, event, image or type
      --format json|TEMPLATE    one JSON object a line, or a template for each
      --since TIME              also what happened since then: a date, Unix seconds, or 10m
      --until TIME              not longer than that
`;

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
  ps,
  logs: `hb logs
`,
  exec,
  attach: `hb attach
`,
  top,
  stats: `hb stats
`,
  port,
  ...fileTexts,
  events,
};
