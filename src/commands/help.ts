/**
 * `hb help`, `hb help COMMAND`, `hb COMMAND --help`: texts written by hand, examples first.
 *
 * tests compare the flags named here with those in cli/tables.ts, so that neither has one more.
 */

import { UsageError } from "../errors.ts";
import type { HelpOptions } from "../options.ts";
import { printResult } from "../output.ts";
import { containerTexts } from "./help-containers.ts";
import { imageTexts } from "./help-images.ts";
import { loginTexts } from "./help-login.ts";
import { machineTexts } from "./help-machine.ts";
import { registryTexts } from "./help-registries.ts";
import { storeTexts } from "./help-store.ts";

/** Prints the text about `topic`, or the overview. */
export function help({ topic }: HelpOptions): number {
  printResult((topic === undefined ? overview : helpText(topic)).trimEnd());
  return 0;
}

/** The text about one command. */
export function helpText(topic: string): string {
  const text = Object.hasOwn(texts, topic) ? texts[topic] : undefined;
  if (text === undefined) throw new UsageError(`hb has no help about "${topic}"`);
  return text;
}

const overview = `hb runs container images from one file: no daemon, no root, no installation.

  hb run hello                          what isolation this machine gives
  hb run -it alpine                     a shell in Alpine Linux
  hb run -v .:/src -w /src node:22 npm test
  hb doctor                             what would work better, and the command for it

Containers
  run [FLAGS] IMAGE [COMMAND]           run a command in a new container
  ps                                    list containers; -a those that ended, too
  exec [FLAGS] CONTAINER COMMAND        run another command in a running container
  logs [FLAGS] CONTAINER                what a container has written
  stop, kill, start, restart, wait, rm  CONTAINER...
  create, attach, cp, diff, export, port, rename, top, stats, update, pause, unpause, events
  spec [FLAGS] IMAGE DIR [COMMAND]      write a bundle that crun and runc can run
  network create|ls|rm|inspect|prune    networks between containers (root)

Images
  login, logout [REGISTRY]              keep a password for a registry, or forget it
  pull IMAGE...                         fetch images
  tags REPOSITORY                       list the tags a registry has
  manifest inspect IMAGE                what a registry has, unpulled
  lock [IMAGE...]                       write down what images mean now, for --locked
  push IMAGE [DESTINATION]              bring an image into a registry
  images [IMAGE]                        list the images here
  inspect CONTAINER|IMAGE...            show what is known of it
  rmi IMAGE...                          remove images
  tag SOURCE TARGET                     give an image another name
  history IMAGE                         show the steps that made it
  commit CONTAINER [REFERENCE]          make an image of a container
  import FILE|URL|- [REFERENCE]         make an image of a tar of files
  save IMAGE..., load                   images to and from an archive

This machine
  prune                                 remove layers and containers nobody uses
  clean                                 the same as prune
  check [--repair] [IMAGE...]           find what is broken here, and pull it again
  store export|import DIR [IMAGE...]    images to and from a directory that a CI cache keeps
  system df                             what images and containers take
  doctor                                what hb can do here, and what would improve it
  info                                  hb, its store and this machine, in docker's words
  version                               hb's version
  help [COMMAND]                        this text, or all about one command

Images are kept in $HB_ROOT, else in /var/lib/hb (root) or ~/.local/share/hb.
Exit status of run: the command's own, or 125 hb failed, 126 not executable, 127 not found.
`;

