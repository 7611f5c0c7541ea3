/** The help texts of the commands about containers. */

import { fileTexts } from "./help-files.ts";
import { lifecycleTexts } from "./help-lifecycle.ts";

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

const logs = `hb logs [FLAGS] CONTAINER

  hb logs -f web
  hb logs --tail 100 -t web
  hb logs --since 10m web 2>errors.txt

Prints what a container has written: its output to standard output, its errors to standard error.
A container that was detached (-d) or outlives its run has a log; others write to where they run.

      --details                 taken, and means nothing: lines have no attributes here
  -f, --follow                  go on until the container has ended for good
  -n, --tail NUMBER             only the last lines; all of them unless said otherwise
      --since TIME              a date, a time such as 2026-11-22T10:00:00Z, seconds since 1970, or
                                how long ago: 10m, 1h30m
      --until TIME              the same
  -t, --timestamps              when each line was written, in UTC

The log is in lines of CRI's form, in the container's directory. It grows without bounds unless the
run was given some: see 'hb help run'.
`;

const attach = `hb attach [FLAGS] CONTAINER

  hb attach shell
  hb attach --no-stdin web

Shows what a running container writes from now on and passes on what is typed, where it was started
with -i. With -t, ctrl-p ctrl-q leaves it running. Several may attach at once; one that reads
nothing for two seconds is let go, so that it does not hold up the container.

      --detach-keys KEYS        what leaves it running, instead of ctrl-p,ctrl-q: characters and
                                ctrl-LETTER with commas between them, "" for none
      --no-stdin                only show
      --sig-proxy               pass on signals, as Ctrl-C; with =false they end hb alone. The
                                default is to pass them on, but not with -t, where keys do that

Exit status: the container's own; 0 when it was left running, 137 when its supervisor was killed.
`;

const pause = `hb pause CONTAINER...

  hb pause db
  hb unpause db

Stops every process of the containers where it is, until 'hb unpause' lets them go on. That takes a
freezer: each container of root's has one, an ordinary user's if it was started with a limit.
`;

const unpause = `hb unpause CONTAINER...

  hb unpause db

Lets paused containers go on.
`;

const update = `hb update [FLAGS] CONTAINER...

  hb update -m 1g --cpus 2 db
  hb update --restart unless-stopped db

Gives containers other limits: at once where they run, and from their next start on. Limits that are
not named stay as they are.

  -m, --memory SIZE             also --memory-reservation and --memory-swap, which includes it
      --cpus NUMBER             of processors, for example 1.5; or --cpu-period and --cpu-quota
  -c, --cpu-shares WEIGHT       against others: 1024 is what a container without it has
      --cpuset-cpus LIST        for example 0-2,7; also --cpuset-mems
      --pids-limit NUMBER       processes and threads
      --blkio-weight WEIGHT     10 to 1000
      --restart POLICY          no, on-failure[:TIMES], always or unless-stopped
`;

const stats = `hb stats [FLAGS] [CONTAINER...]

  hb stats
  hb stats --no-stream --format '{{.Name}}: {{.MemUsage}}' db

Prints what running containers use, drawn anew each second: from their cgroups, and of containers
without one from their processes. '--' is what cannot be known.

  -a, --all                     those that do not run, too
      --format table|json       columns, or one JSON object a line
      --format TEMPLATE         a line for each, see 'hb help images'; 'table TEMPLATE' for columns
      --no-stream               once, measured over a second
      --no-trunc                whole ids
`;

/** By command. */
export const containerTexts: Readonly<Record<string, string>> = {
  ...lifecycleTexts,
  pause,
  unpause,
  update,
  ps,
  logs,
  exec,
  attach,
  top,
  stats,
  port,
  ...fileTexts,
  events,
};
