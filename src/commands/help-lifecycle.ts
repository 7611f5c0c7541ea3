/** The help texts of the commands that make, start, end and remove containers. */

/** By command. */
export const lifecycleTexts: Readonly<Record<string, string>> = {
  create: `hb create [FLAGS] IMAGE [COMMAND [ARGUMENT...]]

  id=$(hb create -p 8080:80 nginx)
  hb create --name job -v .:/src alpine make -C /src && hb start -a job

Makes a container and prints its id; 'hb start' runs it. All that can be wrong with its flags is
said now. Variables, files and relative paths are taken from here and now.

Takes run's flags, but for those about who looks on: --attach, --detach, --detach-keys and
--sig-proxy. With --rm the container goes when its first run ends.
`,
  start: `hb start [FLAGS] CONTAINER...

  hb start db
  hb start -ai job

Runs containers that were made or have ended, with the files they have. What they were made with
counts; addresses and random ports are dealt out anew.

  -a, --attach                  follow what it writes, and end with its exit status
  -i, --interactive             pass standard input on
      --detach-keys KEYS        ctrl-p,ctrl-q unless said otherwise
      --sig-proxy=false         do not pass signals on
`,
  restart: `hb restart [FLAGS] CONTAINER...

  hb restart web

Stops containers, if they run, and starts them.

  -s, --signal SIGNAL           instead of the container's own stop signal
  -t, --time SECONDS            until SIGKILL; -1 for never, the container's own otherwise
`,
  stop: `hb stop [FLAGS] CONTAINER...

  hb stop db
  hb stop -t 60 db web

Asks containers to end and waits for it; those that do not are killed in the end.

  -s, --signal SIGNAL           instead of the container's own stop signal
  -t, --time SECONDS            until SIGKILL; -1 for never, the container's own otherwise
`,
  kill: `hb kill [FLAGS] CONTAINER...

  hb kill db
  hb kill -s HUP web

  -s, --signal SIGNAL           KILL unless said otherwise
`,
  wait: `hb wait [FLAGS] CONTAINER...

  hb wait job
  hb wait --condition healthy db && hb exec db psql -c 'select 1'

Waits until containers have ended and prints their exit codes.

      --condition CONDITION     not-running (the default), next-exit, exited, removed, running or
                                healthy; fails at once when that can no longer come true
`,
  rm: `hb rm [FLAGS] CONTAINER...

  hb rm job
  hb rm -f $(hb ps -aq)

Removes containers with their files, logs and names.

  -f, --force                   kill what runs; a container that is not there is no error
  -t, --time SECONDS            with --force: time to end by itself; 0 unless said otherwise
  -a, --all                     every container
  -v, --volumes                 taken for docker's sake: scratch directories always go
`,
  rename: `hb rename CONTAINER NAME

  hb rename clever_otter web
`,
};