const run = `hb run [FLAGS] IMAGE [COMMAND [ARGUMENT...]]
hb run [FLAGS] --rootfs DIR [COMMAND [ARGUMENT...]]

  hb run alpine cat /etc/os-release
  hb run -it debian:12 bash
  hb run -v .:/src -w /src -u 1000 python:3 python test.py
  hb run -p 8080:80 nginx
  hb run --network none --read-only --tmpfs /tmp alpine sh -c 'id; ls /'
  hb run --rootfs ./tree                    a plain directory, /bin/sh when nothing else is said

Flags come before IMAGE; what follows it is the container's. They are docker's.

Process
  -i, --interactive             let the container read standard input
  -t, --tty                     give it a terminal
  -e, --env KEY[=VALUE]         set a variable; without a value, pass yours through
      --env-file FILE           variables from a file, one KEY=VALUE a line
  -w, --workdir DIR             where to start; made if missing
  -u, --user USER[:GROUP]       names or numbers, looked up in the image
      --group-add GROUP         another group
      --entrypoint PROGRAM      instead of the image's; "" for none
      --init                    a first process that reaps and forwards signals
      --stop-signal SIGNAL      what asks it to stop
      --ulimit NAME=SOFT[:HARD] a resource limit, for example nofile=1024

Files
  -v, --volume SOURCE:DEST[:ro] a directory or file of yours; DEST alone is a scratch directory
      --mount type=bind,src=SOURCE,dst=DEST[,readonly]
      --mount type=tmpfs,dst=DEST[,tmpfs-size=64m][,tmpfs-mode=1777]
      --tmpfs DEST[:size=64m]   a file system in memory
      --device /dev/NAME[:DEST] a device of the host
      --read-only               the image's files cannot be changed
      --shm-size SIZE           of /dev/shm; 64m unless said otherwise
      --rootfs DIR              run this directory instead of an image, in place

Network
  -p, --publish [ADDRESS:][PORT:]PORT[/udp]
                                a port of this machine leads to one of the container; ranges, too
  -P, --publish-all             every port the image EXPOSEs, on free ports of this machine
      --network pasta[:OPTIONS] its own network behind pasta (the default, but for root)
      --network bridge[:NAME]   an address on a bridge of this machine (root's default)
      --network host|none       the machine's own network, or loopback only
      --network container:NAME  the network of a running container, or ns:PATH of a namespace
      --ip ADDRESS              on a bridge; also --mac-address ADDRESS
  -h, --hostname NAME           the container's name for itself
      --add-host NAME:ADDRESS   a line of /etc/hosts; host-gateway is this machine
      --dns ADDRESS             a name server, also --dns-search and --dns-option
      --http-proxy              pass HTTP_PROXY and its like through

Isolation
      --cap-add NAME            add a capability, or ALL
      --cap-drop NAME           drop a capability, or ALL
      --privileged              all capabilities, devices and no filters, as far as your own go
      --security-opt no-new-privileges
      --security-opt seccomp=FILE|unconfined
      --security-opt systempaths=unconfined

Life
  -d, --detach                  print the id once the command runs, and let it run
      --rm                      remove the container when it ends: always, but with -d
      --rm=false                keep its files, log and exit status until 'hb rm'
  -a, --attach STREAM           of stdin, stdout and stderr only these
      --detach-keys KEYS        ctrl-p,ctrl-q unless said otherwise
      --sig-proxy=false         do not pass signals on
      --restart no|on-failure[:N]|always|unless-stopped
      --stop-timeout SECONDS    from the stop signal to SIGKILL; 10 unless said otherwise
      --timeout SECONDS         the longest it may run
      --log-driver DRIVER       json-file, k8s-file, local (all the same here) or none
      --log-opt KEY=VALUE       max-size=10m, max-file=3
      --health-cmd COMMAND      exit status 0 says that it is well; --no-healthcheck for none
      --health-interval 30s     also --health-timeout, --health-retries, --health-start-period
                                and --health-start-interval

Limits
  -m, --memory SIZE             also --memory-reservation, --memory-swap, --memory-swappiness
      --cpus NUMBER             of processors, for example 1.5; or --cpu-period and --cpu-quota
  -c, --cpu-shares WEIGHT       1024 unless said otherwise
      --cpuset-cpus LIST        for example 0-2,7; also --cpuset-mems
      --pids-limit NUMBER       processes and threads
      --blkio-weight WEIGHT     10 to 1000
      --device-read-bps DEVICE:RATE
                                also --device-write-bps, --device-read-iops, --device-write-iops
      --oom-score-adj NUMBER    -1000 to 1000
      --oom-kill-disable        wait for memory instead of being killed
      --cgroup-parent PATH      make its cgroup there

Image and container
      --pull always|missing|never
      --locked[=FILE]           only images that hb.lock has, as it has them; see 'hb help lock'
      --store DIR               look for images in this store, too; it is only read. Also by
                                HB_ADDITIONAL_STORES=DIR:DIR
      --platform OS/ARCH        for example linux/arm64
      --creds USER[:PASSWORD]   for the image's registry, see 'hb help login'
      --tls-verify=false        allow plain HTTP and unknown certificates
      --cacert FILE             trust these CAs, too, for the registry
  -q, --quiet                   say nothing while pulling
      --name NAME               a name of its own
      --cidfile FILE            write the container's id there
  -l, --label KEY=VALUE         a label, also --label-file FILE

Exit status: the command's own, 128+n for signal n; 125 hb failed, 126 the command cannot be
executed, 127 it was not found.
`;

const spec = `hb spec [FLAGS] IMAGE DIR [COMMAND [ARGUMENT...]]

  hb spec alpine ./bundle && crun run -b ./bundle test
  hb spec -e DEBUG=1 -u nobody alpine ./bundle id

Writes an OCI bundle to the new directory DIR: config.json, rootfs/, and the files that hb run keeps
in memory. It is the container that hb run makes of the same flags, for this machine and user.

Takes run's flags, but for those about one run: --cidfile, --init, --interactive, --ip,
--mac-address, --name, --publish, --publish-all, --rm, --rootfs. Its networks are host (the
default), none and ns:PATH.
`;

