/** The help texts of the commands about containers' files. */

const cp = `hb cp [FLAGS] CONTAINER:SOURCE DESTINATION|-
hb cp [FLAGS] SOURCE|- CONTAINER:DESTINATION

  hb cp web:/etc/nginx/nginx.conf .
  hb cp site/. web:/usr/share/nginx/html    what is in site, not site itself
  hb cp web:/var/log - | tar t
  tar c src | hb cp - build:/work

Copies files and trees out of and into containers, whether they run or not.
In a running container that is what it sees, volumes and tmpfs included. In one that does
not run, what it will see: its own files and its volumes, but nothing in memory.

A file goes to DESTINATION, or into it if that is a directory. A directory goes into
DESTINATION if that is one, or else becomes it; with /. at the end of SOURCE only what is in
it is copied. The directory of DESTINATION must exist. With - an archive is read or written
(tar, not compressed); its names stay below DESTINATION.

Modes and times are kept. Files belong to root in a container and to you outside of it, where
they lose their set-id bits; what is in an archive belongs to whom the archive says. Device
nodes do not leave a container.

  -a, --archive                 keep the owners' numbers; out of a container only as root
  -L, --follow-link             copy what a symbolic link SOURCE leads to, not the link
  -q, --quiet                   print nothing, as when standard output is no terminal
`;

const diff = `hb diff CONTAINER

  hb diff web

Prints what a container has changed of its image's files: A added, C changed, D deleted.
What is in volumes and other mounts is not told.
`;

const exportText = `hb export [FLAGS] CONTAINER

  hb export web > web.tar
  hb export -o web.tar web

Writes all files of a container, its image's and its own, as a tar. Volumes and other mounts
are left out: their mount points are empty.

  -o, --output FILE             write to a file, which is there whole or not at all
`;

/** By command. */
export const fileTexts: Readonly<Record<"cp" | "diff" | "export", string>> = {
  cp,
  diff,
  export: exportText,
};
