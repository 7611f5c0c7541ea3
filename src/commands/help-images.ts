/** The help texts of the commands that make, name and move images. */

const tag = `hb tag SOURCE TARGET

  hb tag alpine:3.19 registry.example/base:1
  hb tag 4bcff63911fc mine

Gives an image another name; its old one stays. An image that had the name TARGET before loses it.
SOURCE is a name, or the beginning of an id.
`;

const history = `hb history [FLAGS] IMAGE

  hb history postgres
  hb history --no-trunc --format '{{.CreatedBy}}' postgres

Lists the steps that made an image, the last one first.

      --format table|json|TEMPLATE
                                columns, one JSON object a line, or see 'hb help images'
  -H, --human                   ages and rounded sizes; --human=false for dates and bytes
      --no-trunc                whole ids and commands
      --platform OS/ARCH        of several platforms pulled, this one
      --store DIR               in this store, too, which is only read
  -q, --quiet                   only the ids

Fields: .ID .CreatedSince .CreatedAt .CreatedBy .Size .Comment
`;

const save = `hb save [FLAGS] IMAGE...

  hb save -o images.tar alpine debian:12
  hb save alpine | zstd > alpine.tar.zst
  hb save app | ssh server docker load

Writes images as an archive: an OCI layout that docker, podman, skopeo and hb load. Named by its
id, an image has no name in it.

  -o, --output FILE             write to a file, which is there whole or not at all
      --platform OS/ARCH        of several platforms pulled, this one
      --store DIR               in this store, too, which is only read
`;

const load = `hb load [FLAGS]

  hb load -i images.tar.gz
  docker save app | hb load

Loads the images of an archive: OCI layouts and docker's archives, also compressed by gzip or
zstd. Everything in it is checked as if it came from a registry.

  -i, --input FILE              read a file, not standard input
      --platform OS/ARCH        for example linux/arm64
  -q, --quiet                   no progress
`;

const push = `hb push [FLAGS] IMAGE [DESTINATION]

  hb push registry.example/app:1
  hb push app:dev registry.example/app:2
  hb push --all-tags registry.example/app

Brings an image into a registry; its manifest comes last. Layers that are there, or in another
repository of that registry, are not sent again. DESTINATION is IMAGE's own name unless said
otherwise. Of an image for several platforms the one that is here is pushed.

  -a, --all-tags                every tag of the repository IMAGE
      --digestfile FILE         write the digest there, too
      --platform OS/ARCH        of several platforms pulled, this one
  -q, --quiet                   print only the digest
      --creds USER[:PASSWORD]   for the registry, see 'hb help login'
      --cacert FILE             trust these CAs, too, for the registry
      --tls-verify=false        allow plain HTTP and unknown certificates
`;

const commit = `hb commit [FLAGS] CONTAINER [REFERENCE]

  hb commit build app:1
  hb commit -c 'CMD ["nginx", "-g", "daemon off;"]' -m 'with a config' web web:2

Makes an image of a container, whether it runs or not, and prints its id: its image's layers, and
one of what it has written. What is in volumes and other mounts is not in it. Command, variables,
labels and the like are those the container was started with. A container that runs is paused
meanwhile, where it can be.

  -a, --author TEXT             whom 'hb inspect' names as its author
  -c, --change INSTRUCTION      as in 'hb help import'; any number of times
  -i, --iidfile FILE            write the id to a file as well
  -m, --message TEXT            what 'hb history' says of it
  -p, --pause                   --pause=false for a container that goes on meanwhile
  -q, --quiet                   only the id and notices: as podman has it
`;

const importText = `hb import [FLAGS] FILE|URL|- [REFERENCE]

  debootstrap bookworm root && tar -C root -c . | hb import - base:1
  hb export web | hb import -c 'CMD ["nginx"]' - web:copy

Makes an image of a tar of files, which may be compressed by gzip or zstd, and prints its id.
A URL may name a user: https://USER:PASSWORD@HOST/FILE. Proxies are those of 'hb pull'.

  -c, --change INSTRUCTION      CMD, ENTRYPOINT, ENV, EXPOSE, HEALTHCHECK, LABEL, ONBUILD,
                                STOPSIGNAL, USER, VOLUME or WORKDIR, as in a Dockerfile; any
                                number of times
  -m, --message TEXT            what 'hb history' says of it
      --platform OS/ARCH        what it is for, if not this machine
  -q, --quiet                   no progress
      --cacert FILE             trust these CAs, too, for a URL
      --tls-verify=false        allow unknown certificates
`;

/** By command. */
export const imageTexts: Readonly<Record<string, string>> = {
  tag,
  history,
  save,
  load,
  push,
  commit,
  import: importText,
};