const pull = `hb pull [FLAGS] IMAGE...

  hb pull alpine
  hb pull --platform linux/arm64 ghcr.io/org/tool:1.2
  hb pull localhost:5000/app@sha256:...

Fetches images, several at once; layers that are here already are not fetched again. One that fails
does not keep the others from coming. Ctrl-C leaves nothing half done.

      --platform OS/ARCH        for example linux/arm64 or linux/arm/v7
      --locked[=FILE]           only what hb.lock has, as it has it; see 'hb help lock'
  -q, --quiet                   print only the digest
      --creds USER[:PASSWORD]   for the image's registry; others can see it: see 'hb help login'
  -a, --all-tags                every tag of the repositories named
      --store DIR               take layers that this store has from there; also by
                                HB_ADDITIONAL_STORES=DIR:DIR
      --timeout DURATION        give up after, for example, 90s, 5m or 1h
      --tls-verify=false        allow plain HTTP and unknown certificates
      --cacert FILE             trust these CAs, too, for the registry
`;

const images = `hb images [FLAGS] [IMAGE]

  hb images
  hb images --format json
  hb images --format '{{.Repository}}:{{.Tag}}' --filter reference='alpine*'
  hb rmi $(hb images -q)

      --digests                 a column of digests
  -f, --filter KEY=VALUE        reference=PATTERN, dangling=true, label=NAME[=VALUE], before=IMAGE,
                                since=IMAGE
      --format table|json       columns, or one JSON object a line
      --format TEMPLATE         what docker's (Go's text/template) prints of each; 'table TEMPLATE'
                                makes columns of what stands between \\t
      --no-trunc                whole ids
  -q, --quiet                   only the ids
      --store DIR               in this store, too, which is only read
  -a, --all                     no difference: there are no intermediate images

Fields: .Repository .Tag .ID .Digest .CreatedSince .CreatedAt .Size .Platform .Store .ReadOnly
Functions: json join split lower upper title pad truncate index len slice print printf println
eq ne lt le gt ge and or not, and the words if, else, with, range, break, continue, end.
`;

const rmi = `hb rmi [FLAGS] IMAGE...

  hb rmi alpine debian:12

Removes images by reference or digest, and the layers no other image needs.

  -f, --force                   an image that is not there is no error
`;

const inspect = `hb inspect [FLAGS] CONTAINER|IMAGE...

  hb inspect alpine | jq -r '.[0].Id'
  hb inspect -f '{{.State.Status}}' db
  hb inspect -f '{{(index (index .NetworkSettings.Ports "80/tcp") 0).HostPort}}' web
  hb inspect -f '{{index .Config.Labels "org.opencontainers.image.version"}}' alpine

Prints a JSON array with docker's field names. A container's name comes before an image's.

  -f, --format json             the array in one line
  -f, --format TEMPLATE         a template for each, see 'hb help images'
      --type container|image    only one of that kind
      --store DIR               in this store, too, which is only read
      --platform OS/ARCH        of several platforms pulled, this one
`;

const network = `hb network create [FLAGS] NAME
hb network ls | rm NAME... | inspect NAME... | prune

  sudo hb network create back
  sudo hb run --network back --name db postgres
  sudo hb run --network back alpine ping db

Networks are bridges of this machine, so they are root's. Containers on a created one find each
other by name. A bridge is there as long as a container is on it; hb0 is the default one's, which
'hb network create --subnet CIDR hb0' changes.

create
      --subnet CIDR             for example 10.90.0.0/16; a free one unless said otherwise
      --gateway ADDRESS         the bridge's own; the subnet's first unless said otherwise
      --internal                no way out of the network
ls
      --format table|json|TEMPLATE
                                columns, one JSON object a line, or see 'hb help images'
  -q, --quiet                   only the names
inspect
  -f, --format json|TEMPLATE    one line of JSON, or see 'hb help images'
rm
  -f, --force                   a network that is not there is no error
prune                           remove created networks without containers
`;

const prune = `hb prune [FLAGS]

  hb prune
  hb prune --all --filter until=240h
  hb prune --keep 5GB

Removes containers that ended, also those that were kept, and layers no image needs. What running
containers use stays. With HB_STORE_MAX=SIZE in the environment each pull ends as by --keep SIZE.

  -a, --all                     all images as well
      --containers              containers only, as 'hb container prune'
      --images                  no containers, as 'hb image prune'; what they are made of stays
      --keep SIZE               images, the least recently used first, until the layers take no
                                more than this
      --filter KEY=VALUE        only images and containers with until=10h (made longer ago; or a
                                time), label=NAME[=VALUE], label!=NAME[=VALUE]
  -f, --force                   taken for docker's sake: hb does not ask
`;

const doctor = `hb doctor [FLAGS]

  hb doctor
  hb doctor --format json

Tries what hb needs of this machine and says, line by line, what is there, what hb will use, and the
exact command that would improve it. Exit status 1 only when no container can run.

      --format table|json       lines with marks, or one JSON document
`;

const help_ = `hb help [COMMAND]

  hb help run
`;

const texts: Readonly<Record<string, string>> = {
  ...containerTexts,
  ...loginTexts,
  ...storeTexts,
  ...registryTexts,
  ...imageTexts,
  run,
  spec,
  pull,
  images,
  rmi,
  inspect,
  network,
  prune,
  clean: prune.replaceAll("hb prune", "hb clean"),
  doctor,
  ...machineTexts,
  help: help_,
};
